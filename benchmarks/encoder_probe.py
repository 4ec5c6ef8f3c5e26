"""What text encoders tell of a scene: facts read off their states by a linear map.

    python benchmarks/encoder_probe.py FOLDER... [--write]

About five seconds an encoder of the scale model's size on one core. Chance is 12.5, 25 and 50 %.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tables import machine, show, table

from drawbench_eval.scenes.encoder_probe import NUM_CAPTIONS, probe
from imagen_ref.text.load import load_encoder

TITLE = """# Facts of a caption in the states of its words

`python benchmarks/encoder_probe.py FOLDER... --write`: 2,000 captions of two things ("a red circle left of a
blue star"); read off the state of a shape's word by ridge regression, fitted to three quarters of them and
counted on the rest. Chance is 12.5, 25 and 50 %."""


def main() -> None:
    """Prints the table, and keeps it with --write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folders", nargs="+", type=Path, help="Hugging Face folders of text encoders")
    parser.add_argument("--write", action="store_true", help="keep the table in benchmarks/results")
    options = parser.parse_args()
    rows = []
    for folder in options.folders:
        shares = probe(load_encoder(folder), num=NUM_CAPTIONS)
        rows.append([folder.name, *(f"{100 * share:.1f} %" for share in shares.values())])
    heads = ["encoder", "its colour", "its relation", "named first"]
    show("encoder_probe", TITLE, machine(), table(heads, rows), write=options.write)


if __name__ == "__main__":
    main()
