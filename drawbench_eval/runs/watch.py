"""How far a sweep is, read from its files alone: from any shell, while it runs or after it died."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from drawbench_eval.files import write_json
from drawbench_eval.runs.identity import run_folders
from drawbench_eval.runs.locks import is_held
from drawbench_eval.runs.progress import Meter, Watch, duration
from drawbench_eval.runs.record import FILE_NAME
from drawbench_eval.runs.sweep import SweepRecord

PROGRESS_FILE = "progress.json"
_INTERVAL_S = 1.0

State = Literal["done", "running", "failed", "waiting"]


@dataclass(frozen=True, kw_only=True)
class Beat:
    """What a running run says of itself, at most once a second: `done` of `total` images of this phase."""

    phase: str
    done: int
    total: int
    per_second: float | None


@dataclass(frozen=True, kw_only=True)
class PointState:
    """One point of a sweep. Of the `images` that it asks for, `made` are there.

    detail: what a running one is at, or the error of a failed one. seconds: what making and scoring
    `timed_images` of them took, where that is known.
    """

    point: str
    run_id: str
    folder: Path | None
    state: State
    images: int
    made: int
    images_per_s: float | None = None
    detail: str = ""
    seconds: float = 0.0
    timed_images: int = 0


@dataclass(frozen=True, kw_only=True)
class SweepState:
    """All points of a sweep, in order; one that is asked for twice (1 and 1.0) stands there once."""

    name: str
    points: Sequence[PointState]

    def count(self, state: State) -> int:
        """How many points are in this state."""
        return sum(point.state == state for point in self.points)

    @property
    def images_per_s(self) -> float | None:
        """What the running points make together; else what one of the finished points made."""
        now = sum(point.images_per_s or 0.0 for point in self.points if point.state == "running")
        cost = self._seconds_per_image
        return now or (1 / cost if cost else None)

    @property
    def seconds_left(self) -> float | None:
        """For what runs and waits, at so many points at a time as run now; None while no cost is known."""
        left = sum(
            point.images - point.made for point in self.points if point.state in ("running", "waiting")
        )
        if not left:
            return 0.0
        cost = self._seconds_per_image
        if cost:
            return left * cost / max(self.count("running"), 1)
        rate = self.images_per_s
        return left / rate if rate else None

    @property
    def _seconds_per_image(self) -> float | None:
        """Of the finished points, scores included."""
        images = sum(point.timed_images for point in self.points)
        return sum(point.seconds for point in self.points) / images if images else None

    def said(self) -> str:
        """One line: how many points are in each state, images per second, time left."""
        done, running, failed = (self.count(state) for state in ("done", "running", "failed"))
        said = f"{self.name}: {done} of {len(self.points)} points done"
        said += f", {running} running, {failed} failed, {self.count('waiting')} left"
        rate, seconds = self.images_per_s, self.seconds_left
        if rate is not None:
            said += f"; {rate:.1f} images/s"
        return f"{said}, about {duration(seconds)} left" if seconds else said


def beats(path: Path, phase: str, *, clock: Callable[[], float] = time.monotonic) -> Watch:
    """Writes the first beat, and then at most one a second, to `path`."""
    last: float | None = None

    def beat(meter: Meter) -> None:
        nonlocal last
        now = clock()
        if last is None or now - last >= _INTERVAL_S:
            last = now
            said = Beat(phase=phase, done=meter.done, total=meter.total, per_second=meter.rate)
            write_json(path, asdict(said))

    return beat


def sweep_state(results: Path, record: SweepRecord) -> SweepState:
    """The state of every point: one listing of the runs, and one file a point."""
    folders = run_folders(results)
    images = record.images or [0] * len(record.run_ids)
    names = record.points or record.labels
    # Of a run that is asked for twice, the first place.
    places = {run_id: place for place, run_id in reversed(list(enumerate(record.run_ids)))}
    states = [
        _point_state(results, folders.get(run_id), run_id, names[place], images[place])
        for run_id, place in sorted(places.items(), key=lambda item: item[1])
    ]
    return SweepState(name=record.name, points=states)


def _point_state(results: Path, folder: Path | None, run_id: str, point: str, images: int) -> PointState:
    record = _json(folder / FILE_NAME) if folder else None
    if record is not None:
        return _over(record, folder, run_id, point, images)
    beat = _json(folder / PROGRESS_FILE) if folder else None
    if not is_held(results, run_id):
        there = sum(1 for _ in (folder / "samples").glob("*.png")) if folder else 0
        return PointState(
            point=point, run_id=run_id, folder=folder, state="waiting", images=images, made=min(there, images)
        )
    generating = beat is None or beat["phase"] == "generating"
    return PointState(
        point=point,
        run_id=run_id,
        folder=folder,
        state="running",
        images=images,
        made=(0 if beat is None else int(beat["done"])) if generating else images,
        images_per_s=beat["per_second"] if beat is not None and generating else None,
        detail="starting" if beat is None else str(beat["phase"]),
    )


def _over(record: Mapping[str, Any], folder: Path | None, run_id: str, point: str, images: int) -> PointState:
    complete = record.get("status") == "complete"
    counts, timings = record.get("counts", {}), record.get("timings", {})
    made = int(timings.get("images_made") or 0)
    return PointState(
        point=point,
        run_id=run_id,
        folder=folder,
        state="done" if complete else "failed",
        images=images or int(counts.get("requested", 0)),
        made=int(counts.get("generated", 0)),
        images_per_s=timings.get("images_per_s"),
        detail="" if complete else str(record.get("error")),
        seconds=float(timings["generate_s"]) + float(timings["score_s"]) if made else 0.0,
        timed_images=made,
    )


def _json(path: Path) -> Mapping[str, Any] | None:
    """None for a file that is not there, or that is none: it has no say."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
