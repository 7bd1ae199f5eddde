"""Declare the parameters of a component, and read them from JSON values or text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any


class OneOf:
    """Parameter with a fixed set of values, the first of which is the default."""

    def __init__(self, *options: str | int) -> None:
        self.options = options


Default = bool | int | float | str | OneOf
_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "a string or an integer id"}


def check_names(names: Iterable[str]) -> None:
    """Raise ValueError if two names differ only in case."""
    spellings: dict[str, str] = {}
    for name in names:
        first = spellings.setdefault(name.lower(), name)
        if first != name:
            raise ValueError(f"{first} and {name} are the same parameter; pass only one of them")


def override(parameters: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters, overridden by `given`; names are not case-sensitive."""
    overridden = {name.lower() for name in given}
    return {**{name: value for name, value in parameters.items() if name.lower() not in overridden}, **given}


def read_parameters(declared: Mapping[str, Default], given: Mapping[str, object]) -> dict[str, Any]:
    """Return all declared parameters, with given values converted to their types."""
    unknown = sorted(name for name in given if name.lower() not in declared)
    if unknown:
        raise ValueError(f"unknown parameter {', '.join(unknown)}; known: {', '.join(declared) or 'none'}")
    spellings = {name.lower(): name for name in given}
    values = {}
    for name, default in declared.items():
        spelling = spellings.get(name, name)
        values[name] = _read(spelling, default, given.get(spelling))
    return values


def _read(name: str, default: Default, value: object) -> Any:
    if isinstance(default, OneOf):
        read = _read(name, default.options[0], value)
        if read not in default.options:
            raise ValueError(f"{name} must be one of {default.options}, got {value!r}")
        return read
    if value is None:
        return default
    kind, text = type(default), str(value)
    try:
        if kind is bool:
            return {"true": True, "false": False}[text.lower()]  # accepts true and "true"
        if kind is str and isinstance(value, str | int) and not isinstance(value, bool):
            return text
        if kind in (int, float) and math.isfinite(number := kind(text)):
            return number
    except (KeyError, ValueError):
        pass
    raise ValueError(f"{name} must be {_KINDS[kind]}, got {value!r}")
