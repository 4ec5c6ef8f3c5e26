"""What makes a number comparable: one flat, canonical value with a short id, stored with every number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drawbench_eval.files import canonical_json, digest

Scalar = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a number was made. Two numbers may share an axis or a rank only if their protocol ids are equal.

    `name` is for people and is not part of the identity. `values` is flat, with dotted keys.
    """

    name: str
    values: Mapping[str, Scalar]

    def __post_init__(self) -> None:
        for key, value in self.values.items():
            if not (value is None or isinstance(value, str | int | float | bool)):
                raise ValueError(
                    f"protocol {self.name}: {key} is a {type(value).__name__}; give text, a number or null"
                )

    @property
    def id(self) -> str:
        """The first ten hex digits of the digest of the values."""
        return digest(self.values)[:10]


def compare(a: Protocol, b: Protocol) -> list[str]:
    """The keys in which two protocols differ, sorted; a key that only one of them has differs."""
    keys = sorted(a.values.keys() | b.values.keys())
    return [key for key in keys if _text(a, key) != _text(b, key)]


def _text(protocol: Protocol, key: str) -> str | None:
    return canonical_json(protocol.values[key]) if key in protocol.values else None
