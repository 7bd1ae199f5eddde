"""A stream of bytes -> head, row-aligned chunks, checked tail: the JSON around the rows.

The answer is ``{"code":0,"data":{"items":[[...],[...]]},"message":"Success"}``, with its keys in any order, other
members beside them, and white space wherever JSON allows it. The rows are all of its size, so they are never parsed
as one document: this module finds where they begin, has what arrives cut into pieces of whole rows, and at the end
parses the document that remains when the rows are taken out.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer_frames._decode.rows import SPACE, Rows, cut
from explorer_frames._decode.strict_json import check_values, loads_bounded, no_constant, scanstring
from explorer_frames._errors import api_error, escaped
from explorer_frames.errors import EnvelopeError, RowShapeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What may have to be held at once beside the rows: the head, the tail, one single row, an answer without rows.
MAX_HELD = 16 * 2**20
_HARDLY_A_ROW = 2**10  # bytes: that little is not looked through before more has come
# Interim answers, 204, 205 and redirects have no content, and 206 has a part of it: no body of these is a whole answer.
_WITHOUT_WHOLE_BODY = {*range(200), 204, 205, 206, *range(300, 400)}
_FIRST_KEY = re.compile(r'[ \t\n\r]*\{[ \t\n\r]*"')
_NEXT_KEY = re.compile(r'[ \t\n\r]*,[ \t\n\r]*"')
_COLON = re.compile(r"[ \t\n\r]*:[ \t\n\r]*")
_CUT_OFF = "The server or a proxy truncated the response. Retry."
_NO_RESULT = "Check that url= is the URL of NebulaGraph Explorer, and that no proxy changes its responses."


def read_rows(
    pieces: Iterable[bytes], limit: float = math.inf, http_status: int = 200, trace_id: str | None = None
) -> Iterator[Rows]:
    """Cut an answer into its rows, while it arrives.

    Parameters
    ----------
    pieces
        The body in pieces of any size.
    limit
        The requested number of rows.
    http_status, trace_id
        Of the answer.

    Yields
    ------
    Rows
        In order, numbered without gaps. Nothing is known to be right before the iteration has ended: the tail of
        the envelope comes last.

    Raises
    ------
    ApiError
        As of `data_of`.
    EnvelopeError
        Not valid JSON, not the documented envelope, no array at ``data.items``, more rows than `limit`, or more than
        16 MiB beside the rows or in one row.
    RowShapeError
        An element of ``items`` that is not an array of plain cells.
    """
    buffer = _Buffer(iter(pieces))
    head = _read_head(buffer)
    first = 0
    more = head is not None and buffer.peek() != b"]"
    while more:
        rows = cut(buffer.data, first)
        if rows is None:
            _grow_row(buffer, first)
            continue
        if first + rows.count > limit:  # before they are decoded, which takes far longer than counting
            raise EnvelopeError(
                f"server returned more rows than limit={limit}",
                hint="This server ignores limit, so results cannot be verified as complete.",
            )
        yield rows
        buffer.data = buffer.data[len(rows.data) :]
        first += rows.count
        char = buffer.peek()
        more = char == b","
        if not more and char != b"]":
            found = repr(escaped(char.decode("latin-1"))) if char else "the end of the response"
            what = f"expected a comma or the end of the rows, got {found}"
            raise EnvelopeError(what, where=f"row {first}", hint=_NO_RESULT if char else _CUT_OFF)
        if more:
            buffer.data = buffer.data[1:]
            if len(buffer.data) < _HARDLY_A_ROW:
                buffer.grow()
    start = b""
    if head is not None:
        start, buffer.data = head + b"[]", buffer.data[1:]
    # Every member of the envelope, and no row, is in this document: so the strict parser can judge it as a whole.
    data = data_of(loads_bounded(start + buffer.drain()), http_status, trace_id)
    if data.get("items") != []:
        raise EnvelopeError(
            f"invalid response: data.items must be a list of rows, got {_as_json(data.get('items', 'missing'))}",
            hint="Check in Explorer that the task has a result.",
        )


def _grow_row(buffer: _Buffer, row: int) -> None:
    """Wait for more of a row that is not yet whole."""
    if len(buffer.data) > MAX_HELD:
        raise RowShapeError(f"row {row} is larger than {MAX_HELD // 2**20} MiB", row=row, hint=_NO_RESULT)
    if not buffer.grow():
        raise EnvelopeError("the response ends in the middle of a row", where=f"row {row}", hint=_CUT_OFF)


def _as_json(value: object) -> str:
    try:
        return escaped(json.dumps(value), 60)
    except RecursionError:  # parsing and encoding have different limits of depth
        return f"a {type(value).__name__} that is nested too deeply to show"


def data_of(envelope: object, http_status: int, trace_id: str | None, *, any_status: bool = False) -> dict[str, Any]:
    """Check that an envelope reports success, and return its ``data``.

    The envelope's code decides, since the API does not document the HTTP statuses. The status counts where there is
    no code, where it says that the body is not whole, and where code 0 has no ``data``.

    Parameters
    ----------
    any_status
        Whether code 0 with ``data`` is success even if the status says that the body is not whole.

    Raises
    ------
    ApiError
        The code is not 0; or there is no valid success, and the HTTP status is an error.
    EnvelopeError
        The answer does not have the documented shape.
    """
    members = envelope if isinstance(envelope, dict) else {}
    code = members.get("code")
    code = code if type(code) is int else None
    data = members.get("data")
    whole = any_status or http_status not in _WITHOUT_WHOLE_BODY
    if code == 0 and isinstance(data, dict) and whole:
        return data
    if code or http_status >= 400:  # noqa: PLR2004 (errors, by RFC 9110)
        raise api_error(code or None, http_status, members.get("message"), trace_id)
    wrong = f"HTTP status {http_status}" if not whole else "code" if code is None else "data"
    raise EnvelopeError(
        f"invalid response: unexpected {wrong}",
        where=f"trace {escaped(trace_id, 80)}" if trace_id else None,
        hint="Check that url= is the URL of NebulaGraph Explorer. The documented versions are 3.1 to 3.8.",
    )


@dataclass(slots=True)
class _Buffer:
    """What has arrived and is not yet used."""

    pieces: Iterator[bytes]
    data: bytes = b""

    def grow(self) -> bool:
        """Add at least as much as is there (so that looking again costs no more than reading did)."""
        parts, wanted = [self.data], max(1, len(self.data))
        for piece in self.pieces:
            parts.append(piece)
            wanted -= len(piece)
            if wanted <= 0:
                break
        before = len(self.data)
        self.data = b"".join(parts)
        return len(self.data) > before

    def peek(self) -> bytes:
        """Drop white space and return the one character behind it; empty at the end."""
        self.data = self.data.lstrip(SPACE)
        while not self.data and self.grow():
            self.data = self.data.lstrip(SPACE)
        return self.data[:1]

    def drain(self) -> bytes:
        while self.grow():
            if len(self.data) > MAX_HELD:
                raise EnvelopeError(
                    f"the response contains more than {MAX_HELD // 2**20} MiB besides the rows",
                    hint=_NO_RESULT,
                )
        return self.data


def _read_head(buffer: _Buffer) -> bytes | None:
    """Use up all before the rows and their opening bracket, and return it; None where no rows are to come."""
    while buffer.grow():
        if buffer.data.lstrip(SPACE)[:1] not in (b"", b"{"):
            return None
        try:
            text, _ = codecs.utf_8_decode(buffer.data)  # whose last character may be cut
        except UnicodeDecodeError as error:
            text, _ = codecs.utf_8_decode(buffer.data[: error.start])
        at = _find_items(text)
        if at is not None:
            head = text[:at].encode()
            buffer.data = buffer.data[len(head) + 1 :]
            return head
        check_values(buffer.data)
        if len(buffer.data) > MAX_HELD:
            return None
    return None


def _find_items(text: str) -> int | None:
    """Where the array at ``data.items`` begins, if it can be seen and no error code stands before it."""
    at, code = 0, 0
    try:
        for wanted in ("data", "items"):
            pattern = _FIRST_KEY
            while True:
                opening = pattern.match(text, at)
                if opening is None:
                    return None
                key, at = scanstring(text, opening.end())
                colon = _COLON.match(text, at)
                if colon is None:
                    return None
                at = colon.end()
                if key == wanted:
                    break
                value, at = _value(text, at)
                if key == "code" and wanted == "data":
                    code = value
                pattern = _NEXT_KEY
            if code != 0:
                return None
    except (ValueError, RecursionError):  # cut off, or wrong: `strict_loads` will say which
        return None
    return at if text[at : at + 1] == "[" else None


_value = json.JSONDecoder(parse_constant=no_constant).raw_decode
