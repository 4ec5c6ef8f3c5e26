"""Reference sets: the images, or their statistics, that a Frechet distance is measured against."""

from drawbench_eval.references.base import Reference
from drawbench_eval.references.coco import coco_reference
from drawbench_eval.references.images import folder_reference, images_reference
from drawbench_eval.references.scenes import scenes_reference
from drawbench_eval.references.statistics import AnyReference, Statistics, export_statistics, read_statistics

__all__ = [
    "AnyReference",
    "Reference",
    "Statistics",
    "coco_reference",
    "export_statistics",
    "folder_reference",
    "images_reference",
    "read_statistics",
    "scenes_reference",
]
