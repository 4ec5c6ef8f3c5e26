"""How long, how many and how large a set of runs will be, from one small batch of each kind of point."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from drawbench_eval.images.decode import Pixels
from drawbench_eval.prompt import Prompt
from drawbench_eval.runs.progress import duration
from drawbench_eval.runs.runner import RunPlan, finished

CALIBRATION_IMAGES = 12

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
class _Rate:
    seconds_per_image: float
    seconds_per_run: float
    bytes_per_image: float


def forecast(plans: Sequence[RunPlan]) -> Forecast:
    """Time one small batch for each kind of pending point; guided and unguided differ."""
    pending = tuple(
        0 if finished(plan) else plan.samples.count_pending(plan.folder / "samples") for plan in plans
    )
    rates = _rates([plan for plan, number in zip(plans, pending, strict=True) if number])
    seconds = disk = 0.0
    for plan, number in zip(plans, pending, strict=True):
        rate = rates.get(plan.samples.cost_key)
        if rate and number:
            seconds += number * rate.seconds_per_image + rate.seconds_per_run
            disk += number * rate.bytes_per_image
    return Forecast(
        finished_points=sum(finished(plan) is not None for plan in plans),
        images=sum(plan.samples.num_images for plan in plans),
        pending=pending,
        seconds=seconds,
        disk_bytes=disk,
    )


def _rates(plans: Sequence[RunPlan]) -> dict[str, _Rate]:
    """Cost key -> rate, from the first point of each kind that can be calibrated."""
    rates: dict[str, _Rate] = {}
    for plan in plans:
        key = plan.samples.cost_key
        if key in rates:
            continue
        try:
            rates[key] = _calibrate(plan)
        except Exception as error:  # noqa: BLE001 (whatever it is: the point fails in its turn, and says so)
            _log.warning("%s cannot be calibrated (%s: %s)", plan.label, type(error).__name__, error)
    return rates


def _calibrate(plan: RunPlan) -> _Rate:
    started = time.monotonic()
    # The first call loads the weights, once a run; the first values read the reference, once for all runs.
    warm_up, prompts, _ = plan.samples.try_out(2)
    loaded = time.monotonic()
    _score(plan, warm_up, prompts)
    ready = time.monotonic()
    images, prompts, disk = plan.samples.try_out(CALIBRATION_IMAGES)
    _score(plan, images, prompts)
    ended = time.monotonic()
    count = max(len(images), 1)
    return _Rate(
        seconds_per_image=(ended - ready) / count,
        seconds_per_run=loaded - started,
        bytes_per_image=disk / count,
    )


def _score(plan: RunPlan, images: list[Pixels], prompts: list[Prompt]) -> None:
    prepared = [plan.preparation.apply(image) for image in images]
    for metric in plan.metrics.values():
        metric.update(prepared, prompts)
        metric.compute()
        metric.reset()
