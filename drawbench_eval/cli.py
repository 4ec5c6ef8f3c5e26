"""`drawbench-eval VERB [overrides]`: picks the verb. Nothing heavy is imported before the verb is known."""

import importlib
import sys
from collections.abc import Sequence

VERBS = {
    "train": "train one stage, text encoder or scorer",
    "generate": "prompts x seeds -> a sample set",
    "evaluate": "generate where needed, score, write one run; -m makes a sweep",
    "report": "runs -> PDF, HTML, figures, tables",
    "compare": "several runs or folders on the same prompts -> one leaderboard",
    "prompts": "show or export a prompt set",
    "reference": "show a reference set, or export its statistics",
    "weights": "list, fetch and verify the weights that metrics need",
    "protocol": "show a protocol, compare two key by key",
    "ratings": "ratings files -> rates, agreement, rankings",
    "survey": "pages and files for raters; their answers -> ratings",
    "status": "how far a sweep is, from any shell",
    "store": "what is kept: size, check, clean-up",
}

USAGE = """drawbench-eval VERB [overrides]

{verbs}

Every verb is a Hydra app: `drawbench-eval VERB --help` lists its settings, `--cfg job` prints them, `-m`
sweeps over comma-separated values. Exit codes: 0 done, 2 a mistake in what was asked for, 1 anything else.

  drawbench-eval evaluate model.guidance_weight=3 model.threshold=dynamic
  drawbench-eval evaluate -m model.guidance_weight=1,2,4 model.threshold=static,dynamic sweep=mine
  drawbench-eval report sweep=mine"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit code: 0 done, 2 a user's mistake, 1 anything else."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE.format(verbs="\n".join(f"  {name:<11}{does}" for name, does in VERBS.items())))
        return 0 if arguments else 2
    if arguments[0] == "--version":
        from importlib.metadata import version

        print(version("drawbench-eval"))
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        print(f"error: verb: {verb} is not one of {', '.join(VERBS)}", file=sys.stderr)
        return 2
    from drawbench_eval.commands.door import guarded

    sys.argv = [f"drawbench-eval {verb}", *rest]
    return guarded(importlib.import_module(f"drawbench_eval.commands.{verb}").main)


if __name__ == "__main__":
    sys.exit(main())
