"""How long, how many and how large a set of runs will be, from a few small batches of each kind of point."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drawbench_eval.runs.plan import Trial
from drawbench_eval.runs.progress import duration
from drawbench_eval.runs.runner import RunPlan, finished

WARM_UP_IMAGES = 4
CALIBRATION_IMAGES = 16
# An image costs less in a full batch: what makes these in less time than this is timed with more of them.
QUICK_SECONDS = 4.0
QUICK_IMAGES = 64
# run.json, manifest.csv, set.json, and a run's share of its chunks' records.
RUN_BYTES = 20_000
# A row of scores.parquet, of manifest.csv and of a chunk's record.
ROW_BYTES = 450

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What a set of runs costs. `pending` says, point by point, how many images are still to be made."""

    finished_points: int
    images: int
    pending: tuple[int, ...]
    seconds: float
    disk_bytes: float

    def said(self) -> str:
        """One line: how many points and images, what is there already, time and disk for the rest."""
        points, left = len(self.pending), sum(self.pending)
        said = f"{points} point{'s' * (points != 1)}, {self.images} images"
        if self.images > left:
            made = self.images - left
            said += f" ({self.finished_points} points complete, {made} images there already)"
        if not left:
            return said
        return f"{said}; about {duration(self.seconds)} and {self.disk_bytes / 1e6:.0f} MB for what is left"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """What one kind of point costs: a run, an image's scores and file, an image in each unit it is made in.

    seconds_per_unit, bytes_per_unit: by the names of `Samples.units`, the bytes those of the store.
    """

    seconds_per_run: float
    seconds_per_image: float
    bytes_per_image: float
    seconds_per_unit: Mapping[str, float]
    bytes_per_unit: Mapping[str, float]


def forecast(plans: Sequence[RunPlan], *, timed: Callable[[int], Rate] | None = None) -> Forecast:
    """Time a few small batches for each kind of pending point; guided and unguided differ.

    A unit that several points share is counted once, and not at all where a finished point has it. `timed`
    gives the rate of the plan in this place where it is not to be timed in this process.
    """
    over = [finished(plan) is not None for plan in plans]
    pending = tuple(
        0 if done else plan.samples.count_pending(plan.folder / "samples")
        for plan, done in zip(plans, over, strict=True)
    )
    rates = _rates(plans, pending, timed or (lambda place: calibrate(plans[place])))
    made = {
        unit for plan, done in zip(plans, over, strict=True) if done for unit in plan.samples.units().values()
    }
    seconds = disk = 0.0
    for plan, number in zip(plans, pending, strict=True):
        rate = rates.get(plan.samples.cost_key)
        if rate is None or not number:
            continue
        seconds += rate.seconds_per_run + number * rate.seconds_per_image
        disk += RUN_BYTES + number * (ROW_BYTES + rate.bytes_per_image)
        for name, unit in plan.samples.units().items():
            if unit not in made:
                seconds += number * rate.seconds_per_unit[name]
                disk += number * rate.bytes_per_unit[name]
                made.add(unit)
    return Forecast(
        finished_points=sum(over),
        images=sum(plan.samples.num_images for plan in plans),
        pending=pending,
        seconds=seconds,
        disk_bytes=disk,
    )


def _rates(plans: Sequence[RunPlan], pending: Sequence[int], timed: Callable[[int], Rate]) -> dict[str, Rate]:
    """Cost key -> rate, from the first pending point of each kind that can be calibrated."""
    rates: dict[str, Rate] = {}
    for place, (plan, number) in enumerate(zip(plans, pending, strict=True)):
        key = plan.samples.cost_key
        if key in rates or not number:
            continue
        try:
            rates[key] = timed(place)
        except Exception as error:  # noqa: BLE001 (whatever it is: the point fails in its turn, and says so)
            _log.warning("%s cannot be calibrated (%s: %s)", plan.label, type(error).__name__, error)
    return rates


def calibrate(plan: RunPlan) -> Rate:
    """Times small batches of the run, made for this and kept nowhere.

    The first loads the weights, once a run, and reads the reference, once for all runs.
    """
    started = time.monotonic()
    warm_up = plan.samples.try_out(WARM_UP_IMAGES)
    loaded = time.monotonic() - started
    _score(plan, warm_up)
    trial = plan.samples.try_out(CALIBRATION_IMAGES)
    seconds = sum(cost.seconds for cost in trial.costs.values())
    if seconds < QUICK_SECONDS and len(trial.images) == CALIBRATION_IMAGES:
        trial = plan.samples.try_out(QUICK_IMAGES)
    count = max(len(trial.images), 1)
    per_unit = {name: cost.seconds / count for name, cost in trial.costs.items()}
    updated, computed = _score(plan, trial)
    making = len(warm_up.images) * sum(per_unit.values())
    return Rate(
        seconds_per_run=max(loaded - making, 0.0) + computed,
        seconds_per_image=updated / count,
        bytes_per_image=trial.num_bytes / count,
        seconds_per_unit=per_unit,
        bytes_per_unit={name: cost.num_bytes / count for name, cost in trial.costs.items()},
    )


def _score(plan: RunPlan, trial: Trial) -> tuple[float, float]:
    """Seconds to take the images in, and to compute the values."""
    started = time.monotonic()
    prepared = [plan.preparation.apply(image) for image in trial.images]
    for metric in plan.metrics.values():
        metric.update(prepared, trial.prompts)
    updated = time.monotonic()
    for metric in plan.metrics.values():
        metric.compute()
        metric.reset()
    return updated - started, time.monotonic() - updated
