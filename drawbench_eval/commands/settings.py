"""Configuration -> frozen dataclasses with checked values; every complaint names the full key."""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def build(cls: type[T], config: Mapping[str, Any], where: str = "") -> T:
    """A `cls` (a dataclass) from `config`; `where` is the dotted key of `config` itself.

    Field types are bool, int, float, str, Path, Any, a Mapping (taken as it is), a tuple[X, ...], a
    dataclass, a Literal, or one of these and None. A check in the `__post_init__` of `cls` raises ValueError
    with a message that opens with the field's name; the key of `config` is put before it here.

    Raises ValueError for an unknown key, a missing one, a value of the wrong type, and what `cls` refuses.
    """
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in config:
        if key not in fields:
            raise ValueError(f"{_join(where, key)}: no such setting{suggestion(str(key), fields)}")
    values: dict[str, Any] = {}
    for name, field in fields.items():
        if name in config:
            values[name] = _convert(config[name], hints[name], _join(where, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{_join(where, name)}: a value is needed")
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(_join(where, str(error))) from error


def suggestion(name: str, known: Iterable[str]) -> str:
    """A half sentence with the closest of `known`, with all of them when they are few, or nothing."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=2, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; write one of {', '.join(names)}" if 0 < len(names) <= 20 else ""


def _join(where: str, key: object) -> str:
    return f"{where}.{key}" if where else str(key)


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return _convert(value, inner, where)
    if origin is typing.Literal:
        if value not in arguments:
            raise ValueError(f"{where}: {value} is not one of {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise ValueError(f"{where}: {value} is not a list; write {where}=[a,b]")
        return tuple(_convert(item, arguments[0], f"{where}[{index}]") for index, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return build(typing.cast(type[Any], hint), _mapping(value, where), where)
    if hint is Mapping or origin in (Mapping, typing.get_origin(Mapping[str, Any])):
        return _mapping(value, where)
    return _scalar(value, hint, where)


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{where}: {value} is a single value; this is a group of settings ({where}.KEY=VALUE)"
        )
    return value


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a path"}


def _scalar(value: Any, hint: type, where: str) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is bool and isinstance(value, bool):
        return value
    if hint is int and is_number and value == int(value):
        return int(value)
    if hint is float and is_number:
        return float(value)
    # A name may look like a number (label=42); YAML has read it as one by then.
    if hint is str and (isinstance(value, str) or is_number):
        return str(value)
    if hint is Path and isinstance(value, str) and value:
        return Path(value)
    shown = "null" if value is None else repr(value) if value == "" else value
    raise ValueError(f"{where}: {shown} is not {_KINDS[hint]}")
