"""References of which only mean and covariance are there: other tools' `.npz`, and our own `.safetensors`.

Our own file says what it was made of, so numbers against it are those against the images: the same protocol.
An `.npz` says nothing of its origin: that it fits the metric is an assumption, and every number says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from drawbench_eval.features.bank import FeatureSource
from drawbench_eval.features.base import Extractor
from drawbench_eval.files import canonical_json
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.protocol import Scalar
from drawbench_eval.references.base import Reference, Sizes
from drawbench_eval.references.npz import read_npz
from drawbench_eval.stats.moments import Gaussian, Moments
from drawbench_eval.store import DamagedEntryError, read_arrays, write_arrays

SUFFIX = ".safetensors"

_SCHEMA = 1
_PREPARED = ("size", "crop", "filter", "codec")


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Mean and covariance of a reference whose images are not there.

    `fitted` is Moments where the number of images is known. `values` is the reference's part of a protocol.
    `extractor` is the identity of what made the features, None where that is unknown; `image_sizes` are the
    (height, width) of the images, none where they are unknown.
    """

    name: str
    sha256: str
    location: str
    fitted: Moments | Gaussian
    values: Mapping[str, Scalar]
    extractor: Mapping[str, Scalar] | None = None
    image_sizes: Sizes = frozenset()
    remarks: tuple[str, ...] = ()

    def identity(self) -> Mapping[str, Scalar]:
        """The reference's part of a protocol."""
        return self.values

    @property
    def provenance(self) -> dict[str, Any]:
        """What a run record says of its reference."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "num_images": self.fitted.n if isinstance(self.fitted, Moments) else None,
            "location": self.location,
            "selection": self.values.get("reference.selection"),
            "remarks": list(self.remarks),
        }

    def check(self, extractor: Extractor) -> None:
        """Raises ValueError for another number of dimensions, and where it is known, another extractor."""
        dim = len(self.fitted.mean)
        if dim != extractor.dim:
            raise ValueError(
                f"reference.path: {self.location} has {dim} dimensions and {extractor.name} {extractor.dim}"
            )
        if self.extractor is None:
            return
        here = extractor.identity()
        for key in sorted(self.extractor.keys() | here.keys()):
            if self.extractor.get(key) != here.get(key):
                raise ValueError(
                    f"reference.path: {self.location} was made with {key}={self.extractor.get(key)}, "
                    f"and here it is {here.get(key)}"
                )

    def sizes(self, _source: FeatureSource) -> Sizes:
        """The (height, width) that occur among the images; none where they are unknown."""
        return self.image_sizes

    def moments(self, source: FeatureSource) -> Moments | Gaussian:
        """Mean and covariance, with the number of images where it is known."""
        self.check(source.extractor)
        return self.fitted


AnyReference = Reference | Statistics


def read_statistics(path: Path, *, stated: Preparation | None = None) -> Statistics:
    """The statistics at `path`, an `.npz` with `mu` and `sigma` or what `export_statistics` wrote.

    stated: the preparation of the images as the user knows it. Raises ValueError for what is no such file,
    and where ours says another preparation.
    """
    if not path.is_file():
        raise ValueError(f"reference.path: {path} is not a file; give an .npz with mu and sigma, or {SUFFIX}")
    if path.suffix.lower() == ".npz":
        return _foreign(path, stated)
    if path.suffix.lower() == SUFFIX:
        return _own(path, stated)
    raise ValueError(f"reference.path: {path} is neither an .npz with mu and sigma nor a {SUFFIX} of ours")


def export_statistics(reference: Reference, source: FeatureSource, path: Path) -> None:
    """Writes the reference's moments with everything that makes them comparable, atomically.

    A safetensors file: `mean` [d] and `m2` [d, d] (the covariance times n - 1), float64, and `about`, JSON as
    UTF-8 bytes. Raises ValueError for another suffix.
    """
    if path.suffix.lower() != SUFFIX:
        raise ValueError(f"output: {path} must end in {SUFFIX}")
    moments = reference.moments(source)
    about = {
        "schema_version": _SCHEMA,
        "name": reference.name,
        "sha256": reference.sha256,
        "n": moments.n,
        "values": dict(reference.identity()),
        "extractor": dict(source.extractor.identity()),
        "sizes": sorted(reference.sizes(source)),
        "remarks": list(reference.remarks),
    }
    text = np.frombuffer(canonical_json(about).encode("utf-8"), dtype=np.uint8)
    write_arrays(path, {"mean": moments.mean, "m2": moments.m2, "about": text})


def _own(path: Path, stated: Preparation | None) -> Statistics:
    try:
        arrays = read_arrays(path)
        about = json.loads(arrays["about"].tobytes().decode("utf-8"))
        if about["schema_version"] != _SCHEMA:
            raise ValueError(f"{path}: of version {about['schema_version']}; version {_SCHEMA} is read here")
        found = Statistics(
            name=about["name"],
            sha256=about["sha256"],
            location=str(path),
            fitted=Moments(n=about["n"], mean=arrays["mean"], m2=arrays["m2"]),
            values=about["values"],
            extractor=about["extractor"],
            image_sizes=frozenset((height, width) for height, width in about["sizes"]),
            remarks=tuple(about["remarks"]),
        )
    except (DamagedEntryError, KeyError, TypeError, ValueError) as error:
        reason = f"{path}: without {error}" if isinstance(error, KeyError) else error
        raise ValueError(
            f"reference.path: {reason}; it must be what drawbench-eval reference output=FILE{SUFFIX} wrote"
        ) from error
    for key, value in (stated.identity("reference") if stated else {}).items():
        if found.values.get(key) != value:
            raise ValueError(
                f"reference.prepare: {path} was made with {key}={found.values.get(key)}, not {value}; "
                "leave reference.prepare=null"
            )
    return found


def _foreign(path: Path, stated: Preparation | None) -> Statistics:
    try:
        fitted, sha256 = read_npz(path)
    except ValueError as error:
        raise ValueError(f"reference.path: {error}") from error
    unknown: dict[str, Scalar] = {f"reference.{name}": "unknown" for name in _PREPARED}
    assumed = "this extractor and these weights"
    prepared = "the preparation is as the user states" if stated else "the preparation is unknown"
    return Statistics(
        name="statistics",
        sha256=sha256,
        location=str(path),
        fitted=fitted,
        values={
            "reference.sha256": sha256,
            "reference.n_requested": None,
            **(stated.identity("reference") if stated else unknown),
            "reference.statistics": f"assumed: {assumed}; {prepared}",
        },
        image_sizes=frozenset([(stated.size, stated.size)] if stated and stated.size else []),
        remarks=(f"the file does not say of what it is: {assumed} are assumed, {prepared}",),
    )
