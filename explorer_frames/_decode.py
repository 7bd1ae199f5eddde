"""One chunk of rows -> its cells: the hot path.

In a regular chunk the quotes' positions, the opens moved by one, are the offsets of an Arrow string array over the
chunk's own bytes: cells and separators in turn, without a copy. Every column is a `take` from it. A chunk that is not
regular is parsed by a strict JSON parser. From the cells on, both ways are one: see `_cells`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames import schemas
from explorer_frames._cells import row_by_end
from explorer_frames._json import strict_loads
from explorer_frames._rows import Rows, parse_rows
from explorer_frames.errors import ColumnTypeError, EnvelopeError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from explorer_frames._cells import Cells


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
        if not rows.data.isascii():
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
        cells = self.strings.take(pa.array(indices))
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
    raw = cells.filter(has_escape).to_pylist()
    try:
        texts = strict_loads(('["' + '","'.join(raw) + '"]').encode())
    except EnvelopeError as error:
        failure = error
    else:
        return pc.replace_with_mask(cells, has_escape, _strings(texts, lambda index: row_of(int(places[index]))))
    failure.where = f"rows {row_of(int(places[0]))} to {row_of(int(places[-1]))}"
    raise failure


def _strings(cells: list[Any], row_of: Callable[[int], int]) -> pa.StringArray:
    try:
        return pa.array(cells, pa.string())
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
