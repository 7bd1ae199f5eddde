"""Validation of arguments."""

from __future__ import annotations

import json
import math
import operator
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from numbers import Real
from typing import Any, TypeGuard

from explorer_frames._errors import as_given, escaped
from explorer_frames.errors import ConfigError

# Limit that requests all rows. The API has no other way to request them.
EVERYTHING = 2**31 - 1
_SEGMENT = re.compile(r"[A-Za-z0-9_.-]{1,128}", re.ASCII)


def checked_id(name: str, value: object) -> str:
    """Validate an id, so that it is safe in the path of a URL."""
    text = value if isinstance(value, str) else ""
    if not isinstance(value, str | bool):
        with suppress(TypeError, ValueError):  # ValueError if it has thousands of digits
            text = str(operator.index(value))  # type: ignore[arg-type]
    if not _SEGMENT.fullmatch(text) or text in (".", ".."):
        raise ConfigError(
            f"invalid {name}: {as_given(value)}",
            hint="Ids contain only letters, digits, '_', '-' and '.'. Copy the id from the job's page in Explorer.",
        )
    return text


def checked_count(name: str, value: object, *, most: float = math.inf, or_else: str = "") -> int:
    """Validate a positive integer; `or_else` describes other valid values in the message."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = 0
    if isinstance(value, bool) or not 1 <= number <= most:
        hint = f"Pass a number from 1 to {most}." if most < math.inf else "Pass a number such as 1 or 1000."
        raise ConfigError(f"{name} must be a positive integer{or_else}, got {as_given(value)}", hint=hint)
    return number


def is_duration(value: object) -> TypeGuard[float]:
    """Return whether a value is a positive number of seconds that sockets support."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    return number and 0 < value <= threading.TIMEOUT_MAX  # type: ignore[operator]  # a number


def checked_limit(limit: object, name: str = "limit") -> int:
    """Validate the number of rows or jobs to request."""
    return EVERYTHING if limit is None else checked_count(name, limit, most=EVERYTHING, or_else=" or None")


def checked_flag(name: str, value: object) -> bool:
    """Validate a boolean argument."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, got {as_given(value)}")
    return value


def checked_input(given: object) -> dict[str, dict[str, Any]]:
    """Validate the input of a workflow, a mapping from components to parameters."""
    try:
        if isinstance(given, Mapping) and all(isinstance(item, Mapping) for item in given.values()):
            names = [*given, *(name for item in given.values() for name in item)]
            if all(isinstance(name, str) for name in names):  # JSON converts other keys to strings
                parameters = {name: dict(item) for name, item in given.items()}
                text = json.dumps(parameters, allow_nan=False, default=_plain)
                return json.loads(text)  # type: ignore[no-any-return]
            why = "names of components and parameters must be strings"
        else:
            why = "expected a mapping of mappings"
    except (TypeError, ValueError, RecursionError) as error:
        why = escaped(error)
    raise ConfigError(
        f"invalid workflow input: {why}", hint='Pass a mapping such as {"analytics_sssp_1": {"root": "player100"}}.'
    )


def _plain(value: Any) -> Any:
    """Convert a numpy scalar; raise TypeError for types that JSON does not support."""
    if not hasattr(value, "item") or getattr(value, "shape", None) != ():
        raise TypeError(f"{type(value).__name__} is not JSON serializable")
    return value.item()
