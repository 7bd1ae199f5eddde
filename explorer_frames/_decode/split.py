"""One chunk of rows -> its cells: the hot path.

In a regular chunk the quotes' positions, the opens moved by one, are the offsets of an Arrow string array over the
chunk's own bytes: cells and separators in turn, without a copy. Every column is a `take` from it. A chunk that is not
regular is parsed by a strict JSON parser. From the cells on, both ways are one: see `cells`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames import schemas
from explorer_frames._decode.cells import row_by_end
from explorer_frames._decode.rows import Rows, parse_rows
from explorer_frames._decode.strict_json import scanstring, strict_loads
from explorer_frames._memory import POOL
from explorer_frames.errors import ColumnTypeError, EnvelopeError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from explorer_frames._decode.cells import Cells

_PARTS = "\x1f"  # the unit separator


def split(rows: Rows) -> Cells:
    """Take a chunk apart into its cells.

    Raises
    ------
    DecodeError
        Invalid UTF-8 or JSON, or a row that is not a list.
    """
    return _Parsed(rows) if rows.quotes is None else _Regular.of(rows, rows.quotes)


@dataclass(slots=True)
class _Regular:
    first: int
    count: int
    width: int
    strings: pa.StringArray
    escaped: bool

    @classmethod
    def of(cls, rows: Rows, quotes: NDArray[np.intp]) -> _Regular:
        if np.frombuffer(rows.data, np.int8).min() < 0:  # not ASCII; `bytes.isascii` takes three times as long
            _check_utf8(rows, quotes)
        offsets = quotes.astype(np.int32)
        offsets[::2] += 1
        buffers = (pa.py_buffer(offsets), pa.py_buffer(rows.data))
        strings = pa.StringArray.from_buffers(offsets.size - 1, *buffers)
        return cls(rows.first, rows.count, quotes.size // 2 // rows.count, strings, b"\\" in rows.data)

    def misfit(self, schema: pa.Schema) -> int | None:
        return None if schemas.fits(schema, self.width) else 0

    def column(self, number: int) -> pa.StringArray:
        step = 2 * self.width  # each cell has a separator behind it
        return self._take(np.arange(2 * number, self.count * step, step), lambda index: self.first + index)

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:
        cells = np.arange(0, 2 * self.count * self.width, 2).reshape(self.count, self.width)[:, number:]
        ends = np.arange(self.count + 1, dtype=np.int32) * (self.width - number)
        return ends, self._take(cells.ravel(), row_by_end(self.first, ends))

    def _take(self, indices: NDArray[np.intp], row_of: Callable[[int], int]) -> pa.StringArray:
        cells = pc.take(self.strings, pa.array(indices), memory_pool=POOL)
        return _unescaped(cells, row_of) if self.escaped else cells


class _Parsed:
    def __init__(self, rows: Rows) -> None:
        self.first = rows.first
        self._rows = parse_rows(rows)

    @property
    def width(self) -> int:
        return len(self._rows[0])

    def misfit(self, schema: pa.Schema) -> int | None:
        widths = [len(row) for row in self._rows]
        if all(schemas.fits(schema, width) for width in set(widths)):
            return None
        return next(index for index, width in enumerate(widths) if not schemas.fits(schema, width))

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
        f"row {row} has a cell that is neither text nor a number: {escaped(cells[index], 80)}",
        row=row,
        value=escaped(cells[index], 80),
        hint="The answer is not a result as the API documents it: report it with the server's version.",
    )


def _is_text(cell: object) -> bool:
    try:
        return cell is None or (isinstance(cell, str) and cell.encode() is not None)
    except UnicodeEncodeError:  # half of a surrogate pair is no character
        return False


def _check_utf8(rows: Rows, quotes: NDArray[np.intp]) -> None:
    if _is_utf8(rows.data):
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
        hint="JSON is UTF-8 by definition; a proxy that changes the charset would do this.",
    )


def _is_utf8(data: bytes) -> bool:
    ends = np.array([0, len(data)], np.int32)
    try:  # half the time of decoding, which tells where it is not
        pa.StringArray.from_buffers(1, pa.py_buffer(ends), pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
