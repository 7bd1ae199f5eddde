"""Split the ``items`` array into chunks of rows, and the chunks into cells.

This is the hot path. In most chunks, every cell is a string, and there is no whitespace. In these regular chunks, the
positions of the quotes determine the ends of the rows. If the opening quotes are shifted by one, the positions are also
the offsets of an Arrow string array over the bytes of the chunk. The bytes are not copied. The array alternates cells
and separators, and each column is taken from it.

Other chunks are split at the brackets outside strings and parsed with a strict JSON parser.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explorer_frames._decode.cells import Cells, row_by_end
from explorer_frames._decode.strict_json import scanstring, strict_loads
from explorer_frames._errors import escaped
from explorer_frames._memory import POOL
from explorer_frames.errors import ColumnTypeError, DecodeError, EnvelopeError, RowShapeError

_Positions: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.intp]]

SPACE = b" \t\n\r"
_NO_LIST = "Check that this is the result of a graph algorithm. Each element of `items` must be an array."
_FEW = 64  # cells; the first row is rarely longer
_NEXT_CELL, _NEXT_ROW = b',"', b'],["'  # from the closing quote of one string to the opening quote of the next
_QUOTE, _OPEN, _CLOSE, _BACKSLASH, _FIRST_PRINTABLE = b'"[]\\ '
_PARTS = "\x1f"  # unit separator, a control character


@dataclass(frozen=True, slots=True)
class Rows:
    """Chunk of complete rows, as text of the response."""

    data: bytes  # for example, ["a","1"],["b","2"]
    first: int  # index of the first row in the result, from 0
    count: int  # number of rows
    quotes: NDArray[np.intp] | None  # positions of all quotes; None if the text is irregular


def cut(data: bytes, first: int) -> Rows | None:
    """Return the complete rows at the start of `data`, or None if there are none."""
    start = len(data) - len(data.lstrip(SPACE))
    if start == len(data):
        return None
    if data[start] != _OPEN:
        raise RowShapeError(
            f"row {first} is not a list of cells: {escaped(data[start : start + 20].decode('latin-1'))!r}",
            row=first,
            hint=_NO_LIST,
        )
    return _cut_regular(data, first) or _cut_any(data, first)


def _cut_regular(data: bytes, first: int) -> Rows | None:
    """Split the text at its quotes, or return None if the text is irregular.

    Cells are separated by ``","`` and rows by ``"],["``. Checking the characters after each closing quote is
    therefore sufficient.
    """
    if not data.startswith(b'["'):
        return None
    text = np.frombuffer(data, np.uint8)
    quotes = _unescaped_quotes(text) if b"\\" in data else np.flatnonzero(text == _QUOTE)
    closes = _closes_by_row(text, quotes[1::2])
    count = _count_regular(text, closes)
    if not count:
        return None
    size = int(closes[count - 1, -1]) + 2
    if text[:size].min() < _FIRST_PRINTABLE:
        return None
    return Rows(data[:size], first, count, quotes[: 2 * count * closes.shape[1]])


def _closes_by_row(text: NDArray[np.uint8], closes: NDArray[np.intp]) -> _Positions:
    """Group the closing quotes by row."""
    closes = closes[: np.searchsorted(closes, text.size - 1)]  # a closing quote must be followed by a character
    ends = text[closes[:_FEW] + 1] == _CLOSE
    if not ends.any():
        ends = text[closes + 1] == _CLOSE
    width = int(ends.argmax()) + 1 if ends.any() else 0
    count = closes.size // width if width else 0
    return closes[: count * width].reshape(count, width or 1)


def _count_regular(text: NDArray[np.uint8], closes: _Positions) -> int:
    """Count the regular rows at the start, or return 0 if irregular rows follow."""
    # Contiguous copies are faster, because they are read once for each following character.
    inner, last = np.ascontiguousarray(closes[:, :-1]), np.ascontiguousarray(closes[:, -1])
    in_row, behind = _follows(text, inner, _NEXT_CELL), _follows(text, last[:-1], _NEXT_ROW)
    # The last regular row must be followed by the end of the array or of the chunk. Otherwise, responses that mix
    # regular and irregular rows would take quadratic time.
    count = len(last) if behind.all() else int(behind.argmin()) + 1
    end = b"]" if count == len(last) else b"]]"
    ended = count and text[last[count - 1] + 1 :][: len(end)].tobytes() == end
    return count if ended and in_row[:count].all() else 0


def _follows(text: NDArray[np.uint8], places: NDArray[np.intp], what: bytes) -> NDArray[np.bool_]:
    """Return for each position whether these characters follow it."""
    follows: NDArray[np.bool_] = text[1:].take(places, mode="wrap") == what[0]
    for behind, char in enumerate(what[1:], 2):
        # An index exceeds the end only in malformed text, where an earlier character does not match. Wrapping is
        # therefore safe, and "wrap" is faster than "raise".
        follows &= text[behind:].take(places, mode="wrap") == char
    return follows


def _cut_any(data: bytes, first: int) -> Rows | None:
    """Split any JSON rows at the brackets outside strings."""
    text = np.frombuffer(data, np.uint8)
    brackets = np.flatnonzero((text == _OPEN) | (text == _CLOSE))
    brackets = brackets[np.searchsorted(_unescaped_quotes(text), brackets) % 2 == 0]
    # Opening and closing brackets alternate unless a row contains a nested list.
    closing = text[brackets] == _CLOSE
    wrong = np.flatnonzero(closing != (np.arange(closing.size) % 2 == 1))
    if wrong.size and wrong[0] == 1:
        raise RowShapeError(
            f"row {first} contains a nested list",
            row=first,
            hint="Check that this is the result of a graph algorithm. Each cell must be a string or a number.",
        )
    count = int(wrong[0] if wrong.size else closing.size) // 2
    return Rows(data[: brackets[2 * count - 1] + 1], first, count, None) if count else None


def _unescaped_quotes(text: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the positions of the quotes that open or close a string."""
    # These quotes follow an even number of backslashes.
    is_quote = text == _QUOTE
    slashes = np.flatnonzero(text == _BACKSLASH)
    if slashes.size:
        starts = np.flatnonzero(np.diff(slashes, prepend=-2) != 1)
        lengths = np.diff(starts, append=slashes.size)
        behind = slashes[starts] + lengths
        escapes = behind[(lengths % 2 == 1) & (behind < text.size)]
        is_quote[escapes] = False
    return np.flatnonzero(is_quote)


