"""Is a sample set from elsewhere whole? What there is, what lacks, and what should be looked at, by name."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, UnidentifiedImageError

from drawbench_eval.generators.folder import Imported
from drawbench_eval.generators.named import UNREADABLE
from drawbench_eval.images.decode import decode
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.samples import Sample, SampleSet, Status
from drawbench_eval.store import Arrays, Store

# Raised when the same bytes are found in another state than before.
_VERSION = 1
_WHOLE, _MISSING, _UNREADABLE = 0, 1, 2
# Photographs come in hundreds of sizes: the most common ones tell.
_SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class SetCheck:
    """What a look at every image of a set has found. Everything is named by sample, prompt or file.

    num_requested: samples that there should be. per_prompt: number of images -> how many prompts have it.
    without_image: prompts. lacking: samples of prompts that have others. absent: files that a manifest names.
    strangers, ignored: images that show none of the prompts, or that the pattern does not describe.
    identical: images of equal content. unreadable, constant: why, or in which colour. flagged: samples that
    the set itself says a filter struck. sizes, modes, formats: as stored, of what has a readable header.
    told_by: as of `Imported`.
    """

    location: str
    told_by: str
    num_requested: int
    num_scorable: int
    per_prompt: Counter[int]
    without_image: tuple[str, ...]
    lacking: tuple[str, ...]
    strangers: tuple[str, ...]
    ignored: tuple[str, ...]
    identical: tuple[tuple[str, ...], ...]
    unreadable: tuple[str, ...]
    constant: tuple[str, ...]
    flagged: tuple[str, ...]
    sizes: Counter[str]
    modes: Counter[str]
    formats: Counter[str]

    @property
    def shortfall(self) -> str | None:
        """Why the set is incomplete, in half a sentence; None for a complete one.

        A set that nothing was asked of, because it has no prompts, lacks nothing.
        """
        unreadable = len(self.unreadable) if self.told_by != "nothing" else 0
        return _shortfall(
            len(self.without_image), len(self.lacking), unreadable, strangers=len(self.strangers)
        )


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One image: its state, and what its header says."""

    status: Status
    detail: str = ""
    color: str = ""
    size: str = ""
    mode: str = ""
    format: str = ""


def check_set(imported: Imported, *, advance: Callable[[int], None]) -> SetCheck:
    """Reads and decodes every image of the set once; `advance(n)` is told that n more are done."""
    samples = imported.samples.samples
    looks = []
    for look in load_ahead(lambda sample: _look(imported.samples, sample), samples):
        looks.append(look)
        advance(1)
    found = list(zip(samples, looks, strict=True))
    there = Counter(sample.prompt_id for sample, look in found if look.status != "missing")
    missing = [sample for sample, look in found if look.status == "missing"]
    return SetCheck(
        location=str(imported.samples.folder),
        told_by=imported.told_by,
        num_requested=len(samples),
        num_scorable=sum(look.status == "ok" for look in looks),
        per_prompt=Counter(there[prompt.id] for prompt in imported.prompts.prompts),
        without_image=tuple(p.id for p in imported.prompts.prompts if not there[p.id]),
        lacking=tuple(sample.sample_id for sample in missing if there[sample.prompt_id]),
        strangers=imported.strangers,
        ignored=imported.ignored,
        identical=_identical(samples),
        unreadable=tuple(look.detail for look in looks if look.status == "unreadable"),
        constant=tuple(f"{s.sample_id} ({look.color})" for s, look in found if look.status == "blank"),
        flagged=tuple(sample.sample_id for sample, look in found if look.status == "flagged"),
        sizes=Counter(look.size for look in looks if look.size),
        modes=Counter(look.mode for look in looks if look.mode),
        formats=Counter(look.format for look in looks if look.format),
    )


def refuse_incomplete(imported: Imported, store: Store, *, advance: Callable[[int], None]) -> None:
    """Raises ValueError for a set that is incomplete, and says what would evaluate it all the same.

    The state of images that were hashed is kept by their content, so that a sweep decodes them once.
    """
    if imported.told_by == "nothing":
        return
    samples = imported.samples.samples

    def make() -> Arrays:
        states = []
        for state in load_ahead(lambda sample: _state(imported.samples, sample), samples):
            states.append(state)
            advance(1)
        return {"states": np.array(states, dtype=np.uint8)}

    # A manifest's hashes are a claim: what lies there now is looked at each time.
    key = {"samples": imported.sha256, "version": _VERSION}
    kept = make() if imported.told_by == "manifest" else store.get_or_make("complete", key, make)
    missing = [s for s, state in zip(samples, kept["states"], strict=True) if state == _MISSING]
    there = {s.prompt_id for s, state in zip(samples, kept["states"], strict=True) if state != _MISSING}
    lacking = [sample for sample in missing if sample.prompt_id in there]
    without = {sample.prompt_id for sample in missing} - there
    unreadable = int((kept["states"] == _UNREADABLE).sum())
    shortfall = _shortfall(len(without), len(lacking), unreadable, strangers=0)
    if shortfall:
        raise ValueError(
            f"model.path: {imported.samples.folder} is {shortfall}; check_only=true names them, and "
            "allow_incomplete=true evaluates the others, with every number saying so"
        )


