"""Parse JSON strictly, without the extensions of Python's own parser."""

from __future__ import annotations

import json.decoder
from typing import Any, NoReturn

from explorer_frames._errors import escaped
from explorer_frames.errors import EnvelopeError

scanstring = json.decoder.scanstring  # type: ignore[attr-defined]  # missing in typeshed; exists since Python 2.6


_MOST_VALUES = 1_000_000  # values that can be parsed in about two seconds; valid responses contain fewer


def check_values(body: bytes) -> None:
    """Raise EnvelopeError if there are too many values to parse within a deadline."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > _MOST_VALUES:
        raise EnvelopeError(
            f"the response contains more than {_MOST_VALUES:,} values outside the rows", hint=_not_json_hint(body)
        )


def loads_bounded(body: bytes) -> Any:
    """Parse strict JSON with a limited number of values."""
    check_values(body)
    return strict_loads(body)


def strict_loads(body: bytes, **hooks: Any) -> Any:
    """Parse strict JSON in UTF-8, without duplicate keys, NaN and Infinity."""
    # The error is raised outside the except block, because a chained exception would contain the whole body.
    try:
        return json.loads(body.decode("utf-8"), parse_constant=no_constant, object_pairs_hook=_unique, **hooks)
    except UnicodeDecodeError as error:
        failure = f"not UTF-8 at byte {error.start}"
    except json.JSONDecodeError as error:
        failure = f"{error.msg} at character {error.pos}: {escaped(error.doc[error.pos : error.pos + 60])!r}"
    except ValueError as error:  # an integer with too many digits, or an error raised by a hook
        failure = escaped(error)
    except RecursionError:  # its message differs between Python versions
        failure = "arrays or objects are nested too deeply"
    raise EnvelopeError(f"the response is not valid JSON: {failure}", hint=_not_json_hint(body))


def _not_json_hint(body: bytes) -> str:
    if body.lstrip().startswith(b"<"):
        return (
            "The response is an HTML page. Check that url= is the URL of the Explorer API, and that no proxy "
            "responds in its place."
        )
    return "Check that url= is the URL of NebulaGraph Explorer, and that no proxy changes its responses."


def no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not valid JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("duplicate key in an object")
    return members
