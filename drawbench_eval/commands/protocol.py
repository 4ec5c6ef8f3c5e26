"""`drawbench-eval protocol`: lists protocols of the literature, shows one, compares two key by key."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from drawbench_eval.commands.door import conf_folder, hydra_app, plain
from drawbench_eval.commands.settings import build, suggestion
from drawbench_eval.protocol import Protocol, Scalar, compare
from drawbench_eval.runs.identity import flatten
from drawbench_eval.runs.record import RunRecord, read_record

# The groups of a configuration that a number's protocol is made from.
_GROUPS = ("samples", "reference.prepare", "metrics", "clip")


@dataclass(frozen=True, kw_only=True)
class ProtocolVerbSettings:
    """show: one preset or run. compare: two of them."""

    results: Path
    show: str | None
    compare: tuple[str, ...] | None

    def __post_init__(self) -> None:
        if self.compare is not None and len(self.compare) != 2:
            raise ValueError(f"compare: {len(self.compare)} names; write two, as in 'compare=[A,B]'")


def main() -> None:
    """The verb."""
    hydra_app("protocol", protocol)


def protocol(config: DictConfig) -> None:
    """List presets, show one protocol, or compare two."""
    settings = build(ProtocolVerbSettings, plain(config))
    if settings.compare is not None:
        a, b = settings.compare
        _print_comparison(a, b, *_both(a, b, settings.results))
    elif settings.show is not None:
        for name, shown in _found(settings.show, settings.results).items():
            print(f"{name}  {shown.id}")
            for key, value in sorted(shown.values.items()):
                print(f"  {key} = {_said(value)}")
    else:
        for name in presets():
            about = preset_config(name)["protocol"]
            print(f"{name}: {about['source']}")
            for assumption in about["assumptions"]:
                print(f"  assumed: {assumption}")


def presets() -> list[str]:
    """The names that protocol=NAME takes."""
    return sorted(path.stem for path in (conf_folder() / "protocol").glob("*.yaml"))


def preset_config(name: str) -> Mapping[str, Any]:
    """The configuration of `evaluate` under a preset, for images from a folder."""
    from hydra import compose

    folders = ["model=folder", "model.path=IMAGES", "reference=folder", "reference.path=REFERENCE"]
    return plain(compose("evaluate", overrides=[*folders, f"protocol={name}"]))


def _both(a: str, b: str, results: Path) -> tuple[Mapping[str, Protocol], Mapping[str, Protocol]]:
    """Two runs by what was recorded; where one side is a preset, both by their settings."""
    if a in presets() or b in presets():
        return _as_settings(a, results), _as_settings(b, results)
    return _found(a, results), _found(b, results)


def _found(name: str, results: Path) -> Mapping[str, Protocol]:
    """Metric -> protocol of a run, or a preset's settings under its own name."""
    if name in presets():
        return _as_settings(name, results)
    record = _run(name, results)
    return {
        metric: Protocol(name=metric, values=entry["protocol"]["values"])
        for metric, entry in record.metrics.items()
    }


def _as_settings(name: str, results: Path) -> Mapping[str, Protocol]:
    config = preset_config(name) if name in presets() else _run(name, results).config
    flat: Mapping[str, Scalar] = flatten(config)
    values = {key: value for key, value in flat.items() if key.startswith(tuple(f"{g}." for g in _GROUPS))}
    return {"settings": Protocol(name=name, values=values)}


def _run(name: str, results: Path) -> RunRecord:
    folders = sorted((results / "runs").glob("*")) if (results / "runs").is_dir() else []
    for folder in folders:
        if name in (folder.name, folder.name.rsplit("-", 1)[-1]):
            record = read_record(folder)
            if record is None:
                raise ValueError(f"{folder}: this run is not over; it has no protocol yet")
            return record
    known = suggestion(name, [*presets(), *(folder.name for folder in folders)])
    raise ValueError(f"{name}: neither a preset nor a run under {results / 'runs'}{known}")


def _print_comparison(a: str, b: str, first: Mapping[str, Protocol], second: Mapping[str, Protocol]) -> None:
    for name in [name for name in first if name in second]:
        differing = compare(first[name], second[name])
        print(f"{name}: {'the same protocol' if not differing else f'{len(differing)} keys differ'}")
        for key in differing:
            print(f"  {key}: {_of(first[name], key)} in {a}, {_of(second[name], key)} in {b}")
    for here, there, owner in ((first, second, a), (second, first, b)):
        for name in [name for name in here if name not in there]:
            print(f"{name}: only in {owner}")
    for name in (a, b):
        if name in presets():
            for assumption in preset_config(name)["protocol"]["assumptions"]:
                print(f"assumed of {name}: {assumption}")


def _of(protocol: Protocol, key: str) -> str:
    return _said(protocol.values[key]) if key in protocol.values else "not set"


def _said(value: Scalar) -> str:
    return "null" if value is None else repr(value) if value == "" else str(value)
