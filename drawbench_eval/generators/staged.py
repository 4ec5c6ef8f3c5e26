"""Images in stages, each kept by what made it: a sweep of one stage's settings makes those before it once.

An entry of the store is one batch of one stage. Its key chains: the stage's own key, the requests that are
computed together (a batch's bytes depend on them within rounding, so images are the same with and without the
store), and the key of the batch that it starts from. What is asked for last is looked for first, so a stage
that nothing needs is neither read nor made.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.files import digest
from drawbench_eval.generators.base import Request
from drawbench_eval.store import Arrays, Store

Images = NDArray[np.uint8]

# The store's kind of text states, and of the images of the stage NAME: stage_NAME.
TEXT = "text"
STAGE = "stage_"


@runtime_checkable
class Staged(Protocol):
    """A generator whose stages can be run one by one.

    stage_keys: stage -> everything that can change its images apart from the requests and the images that it
    starts from; in order. stage_settings: the same without the text encoder, known before anything is loaded.
    one_at_a_time: a stage should be run for all images before the next.
    """

    @property
    def stage_settings(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def stage_keys(self) -> Mapping[str, Mapping[str, Any]]: ...
    @property
    def one_at_a_time(self) -> bool: ...

    def text_key(self, stage: str) -> Mapping[str, Any]:
        """What makes the text states that this stage reads, apart from the prompts."""
        ...

    def encode(self, stage: str, requests: Sequence[Request]) -> Arrays:
        """The text states that this stage reads."""
        ...

    def run_stage(
        self, stage: str, text: Arrays, requests: Sequence[Request], rows: slice, low_res: Images | None
    ) -> Images:
        """This stage's images [n, side, side, 3] of `requests[rows]`."""
        ...


@dataclass(frozen=True, kw_only=True)
class Made:
    """Images in the order of the requests, and the store's entries (KIND/DIGEST) behind them."""

    images: list[Images]
    entries: tuple[str, ...]


def make_in_stages(
    generator: Staged,
    requests: Sequence[Request],
    *,
    batch_size: int,
    store: Store,
    on_image: Callable[[int], None],
    keep_last: bool = True,
) -> Made:
    """One image a request; `on_image(n)` is told that n more are there, made now or before.

    A damaged entry is said in the log and made again. Of several processes that lack an entry one makes it.
    keep_last: whether the last stage's images are kept too; where they are not, others' are still found.
    """
    chunk = _Chunk(generator, tuple(requests), store, keep_last=keep_last)
    starts = range(0, len(requests), batch_size)
    batches = [slice(start, min(start + batch_size, len(requests))) for start in starts]
    if generator.one_at_a_time:
        wanted = [rows for rows in batches if not chunk.has(chunk.names[-1], rows)]
        for stage in chunk.names[:-1]:
            for rows in wanted:
                chunk.images(stage, rows)
    images: list[Images] = []
    for rows in batches:
        images += list(chunk.images(chunk.names[-1], rows))
        on_image(rows.stop - rows.start)
    return Made(images=images, entries=chunk.entries(batches))


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What one stage took for a few images: seconds, and bytes in the store."""

    seconds: float
    num_bytes: int


def try_stages(
    generator: Staged, requests: Sequence[Request], *, batch_size: int
) -> tuple[list[Images], dict[str, StageCost]]:
    """Images of the requests, made without any store, and what the text and each stage took."""
    costs: dict[str, StageCost] = {}
    text_s, texts = 0.0, {}
    low_res: list[Images] | None = None
    starts = range(0, len(requests), batch_size)
    batches = [slice(start, min(start + batch_size, len(requests))) for start in starts]
    for stage, key in generator.stage_keys.items():
        encoder, started = digest(key["encoder"]), time.monotonic()
        if encoder not in texts:
            texts[encoder] = generator.encode(stage, requests)
        encoded = time.monotonic()
        text_s += encoded - started
        made = [
            generator.run_stage(stage, texts[encoder], requests, rows, low_res[place] if low_res else None)
            for place, rows in enumerate(batches)
        ]
        costs[stage] = StageCost(
            seconds=time.monotonic() - encoded, num_bytes=sum(images.nbytes for images in made)
        )
        low_res = made
    assert low_res is not None
    num_bytes = sum(array.nbytes for text in texts.values() for array in text.values())
    images = [image for batch in low_res for image in batch]
    return images, {TEXT: StageCost(seconds=text_s, num_bytes=num_bytes), **costs}


class _Chunk:
    """Requests that are made together, and where each stage's batches of them are kept."""

    def __init__(
        self, generator: Staged, requests: tuple[Request, ...], store: Store, *, keep_last: bool
    ) -> None:
        self._generator, self._requests, self._store = generator, requests, store
        self._keys = generator.stage_keys
        self.names = list(self._keys)
        self._kept = self.names if keep_last else self.names[:-1]
        self._texts: dict[str, Arrays] = {}

    @cached_property
    def _together(self) -> str:
        return digest([[request.prompt, request.seed] for request in self._requests])

    def images(self, stage: str, rows: slice) -> Images:
        """The images of a batch, read or made; what they start from is looked for only where they lack."""
        kind, key = STAGE + stage, self._key(stage, rows)
        kept = self._store.get(kind, key)
        if kept is None:
            before = self._before(stage)
            low_res = None if before is None else self.images(before, rows)
            text = self._text(stage)

            def make() -> Arrays:
                return {"images": self._generator.run_stage(stage, text, self._requests, rows, low_res)}

            kept = self._store.get_or_make_once(kind, key, make) if stage in self._kept else make()
        return kept["images"]

    def has(self, stage: str, rows: slice) -> bool:
        """Whether there is an entry of this batch."""
        return self._store.path(STAGE + stage, self._key(stage, rows)).exists()

    def entries(self, batches: Sequence[slice]) -> tuple[str, ...]:
        """KIND/DIGEST of every entry that these batches rest on."""
        stages = [
            f"{STAGE}{stage}/{digest(self._key(stage, rows))}" for stage in self._kept for rows in batches
        ]
        texts = {f"{TEXT}/{digest(self._text_key(stage))}" for stage in self.names}
        return (*sorted(texts), *stages)

    def _before(self, stage: str) -> str | None:
        place = self.names.index(stage)
        return self.names[place - 1] if place else None

    def _key(self, stage: str, rows: slice) -> dict[str, Any]:
        before = self._before(stage)
        return {
            **self._keys[stage],
            "stage": stage,
            "requests": self._together,
            "rows": [rows.start, rows.stop],
            "low_res": None if before is None else digest(self._key(before, rows)),
        }

    def _text_key(self, stage: str) -> dict[str, Any]:
        prompts = digest([request.prompt for request in self._requests])
        return {"encoder": dict(self._generator.text_key(stage)), "prompts": prompts}

    def _text(self, stage: str) -> Arrays:
        """The text states of all requests, read or made once for each encoder."""
        key = self._text_key(stage)
        name = digest(key)
        if name not in self._texts:
            self._texts[name] = self._store.get_or_make_once(
                TEXT, key, lambda: self._generator.encode(stage, self._requests)
            )
        return self._texts[name]
