"""What the points of a sweep have in common, made once: a thousand plans do not hold a thousand scorers."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Kept:
    """Things by the settings that they are made of.

    Metrics that several plans hold are the same objects: such plans may be compared and recorded, not run.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What was made for `key`, made now where it was not. An error is raised each time anew."""
        if key not in self._kept:
            self._kept[key] = make()
        return cast(T, self._kept[key])
