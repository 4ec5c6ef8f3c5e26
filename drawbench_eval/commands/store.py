"""`drawbench-eval store`: what is kept under results/store, whether it is whole, and its clean-up."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build


@dataclass(frozen=True, kw_only=True)
class StoreSettings:
    """check: read every file. clear: a kind to remove, or "all". collect: remove what nothing points to."""

    results: Path
    check: bool
    clear: str | None
    collect: bool = False


def main() -> None:
    """The verb."""
    hydra_app("store", store)


def store(config: DictConfig) -> None:
    """Show, check, clear or clean up the store of `config`."""
    from drawbench_eval.store import clear, contents, damage, entries

    settings = build(StoreSettings, plain(config))
    folder = settings.results / "store"
    if settings.clear is not None:
        for kept in clear(folder, settings.clear):
            print(f"removed {kept.kind}: {kept.num_files} files, {kept.num_bytes / 1e6:.1f} MB")
        return
    if settings.collect:
        _collect(settings.results)
        return
    held = contents(folder)
    for kept in held:
        print(f"{kept.kind}: {kept.num_files} files, {kept.num_bytes / 1e6:.1f} MB")
    print(f"{folder}: {sum(kept.num_bytes for kept in held) / 1e6:.1f} MB")
    if settings.check:
        wrong = [said for path in entries(folder) if (said := damage(path)) is not None]
        for said in wrong:
            print(f"damaged: {said}")
        print(f"{len(wrong)} of {sum(kept.num_files for kept in held)} files are damaged")


def _collect(results: Path) -> None:
    from drawbench_eval.runs.garbage import collect

    collected = collect(results)
    for kept in collected.removed:
        print(f"removed {kept.kind}: {kept.num_files} files, {kept.num_bytes / 1e6:.1f} MB")
    print(
        f"{collected.num_pointed_to} entries have samples that rest on them, {collected.num_young} are less "
        "than an hour old; both stay"
    )
