"""Prompts of MS-COCO, chosen by a stated protocol: FID-30K, FID-10K, FID-2K, "no people", human evaluation.

Published numbers differ by which captions were drawn, and how (Imagen says "30K prompts at random"). So every
choice is a setting, is recorded with the set (`PromptSource.choices`), and none has a second meaning.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from drawbench_eval.prompt import Prompt, PromptSet, PromptSource
from drawbench_eval.prompts.coco_captions import Caption, Captions, ListColumns, read_annotations, read_list
from drawbench_eval.prompts.ids import text_ids
from drawbench_eval.prompts.people import words_for_people
from drawbench_eval.protocol import Scalar


@dataclass(frozen=True, kw_only=True)
class CocoSelection:
    """Which captions become prompts.

    selection: `list`, the rows of a list file; `images_one_caption_each`, images drawn from the official
    annotations, each with its `first` (in the file) or a `random` caption; `captions`, captions drawn from
    all of them, so that an image may come more than once.
    subset: `no_people` first drops every caption with a word of the paper's list.
    size: how many are drawn by `seed` from what is then left; null takes all.
    """

    selection: Literal["list", "images_one_caption_each", "captions"]
    caption: Literal["first", "random"] | None = None
    subset: Literal["original", "no_people"] = "original"
    size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"size: {self.size} is not at least 1; write null for all")
        if self.selection == "images_one_caption_each" and self.caption is None:
            raise ValueError("caption: a value is needed; write prompts.caption=first or random")
        if self.selection != "images_one_caption_each" and self.caption is not None:
            raise ValueError(f"caption: {self.caption} is for prompts.selection=images_one_caption_each only")


def coco_prompts(path: Path, chosen: CocoSelection, columns: ListColumns | None = None) -> PromptSet:
    """The prompts of the list or the official annotations at `path`.

    A prompt's id is its image's where every image of the file's choice comes once (level `image`), else its
    caption's, or without those the image's and a hash of the text (level `caption`). A list keeps its order;
    a draw is in the order of its ranks, so that of one seed the smaller size is the beginning of the larger.

    Raises ValueError for a file that is not what `selection` says, and where fewer are left than `size`.
    """
    found = (
        read_list(path, columns or ListColumns()) if chosen.selection == "list" else read_annotations(path)
    )
    pool = found.captions
    if chosen.selection == "images_one_caption_each":
        pool = _one_each(pool, chosen)
    remarks = list(found.remarks)
    level: Literal["image", "caption"] = (
        "image" if len({caption.image_id for caption in pool}) == len(pool) else "caption"
    )
    ids = _ids(found.location, pool, level)
    kept = list(range(len(pool)))
    if chosen.subset == "no_people":
        kept, remark = _without_people(pool)
        remarks.append(remark)
    drawn = _draw(kept, ids, found, chosen)
    prompts = tuple(_prompt(ids[index], pool[index]) for index in drawn)
    num_images = len({prompt.image_id for prompt in prompts})
    if level == "caption":
        remarks.append(
            f"caption-level: {len(prompts)} captions of {num_images} images, so images repeat in a matched "
            "reference; not comparable with one caption an image"
        )
    choices: dict[str, Scalar] = {
        "selection": chosen.selection,
        "caption": chosen.caption,
        "level": level,
        "subset": chosen.subset,
        "available": len(kept),
        "size": len(prompts),
        "seed": chosen.seed if len(prompts) < len(kept) or chosen.caption == "random" else None,
        "num_images": num_images,
    }
    source = PromptSource(
        location=found.location, sha256=found.sha256, choices=choices, remarks=tuple(remarks)
    )
    return PromptSet(name=_name(len(prompts), chosen), prompts=prompts, source=source)


def _one_each(captions: Sequence[Caption], chosen: CocoSelection) -> tuple[Caption, ...]:
    of_image: dict[str, list[Caption]] = {}
    for caption in captions:
        of_image.setdefault(caption.image_id, []).append(caption)
    if chosen.caption == "first":
        return tuple(own[0] for own in of_image.values())
    return tuple(
        min(own, key=lambda caption: _rank(chosen.seed, "caption", str(caption.caption_id)))
        for own in of_image.values()
    )


def _draw(kept: Sequence[int], ids: Sequence[str], found: Captions, chosen: CocoSelection) -> list[int]:
    size = len(kept) if chosen.size is None else chosen.size
    if size > len(kept) or not kept:
        what = "captions" if chosen.selection != "images_one_caption_each" else "images"
        left = " without people" if chosen.subset == "no_people" else ""
        raise ValueError(
            f"prompts.size: {size} is more than the {len(kept)} {what}{left} of {found.location}; "
            "write that many or fewer, or null for all"
        )
    ranked = sorted(kept, key=lambda index: _rank(chosen.seed, "prompt", ids[index]))[:size]
    return sorted(ranked) if chosen.selection == "list" else ranked


def _rank(seed: int, purpose: str, identity: str) -> bytes:
    """Where an id stands in the draw of `seed`: a hash, so that neither order nor library matters."""
    return hashlib.sha256(f"{seed} {purpose} {identity}".encode()).digest()


def _ids(location: str, pool: Sequence[Caption], level: Literal["image", "caption"]) -> list[str]:
    if level == "image":
        return [caption.image_id for caption in pool]
    own = [caption.caption_id for caption in pool]
    if None not in own:
        repeated = next((name for name, count in Counter(own).items() if count > 1), None)
        if repeated is not None:
            raise ValueError(
                f"{location}: caption id {repeated} appears again; ids must be of one caption each"
            )
        return [str(name) for name in own]
    # Rows of one text and one image are told apart as repeated texts are.
    images = [caption.image_id for caption in pool]
    hashes = text_ids([f"{caption.image_id} {caption.text}" for caption in pool], images)
    return [f"{image}-{name.removeprefix('text-')}" for image, name in zip(images, hashes, strict=True)]


def _without_people(pool: Sequence[Caption]) -> tuple[list[int], str]:
    words = [words_for_people(caption.text) for caption in pool]
    kept = [index for index, found in enumerate(words) if not found]
    counts = Counter(word for found in words for word in set(found))
    each = ", ".join(f"{word} {count}" for word, count in counts.most_common())
    return kept, f"no people: {len(pool) - len(kept)} of {len(pool)} captions dropped ({each})"


def _prompt(identity: str, caption: Caption) -> Prompt:
    return Prompt(
        id=identity,
        text=caption.text,
        image_id=caption.image_id,
        caption_id=caption.caption_id,
        metadata=caption.metadata,
    )


def _name(size: int, chosen: CocoSelection) -> str:
    number = f"{size // 1000}k" if size % 1000 == 0 else str(size)
    return f"coco{number}{'-no-people' if chosen.subset == 'no_people' else ''}"
