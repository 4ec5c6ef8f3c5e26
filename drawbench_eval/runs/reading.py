"""The references of a run, read before they are needed: with progress, and once for all extractors."""

from collections.abc import Mapping

from drawbench_eval.features.bank import FeatureSource
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.references import Reference
from drawbench_eval.runs.progress import show_progress


def read_references(metrics: Mapping[str, EvalMetric], *, title: str) -> None:
    """Takes what is not kept yet of the features that the metrics will ask their references for.

    Each image is drawn once, whatever the number of extractors. Raises ValueError, with its name, for one
    that cannot be read.
    """
    wanted: dict[int, tuple[Reference, list[FeatureSource]]] = {}
    for metric in metrics.values():
        if isinstance(metric, ReferenceMetric) and isinstance(metric.reference, Reference):
            _, sources = wanted.setdefault(id(metric.reference), (metric.reference, []))
            if metric.source not in sources:
                sources.append(metric.source)
    for reference, sources in wanted.values():
        with show_progress(f"{title}: reading the reference", total=reference.num_images) as advance:
            reference.read(sources, advance=advance)
