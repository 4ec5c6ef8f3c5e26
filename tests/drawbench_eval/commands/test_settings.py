from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from drawbench_eval.commands.settings import build, suggestion


@dataclass(frozen=True, kw_only=True)
class Inner:
    share: float
    kind: Literal["none", "static"] = "none"

    def __post_init__(self) -> None:
        if self.share > 1:
            raise ValueError(f"share: {self.share:g} is above 1; write {self.share / 100:g}")


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    count: int = 1
    on: bool = False
    name: str | None = None
    folder: Path = Path("results")
    names: tuple[str, ...] = ()
    free: Mapping[str, Any] | None = None


def test_values_arrive_typed() -> None:
    config = {
        "inner": {"share": 1, "kind": "static"},
        "count": 3,
        "on": True,
        "name": 42,
        "folder": "x/y",
        "names": ["a", "b"],
        "free": {"a": {"b": 1}},
    }
    assert build(Outer, config) == Outer(
        inner=Inner(share=1.0, kind="static"),
        count=3,
        on=True,
        name="42",
        folder=Path("x/y"),
        names=("a", "b"),
        free={"a": {"b": 1}},
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "inner: a value is needed"),
        ({"inner": {"share": 1}, "cuont": 2}, "cuont: no such setting; did you mean count?"),
        ({"inner": {"share": 1, "x": 2}}, "inner.x: no such setting; write one of kind, share"),
        ({"inner": 3}, "inner: 3 is a single value; this is a group of settings (inner.KEY=VALUE)"),
        ({"inner": {"share": 99.5}}, "inner.share: 99.5 is above 1; write 0.995"),
        ({"inner": {"share": "a"}}, "inner.share: a is not a number"),
        ({"inner": {"share": True}}, "inner.share: True is not a number"),
        ({"inner": {"share": None}}, "inner.share: null is not a number"),
        ({"inner": {"share": 1, "kind": "foo"}}, "inner.kind: foo is not one of none, static"),
        ({"inner": {"share": 1}, "count": 1.5}, "count: 1.5 is not a whole number"),
        ({"inner": {"share": 1}, "on": 1}, "on: 1 is not true or false"),
        ({"inner": {"share": 1}, "folder": ""}, "folder: '' is not a path"),
        ({"inner": {"share": 1}, "names": "a"}, "names: a is not a list; write names=[a,b]"),
    ],
)
def test_every_complaint_names_key_value_and_what_is_right(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        build(Outer, config)
    assert str(error.value) == message


def test_suggestions() -> None:
    assert suggestion("thresold", ["threshold", "path"]) == "; did you mean threshold?"
    assert suggestion("xyz", ["a", "b"]) == "; write one of a, b"
    assert suggestion("xyz", [f"key{n}" for n in range(30)]) == ""
