"""`model.generator: http`: a model that answers at a stated address.

A batch is one POST of `{"prompts", "seeds", "sample_ids", "settings"}`. The answer is
`{"images": [file in base64, ...]}` in the same order, or, to a batch of one, the image file itself.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawbench_eval.generators.base import Finished, Request
from drawbench_eval.generators.external import (
    ExternalGenerator,
    GuidanceKind,
    batches,
    decode_base64,
    hash_weights,
)
from drawbench_eval.images.decode import Pixels, decode

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TOO_MANY = 429
_MAX_WAIT_S = 60.0


@dataclass(frozen=True, kw_only=True)
class HttpSettings:
    """The `model` group for model=http.

    version: which model answers there; an address cannot be hashed. settings: sent with every batch.
    timeout_s: for one batch. retries: after a 5xx, a 429 or a broken connection, waiting backoff_s, then
    twice as long each time. token_env: the environment variable with a bearer token, recorded nowhere.
    """

    url: str
    version: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    timeout_s: float = 600.0
    retries: int = 4
    backoff_s: float = 1.0
    token_env: str | None = None
    weights: tuple[Path, ...] = ()
    guidance_kind: GuidanceKind = "none"

    def __post_init__(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self.url)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right:
            raise ValueError(f"url: {self.url!r} is not an address such as http://127.0.0.1:8000/sample")
        if parts.username is not None or parts.password is not None:
            raise ValueError("url: an address is recorded; keep secrets out of it and use model.token_env")
        if self.timeout_s <= 0:
            raise ValueError(f"timeout_s: {self.timeout_s:g} is not above 0")
        if self.retries < 0 or self.backoff_s < 0:
            raise ValueError(f"retries: {self.retries} and backoff_s {self.backoff_s:g} must be at least 0")
        if self.token_env is not None and not os.environ.get(self.token_env):
            raise ValueError(f"token_env: {self.token_env} is not set in the environment")


class HttpGenerator(ExternalGenerator):
    """Posts batches to the address: directly on this machine, else through the environment's proxies."""

    def __init__(self, settings: HttpSettings) -> None:
        self.asked = settings
        address = urllib.parse.urlsplit(settings.url)
        super().__init__(
            kind="http",
            label=f"{address.hostname}-{settings.version}",
            guidance_kind=settings.guidance_kind,
            origin={"url": settings.url, "stated_version": settings.version},
            settings=settings.settings,
            weights=hash_weights(settings.weights),
        )
        proxies = [urllib.request.ProxyHandler({})] if address.hostname in _LOOPBACK else []
        self._opener = urllib.request.build_opener(_NoRedirect, *proxies)

    def stream(self, requests: Sequence[Request], *, batch_size: int) -> Iterator[Finished]:
        """A batch at a time. Raises ValueError for an address that does not answer, or not with images."""
        for batch in batches(requests, batch_size):
            content_type, body = self._post(batch)
            try:
                images = _images(content_type, body, batch)
            except ValueError as error:
                raise ValueError(f"model.url: {self.asked.url} answered {error}") from error
            yield list(zip(batch, images, strict=True))

    def _post(self, batch: Sequence[Request]) -> tuple[str, bytes]:
        """Content type and body of the answer, after as many tries as are allowed."""
        question = {
            "prompts": [request.prompt for request in batch],
            "seeds": [request.seed for request in batch],
            "sample_ids": [request.sample_id for request in batch],
            "settings": self.settings,
        }
        reason = ""
        for attempt in range(self.asked.retries + 1):
            if attempt:
                time.sleep(min(self.asked.backoff_s * 2 ** (attempt - 1), _MAX_WAIT_S))
            try:
                with self._opener.open(self._request(question), timeout=self.asked.timeout_s) as answer:
                    return str(answer.headers.get_content_type()), answer.read()
            except urllib.error.HTTPError as error:
                with error:
                    reason = f"{error.code} {error.reason}: {_excerpt(error.read())}"
                if error.code < 500 and error.code != _TOO_MANY:
                    raise ValueError(f"model.url: {self.asked.url} answered {reason}") from error
            except (OSError, http.client.HTTPException) as error:
                cause = error.reason if isinstance(error, urllib.error.URLError) else error
                reason = f"{cause}" or type(error).__name__
        raise ValueError(
            f"model.url: {self.asked.url} failed {self.asked.retries + 1} times, from "
            f"{batch[0].sample_id} on ({reason}); what is made is kept"
        )

    def _request(self, question: Mapping[str, Any]) -> urllib.request.Request:
        headers = {"Content-Type": "application/json", "Accept": "application/json, image/*"}
        if self.asked.token_env is not None:
            headers["Authorization"] = f"Bearer {os.environ.get(self.asked.token_env, '')}"
        data = json.dumps(question).encode("utf-8")
        return urllib.request.Request(self.asked.url, data=data, headers=headers, method="POST")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The stated address is the one that is asked: what points elsewhere is an error that says so."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """No new request."""


def make(settings: HttpSettings, *, device: str, precision: str) -> HttpGenerator:  # noqa: ARG001
    """The generator; the address is not asked before there is something to make."""
    return HttpGenerator(settings)


def _images(content_type: str, body: bytes, batch: Sequence[Request]) -> list[Pixels]:
    """The images of an answer. Raises ValueError saying what it is instead."""
    if content_type.startswith("image/"):
        if len(batch) != 1:
            raise ValueError(f"one image to {len(batch)} prompts; write batch_size=1, or answer with JSON")
        return [decode(body, batch[0].sample_id)]
    try:
        answer = json.loads(body)
    except ValueError as error:
        raise ValueError(f"neither JSON nor an image ({content_type}: {_excerpt(body)})") from error
    images = answer.get("images") if isinstance(answer, dict) else None
    if not isinstance(images, list):
        raise ValueError(f'JSON without a list "images" ({_excerpt(body)})')
    if len(images) != len(batch):
        raise ValueError(f"{len(images)} images to {len(batch)} prompts")
    return [
        decode(decode_base64(image), request.sample_id) for image, request in zip(images, batch, strict=True)
    ]


def _excerpt(body: bytes) -> str:
    text = " ".join(body[:2000].decode("utf-8", errors="replace").split())
    return text[:200] or "nothing more"