def _shortfall(without: int, lacking: int, unreadable: int, *, strangers: int) -> str | None:
    counted = (
        ("prompts without image", without),
        ("images that only other prompts have", lacking),
        ("unreadable images", unreadable),
        ("images without prompt", strangers),
    )
    said = ", ".join(f"{what} {number}" for what, number in counted if number)
    return f"incomplete ({said})" if said else None


def _state(samples: SampleSet, sample: Sample) -> int:
    return {"missing": _MISSING, "unreadable": _UNREADABLE}.get(samples.load(sample).status, _WHOLE)


def _look(samples: SampleSet, sample: Sample) -> _Look:
    loaded, data = samples.load_with_bytes(sample)
    if data is None:
        return _Look(status=loaded.status, detail=loaded.detail)
    try:
        with Image.open(io.BytesIO(data)) as image:
            size, mode, kind = f"{image.width}x{image.height}", image.mode, image.format or "unknown"
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError, Warning, Image.DecompressionBombError):
        return _Look(status=loaded.status, detail=loaded.detail)
    color = _color(data, sample) if loaded.status == "blank" else ""
    return _Look(status=loaded.status, detail=loaded.detail, color=color, size=size, mode=mode, format=kind)


def _color(data: bytes, sample: Sample) -> str:
    pixel = decode(data, sample.path)[0, 0].tolist()
    return "black" if not any(pixel) else f"all of it {pixel}"


def _identical(samples: Iterable[Sample]) -> tuple[tuple[str, ...], ...]:
    by_content: dict[str, list[str]] = {}
    for sample in samples:
        if sample.sha256 and sample.sha256 != UNREADABLE:
            by_content.setdefault(sample.sha256, []).append(sample.path)
    return tuple(tuple(names) for names in by_content.values() if len(names) > 1)


def check_lines(found: SetCheck, *, limit: int | None = None) -> list[str]:
    """The report for a reader, a line for each thing; at most `limit` names in each, None for all."""
    present = {number: count for number, count in sorted(found.per_prompt.items()) if number}
    prompts = sum(found.per_prompt.values())
    lines = [f"{found.location}: {found.num_scorable} of {found.num_requested} images can be scored"]
    if found.told_by != "nothing":
        said = ", ".join(f"{count} with {number}" for number, count in present.items()) or "none with any"
        lines.append(f"prompts: {prompts}; images a prompt: {said}")
        lines.append(_counted("prompts without image", found.without_image, limit))
        lines.append(_counted("images that only other prompts have", found.lacking, limit))
        lines.append(_counted("images without prompt", found.strangers, limit))
        lines.append(_counted("images that the pattern does not describe", found.ignored, limit))
    lines.append(_counted("unreadable images", found.unreadable, limit, separator="; "))
    lines.append(_counted("images of one colour, which are not scored", found.constant, limit))
    if found.flagged:
        lines.append(_counted("images that a filter struck, which are not scored", found.flagged, limit))
    groups = [" = ".join(group) for group in found.identical]
    lines.append(_counted("groups of identical images", groups, limit, separator="; "))
    lines.append(f"sizes: {_shares(found.sizes)}")
    lines.append(f"modes: {_shares(found.modes)}{_of_modes(found.modes)}")
    lines.append(f"formats: {_shares(found.formats)}{_of_formats(found.formats)}")
    lines.append(found.shortfall or "complete")
    return lines


def _counted(what: str, names: Sequence[str], limit: int | None, *, separator: str = ", ") -> str:
    shown = separator.join(names[:limit])
    more = f" and {len(names) - limit} more" if limit is not None and len(names) > limit else ""
    return f"{what}: {len(names)}" + (f" ({shown}{more})" if names else "")


def _shares(counts: Counter[str]) -> str:
    said = [f"{name} {count}" for name, count in counts.most_common(_SHOWN)]
    if len(counts) > _SHOWN:
        others = counts.total() - sum(count for _, count in counts.most_common(_SHOWN))
        said.append(f"and {len(counts) - _SHOWN} others {others}")
    return ", ".join(said) or "none can be read"


def _of_modes(modes: Counter[str]) -> str:
    other = [mode for mode in modes if mode != "RGB"]
    return "; all are read as RGB, alpha is dropped" if other else ""


def _of_formats(formats: Counter[str]) -> str:
    if not formats:
        return ""
    lossy = [name for name in formats if name in ("JPEG", "WEBP", "MPO")]
    if not lossy:
        return "; lossless: a reference of JPEG files differs by its compression, which FID sees"
    if len(formats) > 1:
        return "; mixed: lossy compression alone moves FID, so this number mixes two protocols"
    return "; lossy: compression alone moves FID (reports of 5.8 against 2.5 with PNG); state it"