def _parsed(rows: Rows) -> list[list[Any]]:
    """Parse rows with a strict JSON parser. Numbers stay text to preserve all digits."""
    try:
        parsed = strict_loads(b"[" + rows.data + b"]", parse_int=str, parse_float=str)
    except DecodeError as error:
        failure = error
    else:
        for number, row in enumerate(parsed, rows.first):
            if type(row) is not list:
                raise RowShapeError(f"row {number} is not a list of cells: {escaped(row)!r}", row=number, hint=_NO_LIST)
        return list(parsed)
    failure.where = f"rows {rows.first} to {rows.first + rows.count - 1}"
    raise failure


def split(rows: Rows) -> Cells:
    """Split a chunk of rows into cells."""
    return _Parsed(rows) if rows.quotes is None else _Regular(rows, rows.quotes)


class _Regular:
    def __init__(self, rows: Rows, quotes: NDArray[np.intp]) -> None:
        if np.frombuffer(rows.data, np.int8).min() < 0:  # not ASCII; this check is faster than `bytes.isascii`
            _check_utf8(rows, quotes)
        offsets = quotes.astype(np.int32)
        offsets[::2] += 1
        buffers = (pa.py_buffer(offsets), pa.py_buffer(rows.data))
        self.first = rows.first
        self._width = quotes.size // 2 // rows.count
        self.widths = np.array([self._width])
        self._count = rows.count
        self._strings = pa.StringArray.from_buffers(offsets.size - 1, *buffers)
        self._has_escapes = b"\\" in rows.data

    def column(self, number: int) -> pa.StringArray:
        step = 2 * self._width  # each cell is followed by a separator
        places = np.arange(2 * number, self._count * step, step)
        cells = pc.take(self._strings, pa.array(places), memory_pool=POOL)
        return _unescaped(cells, lambda index: self.first + index) if self._has_escapes else cells

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:
        ends = np.arange(self._count + 1, dtype=np.int32) * (self._width - number)
        places = np.arange(0, 2 * self._count * self._width, 2).reshape(self._count, self._width)[:, number:]
        cells = pc.take(self._strings, pa.array(places.ravel()), memory_pool=POOL)
        return ends, _unescaped(cells, row_by_end(self.first, ends)) if self._has_escapes else cells


