"""One chunk of rows + a schema -> pyarrow.RecordBatch: the hot path.

In a regular chunk the quotes' positions, the opens moved by one, are the offsets of an Arrow string array over the
chunk's own bytes: cells and separators in turn, without a copy. Every column is a `take` from it. A chunk that is not
regular is parsed by a strict JSON parser. From the cells on, both ways are one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames import schemas
from explorer_frames._json import strict_loads
from explorer_frames._rows import Rows, parse_rows
from explorer_frames.errors import ColumnTypeError, EnvelopeError, RowShapeError, escaped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)
_FLOAT = re.compile(
    rf"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|{_NOT_FINITE.pattern}", re.IGNORECASE | re.ASCII
)


class Cells(Protocol):
    """The cells of some whole rows, not yet typed."""

    first: int

    @property
    def width(self) -> int:
        """Number of cells in the first row."""

    def misfit(self, schema: pa.Schema) -> int | None:
        """Index of the first row whose number of cells does not suit the schema."""

    def column(self, number: int) -> pa.StringArray:
        """All cells of one column."""

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:
        """All cells from a column on, row after row, and where each row's begin and end."""


def split(rows: Rows) -> Cells:
    """Take a chunk apart into its cells.

    Raises
    ------
    DecodeError
        Invalid UTF-8 or JSON, or a row that is not a list.
    """
    return _Parsed(rows) if rows.quotes is None else _Regular.of(rows, rows.quotes)


def to_batch(cells: Cells, schema: pa.Schema) -> pa.RecordBatch:
    """Give the cells their types.

    Raises
    ------
    RowShapeError
        A row with more or fewer cells than the schema takes.
    ColumnTypeError
        A cell that does not fit its column; never a null or a rounded value in its place.
    """
    misfit = cells.misfit(schema)
    if misfit is not None:
        _refuse_shape(cells, misfit, schema)
    arrays = []
    for number, field in enumerate(schema):
        if pa.types.is_list(field.type):
            ends, values = cells.rest(number)
            typed = _typed(values, field.type.value_field.with_name(field.name), _row_by_end(cells.first, ends))
            arrays.append(pa.ListArray.from_arrays(pa.array(ends), typed, type=field.type))
        else:
            arrays.append(_typed(cells.column(number), field, lambda index: cells.first + index))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


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
        return ends, self._take(cells.ravel(), _row_by_end(self.first, ends))

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
        return ends, _strings([cell for rest in rests for cell in rest], _row_by_end(self.first, ends))


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


def _refuse_shape(cells: Cells, index: int, schema: pa.Schema) -> None:
    row = cells.first + index
    due = f"at least {len(schema) - 1}" if schemas.takes_rest(schema) else str(len(schema))
    raise RowShapeError(
        f"row {row} has not the {due} cells of the schema ({', '.join(schema.names)})",
        row=row,
        hint='The rows differ in length, or the schema is another algorithm\'s. pa.schema([("cells", '
        "pa.list_(pa.string()))]) reads them as they came.",
    )


def _row_by_end(first: int, ends: NDArray[np.int32]) -> Callable[[int], int]:
    return lambda index: first + int(np.searchsorted(ends, index, side="right")) - 1


def _typed(cells: pa.StringArray, field: pa.Field, row_of: Callable[[int], int]) -> pa.Array:
    """Cast the cells of a column; `row_of` tells which row a cell is of."""
    if cells.null_count and not field.nullable:
        _refuse(cells, field, cells.is_null().index(True).as_py(), row_of)
    if pa.types.is_floating(field.type):
        return _floats(cells, field, row_of)
    if pa.types.is_integer(field.type):
        return _ints(cells, field, row_of)
    return cells.cast(field.type)


def _floats(cells: pa.StringArray, field: pa.Field, row_of: Callable[[int], int]) -> pa.Array:
    """Cast by Arrow, which knows our grammar but for two things: it takes ``nan(1)``, and ``1e400`` for infinity."""
    try:
        values = cells.cast(pa.float64()).cast(field.type, safe=False)
    except pa.ArrowInvalid:
        values = None
    if values is None or not all(map(_NOT_FINITE.fullmatch, _not_finite(values, cells))):
        _refuse(cells, field, _first(cells, lambda text: _fits_float(text, field.type)), row_of)
    return values


def _not_finite(values: pa.Array, cells: pa.StringArray) -> list[str]:
    finite = pc.is_finite(values)
    return cells.filter(pc.invert(finite)).to_pylist() if finite.false_count else []


def _fits_float(text: str, target: pa.DataType) -> bool:
    if not _FLOAT.fullmatch(text):
        return False
    value = pa.scalar(float(text)).cast(target, safe=False).as_py()
    return bool(np.isfinite(value)) or _NOT_FINITE.fullmatch(text) is not None


def _ints(cells: pa.StringArray, field: pa.Field, row_of: Callable[[int], int]) -> pa.Array:
    """Cast by Arrow, and print back: what does not come back the same (``007``, ``0x10``) was not that number."""
    try:
        values = cells.cast(field.type)
    except pa.ArrowInvalid:
        values = None
    if values is None or pc.equal(values.cast(pa.string()), cells).false_count:
        _refuse(cells, field, _first(cells, lambda text: _fits_int(text, field.type)), row_of)
    return values


def _fits_int(text: str, target: pa.DataType) -> bool:
    try:
        return bool(pa.scalar(text).cast(target).cast(pa.string()).as_py() == text)
    except pa.ArrowInvalid:
        return False


def _first(cells: pa.StringArray, fits: Callable[[str], bool]) -> int:
    """Index of the first cell that does not fit; there is one."""
    return next(index for index, text in enumerate(cells.to_pylist()) if text is not None and not fits(text))


def _refuse(cells: pa.StringArray, field: pa.Field, index: int, row_of: Callable[[int], int]) -> NoReturn:
    row, text = row_of(index), cells[index].as_py()
    shown = "null" if text is None else escaped(text, 80)
    raise ColumnTypeError(
        f"row {row}, column {field.name!r}: {shown if text is None else repr(shown)} is no {field.type}",
        row=row,
        column=field.name,
        value=shown,
        hint=_hint(field, text),
    )


def _hint(field: pa.Field, text: str | None) -> str:
    if text is None:
        return "Pass a pyarrow.Schema in which this column is nullable, if it may be missing."
    if pa.types.is_integer(field.type):
        return (
            f"It would not print back the same as an {field.type}. If these are vertex ids, pass vid_type='string'; "
            "else a pyarrow.Schema in which this column is a string."
        )
    if _FLOAT.fullmatch(text):  # and yet refused
        return f"It is beyond {field.type}: pass a pyarrow.Schema in which this column is a string."
    return (
        "This looks like a label: pass schema='louvain' (or the algorithm's own name; schema='auto' takes it from the "
        "task) or a pyarrow.Schema."
    )
