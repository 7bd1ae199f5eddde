"""Text of the items array -> pieces of whole rows, and a piece of rows -> its cells: the hot path.

Most pieces are *regular*: every cell a string, no white space. There the positions of the quotes say everything: they
show where rows end, and the opens moved by one are the offsets of an Arrow string array over the piece's own bytes,
cells and separators in turn, without a copy. Every column is a `take` from it. Any other piece is cut just as exactly,
by the brackets outside strings, and left to a strict JSON parser. No cut is a guess. From the cells on, both ways are
one: see `cells`.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._decode.cells import row_by_end
from explorer_frames._decode.strict_json import scanstring, strict_loads
from explorer_frames._errors import escaped
from explorer_frames._memory import POOL
from explorer_frames.errors import ColumnTypeError, DecodeError, EnvelopeError, RowShapeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from explorer_frames._decode.cells import Cells

    _Positions: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.intp]]

SPACE = b" \t\n\r"
_NO_LIST = "Check that this is the result of a graph algorithm: each element of `items` must be an array."
_FEW = 64  # cells in which the first row has most likely ended
_NEXT_CELL, _NEXT_ROW = b',"', b'],["'  # from behind the close of one string to the open of the next
_QUOTE, _OPEN, _CLOSE, _BACKSLASH, _FIRST_PRINTABLE = b'"[]\\ '
_PARTS = "\x1f"  # the unit separator


@dataclass(frozen=True, slots=True)
class Rows:
    """Some whole rows of the result, as they stand in the answer.

    Attributes
    ----------
    data
        Their text, ``["a","1"],["b","2"]``.
    first
        Number of the first of them in the result, from 0.
    count
        How many they are.
    quotes
        Where the text is regular: the positions of all its quotes, open and close in turn, every row with
        ``quotes.size / 2 / count`` cells. None where it has to be parsed.
    """

    data: bytes
    first: int
    count: int
    quotes: NDArray[np.intp] | None


def cut(data: bytes, first: int) -> Rows | None:
    """All whole rows at the start of `data`, with the white space before them; None where not one is whole."""
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
    """Cut by the quotes alone; None unless the rows in `data` are regular, but for the last few.

    Between two cells of a row stands ``","``, between two rows ``"],["``: so the few characters behind every other
    quote prove the structure of the whole piece at once.
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
    """Arrange the closing quotes by rows as long as the first one; no rows where it is not whole."""
    closes = closes[: np.searchsorted(closes, text.size - 1)]  # behind a close there has to be something
    ends = text[closes[:_FEW] + 1] == _CLOSE
    if not ends.any():
        ends = text[closes + 1] == _CLOSE
    width = int(ends.argmax()) + 1 if ends.any() else 0
    count = closes.size // width if width else 0
    return closes[: count * width].reshape(count, width or 1)


def _count_regular(text: NDArray[np.uint8], closes: _Positions) -> int:
    """Count the regular rows at the start; 0 if others follow that have as many strings as one of them, or more."""
    # Copied, since they are gone through again for each character behind them.
    inner, last = np.ascontiguousarray(closes[:, :-1]), np.ascontiguousarray(closes[:, -1])
    in_row, behind = _follows(text, inner, _NEXT_CELL), _follows(text, last[:-1], _NEXT_ROW)
    # Behind the first row that nothing regular follows, only the end of the array may stand, or of the piece. (Were
    # regular rows taken as far as they go, an answer that mixes them with others would cost its square.)
    count = len(last) if behind.all() else int(behind.argmin()) + 1
    end = b"]" if count == len(last) else b"]]"
    ended = count and text[last[count - 1] + 1 :][: len(end)].tobytes() == end
    return count if ended and in_row[:count].all() else 0


def _follows(text: NDArray[np.uint8], places: NDArray[np.intp], what: bytes) -> NDArray[np.bool_]:
    """Whether these characters follow each place."""
    follows: NDArray[np.bool_] = text[1:].take(places, mode="wrap") == what[0]
    for behind, char in enumerate(what[1:], 2):
        # Where this goes beyond the end, a quote stood where a bracket was due. ("wrap" takes less time than "raise".)
        follows &= text[behind:].take(places, mode="wrap") == char
    return follows


def _cut_any(data: bytes, first: int) -> Rows | None:
    """Cut by the brackets outside strings: exact for any JSON. Of rows without nested arrays they alternate."""
    text = np.frombuffer(data, np.uint8)
    brackets = np.flatnonzero((text == _OPEN) | (text == _CLOSE))
    brackets = brackets[np.searchsorted(_unescaped_quotes(text), brackets) % 2 == 0]
    closing = text[brackets] == _CLOSE
    wrong = np.flatnonzero(closing != (np.arange(closing.size) % 2 == 1))
    if wrong.size and wrong[0] == 1:
        raise RowShapeError(
            f"row {first} contains a nested list",
            row=first,
            hint="Check that this is the result of a graph algorithm: each cell must be a string or a number.",
        )
    count = int(wrong[0] if wrong.size else closing.size) // 2
    return Rows(data[: brackets[2 * count - 1] + 1], first, count, None) if count else None


def _unescaped_quotes(text: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Positions of the quotes that open or close a string: those behind an even number of backslashes."""
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
    """Parse rows with a strict JSON parser; a number becomes the text in the response, so that no digit is lost."""
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
    """Take a chunk apart into its cells.

    Raises
    ------
    DecodeError
        Invalid UTF-8 or JSON, or a row that is not a list.
    """
    return _Parsed(rows) if rows.quotes is None else _Regular(rows, rows.quotes)


class _Regular:
    def __init__(self, rows: Rows, quotes: NDArray[np.intp]) -> None:
        if np.frombuffer(rows.data, np.int8).min() < 0:  # not ASCII; `bytes.isascii` takes three times as long
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
        step = 2 * self._width  # each cell has a separator behind it
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
    """Resolve JSON's escapes, in those cells that have any, by a strict parser."""
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
    """Resolve all escapes in one string, in which a control character parts the cells; None where that cannot be.

    No cell has one, or it would not be JSON: but an escape can make one.
    """
    joined = pc.binary_join(pa.ListArray.from_arrays([0, len(raw)], raw), _PARTS)[0].as_py()
    try:
        data = scanstring(joined + '"', 0, False)[0].encode()  # noqa: FBT003 (not strict: control characters pass)
    except ValueError:  # no valid escape, or half of a surrogate pair: one by one tells which
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
    except UnicodeEncodeError:  # half of a surrogate pair is no character
        return False


def _check_utf8(rows: Rows, quotes: NDArray[np.intp]) -> None:
    ends = np.array([0, len(rows.data)], np.int32)
    with suppress(pa.ArrowInvalid):  # half the time of decoding, which tells where it is not
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
