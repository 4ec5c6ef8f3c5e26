"""How long, how many and how large a set of runs will be, from one small batch of each kind of point."""

import logging
import time
from collections.abc import Callable, Sequence
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
class Rate:
    """What an image, and a run, of one kind costs."""

    seconds_per_image: float
    seconds_per_run: float
    bytes_per_image: float


def forecast(plans: Sequence[RunPlan], *, timed: Callable[[int], Rate] | None = None) -> Forecast:
    """Time one small batch for each kind of pending point; guided and unguided differ.

    `timed` gives the rate of the plan in this place where it is not to be timed in this process.
    """
    over = [finished(plan) is not None for plan in plans]
    pending = tuple(
        0 if done else plan.samples.count_pending(plan.folder / "samples")
        for plan, done in zip(plans, over, strict=True)
    )
    rates = _rates(plans, pending, timed or (lambda place: calibrate(plans[place])))
    seconds = disk = 0.0
    for plan, number in zip(plans, pending, strict=True):
        rate = rates.get(plan.samples.cost_key)
        if rate and number:
            seconds += number * rate.seconds_per_image + rate.seconds_per_run
            disk += number * rate.bytes_per_image
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
    """Times two small batches of the run."""
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
    return Rate(
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