class _Parsed:
    def __init__(self, rows: Rows) -> None:
        self.first = rows.first
        self._rows = _parsed(rows)
        self.widths = np.array([len(row) for row in self._rows])

    def column(self, number: int) -> pa.StringArray:
        return _strings([row[number] for row in self._rows], lambda index: self.first + index)

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:
        rests = [row[number:] for row in self._rows]
        ends = np.cumsum([0, *map(len, rests)], dtype=np.int32)
        return ends, _strings([cell for rest in rests for cell in rest], row_by_end(self.first, ends))


def _unescaped(cells: pa.StringArray, row_of: Callable[[int], int]) -> pa.StringArray:
    """Decode JSON escapes in the cells that contain escapes."""
    has_escape = pc.match_substring(cells, "\\")
    places = np.flatnonzero(has_escape.to_numpy(zero_copy_only=False))
    if not places.size:
        return cells
    raw = pc.filter(cells, has_escape, memory_pool=POOL)
    texts = _unescaped_at_once(raw)
    if texts is None:
        texts = _unescaped_one_by_one(raw, lambda index: row_of(int(places[index])))
    return texts if places.size == len(cells) else pc.replace_with_mask(cells, has_escape, texts, memory_pool=POOL)


def _unescaped_at_once(raw: pa.StringArray) -> pa.StringArray | None:
    """Decode the escapes of all cells at once, or return None if that is not possible.

    The cells are joined with a control character, which JSON strings can contain only as an escape. The cells cannot be
    decoded at once if this escape occurs, or if an escape is invalid.
    """
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(raw)], raw), _PARTS)[0].as_py()
    try:
        data = scanstring(joined + '"', 0, False)[0].encode()  # noqa: FBT003 (strict=False accepts control characters)
    except ValueError:  # invalid escape or lone surrogate; `_unescaped_one_by_one` raises the exact error
        return None
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord(_PARTS))
    if ends.size != len(raw) - 1:
        return None
    offsets = np.zeros(2 * len(raw), np.int32)
    offsets[1:-1:2], offsets[2::2], offsets[-1] = ends, ends + 1, len(data)
    parted = pa.StringArray.from_buffers(offsets.size - 1, pa.py_buffer(offsets), pa.py_buffer(data))
    return pc.take(parted, pa.array(np.arange(0, len(parted), 2)), memory_pool=POOL)


def _unescaped_one_by_one(raw: pa.StringArray, row_of: Callable[[int], int]) -> pa.StringArray:
    try:
        texts = strict_loads(('["' + '","'.join(raw.to_pylist()) + '"]').encode())
    except EnvelopeError as error:
        failure = error
    else:
        return _strings(texts, row_of)
    failure.where = f"rows {row_of(0)} to {row_of(len(raw) - 1)}"
    raise failure


def _strings(cells: list[Any], row_of: Callable[[int], int]) -> pa.StringArray:
    try:
        return pa.array(cells, pa.string(), memory_pool=POOL)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError):
        index = next(index for index, cell in enumerate(cells) if not _is_text(cell))
    row = row_of(index)
    raise ColumnTypeError(
        f"row {row}: each cell must be a string or a number, got {escaped(cells[index], 80)}",
        row=row,
        value=escaped(cells[index], 80),
        hint="The response does not match the documented API. Report it with the server's version.",
    )


def _is_text(cell: object) -> bool:
    try:
        return cell is None or (isinstance(cell, str) and cell.encode() is not None)
    except UnicodeEncodeError:  # a lone surrogate cannot be encoded
        return False


def _check_utf8(rows: Rows, quotes: NDArray[np.intp]) -> None:
    ends = np.array([0, len(rows.data)], np.int32)
    with suppress(pa.ArrowInvalid):  # faster than decoding, which is needed only to locate an error
        pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(rows.data)).validate(full=True)
        return
    try:
        rows.data.decode("utf-8")
    except UnicodeDecodeError as error:
        position = error.start
    else:
        return
    cells_before = int(np.searchsorted(quotes, position)) // 2
    row = rows.first + cells_before // (quotes.size // 2 // rows.count)
    raise EnvelopeError(
        f"row {row} is not valid UTF-8: {escaped(rows.data[position : position + 10].decode('latin-1'))!r}",
        hint="Check that no proxy changes the character encoding of responses.",
    )
