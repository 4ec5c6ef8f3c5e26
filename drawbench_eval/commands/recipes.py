"""What each report shows, how it is made and what that costs, from the comment that opens its experiment."""

import re
from pathlib import Path

from drawbench_eval.report.summary import Recipe

_COMMAND = re.compile(r"drawbench-eval (?:train|evaluate|report) .*")
_UNITS = {"h": 3600.0, "hour": 3600.0, "hours": 3600.0, "min": 60.0, "minute": 60.0, "minutes": 60.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) (h|hours?|min|minutes?)\b")


def recipes(conf: Path) -> tuple[Recipe, ...]:
    """Of every experiment that a report is made of, those without trainings first.

    Raises ValueError for a file whose comment does not say what it costs.
    """
    found = [recipe(path) for path in sorted((conf / "experiment").glob("*.yaml"))]
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.training_s > 0))


def recipe(path: Path) -> Recipe | None:
    """The recipe in the comment that opens the file; None where no report is made of it."""
    lines = [line.removeprefix("#").strip() for line in _comment(path)]
    first, _, rest = "\n".join(lines).partition("\n\n")
    asked = [words for line in first.split("\n") for words in line.split(" && ")]
    commands = [match[0] for words in asked if (match := _COMMAND.search(words))]
    if not any(command.startswith("drawbench-eval report sweep=") for command in commands):
        return None
    shows, _, costs = (" ".join(part.split()) for part in rest.partition("Costs: "))
    sampling, _, more = costs.partition(" on a laptop-class machine")
    training = more.partition("after ")[2].partition(" of training")[0]
    if not more or not _DURATION.search(sampling):
        raise ValueError(f"{path}: its comment does not say what it costs on a laptop-class machine")
    return Recipe(
        sweep=path.stem,
        shows=shows,
        commands=tuple(sorted(commands, key=lambda command: not command.startswith("drawbench-eval train"))),
        costs=f"Costs {costs}",
        sampling_s=_seconds(sampling),
        training_s=_seconds(training),
        gpu=gpu[1] if (gpu := re.search(r"\bor (about [^,;.]*?) on one GPU", costs)) else "",
    )


def _comment(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    end = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return lines[:end]


def _seconds(text: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
