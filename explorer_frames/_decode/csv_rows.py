"""Split a CSV file into blocks of complete rows, and the blocks into cells.

The grammar is that of RFC 4180, with LF or CRLF at the end of each line. A quoted cell begins and ends with a quote. It
may contain commas, line breaks and doubled quotes. Other cells contain no quotes. Any other text raises an error with
its line number. With ``quoting="none"``, quotes are text, and each comma or line break ends a cell.

If the quotes are regular, a position is inside a quoted cell if and only if an odd number of quotes precede it. The
commas and line breaks outside quotes are the ends of the cells. They become the offsets of an Arrow string array over
the bytes of the block, without a copy. The array alternates cells and separators.

pyarrow's CSV reader is not faster. It cannot report the line of an error, and it does not support rows of different
lengths. It also accepts an unclosed quote, and a bare CR as a line break.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explorer_frames._decode.cells import to_batch, to_lists
from explorer_frames._errors import escaped
from explorer_frames._memory import POOL
from explorer_frames.errors import ColumnTypeError, DecodeError, FileReadError, RowShapeError

Quoting: TypeAlias = Literal["minimal", "none"]

MAX_HELD = 16 * 2**20  # maximum size of a row in bytes; a larger row has an unclosed quote
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_QUOTE, _COMMA, _NEWLINE, _RETURN = b'",\n\r'
_QUOTING = (
    "Quote each cell that contains a quote, a comma or a line break, and double the quotes inside it. If the "
    'files were written without quoting, pass quoting="none".'
)
_HOLE = "Copy the file from its source again, or run the job again. Holes in sparse files are read as NUL bytes."
_SEPARATORS = 'To read the text between commas as cells, pass schema=pa.schema([("cells", pa.list_(pa.string()))]).'


@dataclass(frozen=True, slots=True)
class Block:
    """Block of complete rows of one file, which implements the protocol `Cells`."""

    first: int  # index of the first row in the result, from 0
    line: int  # line number of the first row in the file, from 1
    data: bytes
    offsets: NDArray[np.int32]  # start and end of each cell in `data`, alternately, without quotes
    rows: int
    widths: NDArray[np.intp]  # number of cells in each row, as one element if all rows have the same number
    quoting: Quoting
    quoted: bool  # whether `data` contains quotes that enclose cells
    doubled: bool  # whether cells may contain doubled quotes

    @property
    def width(self) -> int:
        """Number of cells in the first row."""
        return int(self.widths[0])

    def column(self, number: int) -> pa.StringArray:
        """Return all cells of one column."""
        if self.widths.size == 1:
            return self._take(np.arange(number, self.width * self.rows, self.width, dtype=np.int32))
        return self._take(self._begins() + number)

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:
        """Return the cells of column `number` and all later columns, with list offsets."""
        of_rest = np.ones(self.offsets.size // 2, np.bool_)
        for before in range(number):
            of_rest[self._begins() + before] = False
        ends = np.zeros(self.rows + 1, np.int32)
        np.cumsum(np.broadcast_to(self.widths - number, self.rows), out=ends[1:])
        return ends, self._take(np.flatnonzero(of_rest))

    def first_row(self) -> list[str]:
        """Return the cells of the first row."""
        cells: list[str] = self._take(np.arange(self.width, dtype=np.int32)).to_pylist()
        return cells

    def without_first_row(self) -> Block | None:
        """Return the block without its first row, or None if no rows are left."""
        end = self.data.index(b"\n", int(self.offsets[2 * self.width - 1])) + 1
        data = self.data[end:]
        line = self.line + self.lines - data.count(b"\n")
        return cut(data, self.first, line, quoting=self.quoting) if data else None

    @property
    def lines(self) -> int:
        """Number of lines in the block."""
        return self.data.count(b"\n") if self.quoted else self.rows

    def to_batch(self, schema: pa.Schema, dictionaries: dict[str, pa.Array] | None = None) -> pa.RecordBatch:
        """Convert the cells to a typed record batch. Errors contain the line number."""
        with self.located():
            return to_batch(self, schema, dictionaries)

    def separated_by(self) -> tuple[int | None, int | None]:
        """Return the index of the first row with whitespace, and of the first with commas."""
        # A row with one vertex has no separators.
        single = np.broadcast_to(self.widths == 1, self.rows)
        begins = self.offsets[2 * self._begins()]
        text = np.frombuffer(self.data, np.uint8)
        # A quote directly before a cell opens that cell.
        quoted = (begins > 0) & (text[begins - 1] == _QUOTE) & (self.quoting == "minimal")
        regular = ~single | quoted
        blanks = np.zeros_like(single)
        if b" " in self.data or b"\t" in self.data:
            found = pc.match_substring_regex(self.column(0), "[ \t]", memory_pool=POOL)
            blanks = found.to_numpy(zero_copy_only=False) & ~regular
        return _first_true(blanks), _first_true(regular)

    @contextmanager
    def located(self) -> Iterator[None]:
        """Add the line number to errors that are raised in the `with` block."""
        try:
            yield
        except (RowShapeError, ColumnTypeError) as error:
            index = max(0, (error.row or 0) - self.first)
            before = self.data.count(b"\n", 0, int(self.offsets[2 * self._begins()[index]]))
            error.where = f"line {self.line + before}"
            raise

    def _begins(self) -> NDArray[np.intp]:
        """Return the index of the first cell of each row."""
        return np.cumsum(np.broadcast_to(self.widths, self.rows)) - self.widths

    def _take(self, cells: NDArray[Any]) -> pa.StringArray:
        buffers = (pa.py_buffer(self.offsets), pa.py_buffer(self.data))
        strings = pa.StringArray.from_buffers(self.offsets.size - 1, *buffers)
        taken = pc.take(strings, pa.array(2 * cells), memory_pool=POOL)  # each cell is followed by a separator
        return pc.replace_substring(taken, '""', '"', memory_pool=POOL) if self.doubled else taken


class Paths:
    """Converter for rows of paths.

    Vertices must be separated by commas in all rows, or by whitespace in all rows.
    """

    def __init__(self) -> None:
        self._blanks = self._regular = False

    def to_batch(self, block: Block, schema: pa.Schema) -> pa.RecordBatch:
        """Convert the cells to a typed record batch."""
        blanks, regular = block.separated_by()
        before = [regular] * self._blanks + [blanks] * self._regular  # the first row with the other kind of separator
        self._blanks |= blanks is not None
        self._regular |= regular is not None
        with block.located():
            if self._blanks and self._regular:
                row = block.first + ((before[0] if before else max(blanks or 0, regular or 0)) or 0)
                raise RowShapeError(
                    f"row {row}: vertices are separated by whitespace in some rows, and by commas in others",
                    row=row,
                    hint=_SEPARATORS,
                )
            return _parted_by_blanks(block, schema) if self._blanks else to_batch(block, schema)


def _parted_by_blanks(block: Block, schema: pa.Schema) -> pa.RecordBatch:
    """Convert cells of vertices separated by whitespace to a list column."""
    trimmed = pc.utf8_trim(block.column(0), " \t", memory_pool=POOL)
    empty = pc.index(pc.equal(trimmed, ""), True).as_py()
    if empty >= 0:
        raise RowShapeError(
            f"row {block.first + empty} contains only whitespace", row=block.first + empty, hint=_SEPARATORS
        )
    lists = pc.split_pattern_regex(trimmed, "[ \t]+", memory_pool=POOL)
    return pa.RecordBatch.from_arrays(
        [to_lists(lists.offsets.to_numpy(), lists.values, schema.field(0), block.first)], schema=schema
    )


def _first_true(flags: NDArray[np.bool_]) -> int | None:
    return int(flags.argmax()) if flags.any() else None


def read_blocks(
    pieces: Iterable[bytes], first: int, is_header: Callable[[list[str]], bool], quoting: Quoting = "minimal"
) -> Generator[Block]:
    """Split one file into blocks of complete rows, as a stream."""
    held, line, begun = b"", 1, False
    try:
        for piece in chain(_without_mark(pieces), [None]):
            data = held + (piece if piece is not None else b"\n" * (held[-1:] not in {b"", b"\n"}))
            block = cut(data, first, line, final=piece is None, quoting=quoting) if data else None
            held = data[len(block.data) :] if block else data
            if len(held) > MAX_HELD:
                _refuse(f"is larger than {MAX_HELD // 2**20} MiB", held, 0, np.empty(0, np.intp), (first, line))
            if block is None:
                continue
            line += block.lines
            rows = block if begun or not is_header(block.first_row()) else block.without_first_row()
            begun = True
            if rows is not None:
                first += rows.rows
                yield rows
    except FileReadError as error:  # raised by `pieces`
        error.where = f"after line {line - 1}" if line > 1 else None
        raise


def cut(data: bytes, first: int, line: int, *, final: bool = True, quoting: Quoting = "minimal") -> Block | None:
    """Return the complete rows at the start of `data`, or None if there are none."""
    # If `final` is True, `data` ends with a complete row.
    text = np.frombuffer(data, np.uint8)
    positions = np.flatnonzero(text <= _COMMA)  # all special characters, and a few others, such as spaces
    characters = text[positions]
    quotes = positions[characters == _QUOTE] if quoting == "minimal" else positions[:0]
    if not characters.all():
        _check_nuls(data, positions[characters == 0], quotes, line)
    is_separator = (characters == _COMMA) | (characters == _NEWLINE)
    returns = positions[characters == _RETURN]
    stops = positions
    if not is_separator.all():
        stops, characters = positions[is_separator], characters[is_separator]
    if quotes.size:
        outside = _is_outside(stops, quotes)
        stops, characters = stops[outside], characters[outside]
        wrong = _irregular(text, quotes, final=final)
        if wrong is not None:
            _refuse("contains an unexpected quote", data, wrong, stops, (first, line))
    lasts = np.flatnonzero(characters == _NEWLINE)
    if not lasts.size:
        return None
    stops = stops[: lasts[-1] + 1]
    data = data[: stops[-1] + 1]
    if not data.isascii():
        _check_utf8(data, line)
    returns = returns[(returns < len(data)) & _is_outside(returns, quotes)]
    bare = returns[text[returns + 1] != _NEWLINE]
    if bare.size:
        _refuse("contains a CR that is not followed by LF", data, int(bare[0]), stops, (first, line))
    return _block(data, stops, lasts, (first, line), quoting, has_returns=returns.size > 0, has_quotes=quotes.size > 0)


def _block(
    data: bytes,
    stops: NDArray[np.intp],
    lasts: NDArray[np.intp],
    place: tuple[int, int],
    quoting: Quoting,
    *,
    has_returns: bool,
    has_quotes: bool,
) -> Block:
    """Return a block, given its separators and the last cell of each row."""
    text = np.frombuffer(data, np.uint8)
    offsets = np.zeros(2 * stops.size, np.int32)
    starts, ends = offsets[::2], offsets[1::2]
    starts[1:] = stops[:-1] + 1
    ends[:] = stops
    if has_returns:
        ends[lasts] -= (text[ends[lasts] - 1] == _RETURN) & (ends[lasts] > starts[lasts])
    widths = np.diff(lasts, prepend=-1)
    if widths.min() == 1:
        begins = lasts - widths + 1
        empty = np.flatnonzero((widths == 1) & (starts[begins] == ends[begins]))
        if empty.size:
            _refuse("is empty", data, int(starts[begins[empty[0]]]), stops, place)
    if has_quotes:
        quoted = text[starts] == _QUOTE
        starts += quoted
        ends -= quoted
    if (widths == widths[0]).all():
        widths = widths[:1]
    doubled = has_quotes and b'""' in data
    return Block(*place, data, offsets, lasts.size, widths, quoting, has_quotes, doubled)


def _is_outside(places: NDArray[np.intp], quotes: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which positions are not in quotes."""
    outside: NDArray[np.bool_] = np.searchsorted(quotes, places) % 2 == 0
    return outside


def _irregular(text: NDArray[np.uint8], quotes: NDArray[np.intp], *, final: bool) -> int | None:
    """Return the position of the first irregular quote, or None.

    A regular quote opens or closes a cell, or is part of a doubled quote. If a closing quote is irregular, the position
    of its opening quote is returned. The actual closing quote may be missing.
    """
    opens, closes = quotes[::2], quotes[1::2]
    before = text[opens - 1]
    if opens[0] == 0:
        before[0] = _NEWLINE
    behind = text[np.minimum(closes + 1, text.size - 1)]
    if closes.size and closes[-1] == text.size - 1:
        behind[-1] = _NEWLINE  # the next character has not been received yet
    fits = np.empty(quotes.size, np.bool_)
    fits[::2] = begin_cells = (before == _COMMA) | (before == _NEWLINE)
    fits[1::2] = (behind == _COMMA) | (behind == _NEWLINE) | (behind == _RETURN)
    doubled = np.flatnonzero(opens[1:] - closes[: opens.size - 1] == 1)
    fits[2 * doubled + 1] = fits[2 * doubled + 2] = True
    if final and quotes.size % 2 and begin_cells.any():
        fits[2 * np.flatnonzero(begin_cells)[-1]] = False  # the unclosed cell
    if fits.all():
        return None
    wrong = int(fits.argmin())
    if wrong % 2:
        wrong = 2 * int(np.flatnonzero(begin_cells[: wrong // 2 + 1])[-1])
    return int(quotes[wrong])


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the text without its byte order mark."""
    head, pieces = b"", iter(pieces)
    while len(head) < len(_BYTE_ORDER_MARK):
        piece = next(pieces, None)
        if piece is None:
            break
        head += piece
    yield head.removeprefix(_BYTE_ORDER_MARK)
    yield from pieces


def _check_nuls(data: bytes, nuls: NDArray[np.intp], quotes: NDArray[np.intp], line: int) -> None:
    nuls = nuls[_is_outside(nuls, quotes)]
    if not nuls.size:
        return
    position = int(nuls[0])
    _check_utf8(data[:position], line)  # UTF-16 text also contains NUL bytes
    number = line + data.count(b"\n", 0, position)
    before = escaped(data[max(0, position - 20) : position].decode("utf-8", "replace"), 80)
    raise DecodeError(f"the file contains a NUL byte after {before!r}", where=f"line {number}", hint=_HOLE)


def _check_utf8(data: bytes, line: int) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        position = error.start
    else:
        return
    number = line + data.count(b"\n", 0, position)
    raise DecodeError(
        f"invalid UTF-8: {escaped(data[position : position + 10].decode('latin-1'))!r}",
        where=f"line {number}",
        hint="Convert the file to UTF-8. The only supported compressions are gzip and zstd.",
    )


def _refuse(what: str, data: bytes, position: int, stops: NDArray[np.intp], place: tuple[int, int]) -> NoReturn:
    """Raise RowShapeError for the row at `position`."""
    first, line = place
    row = first + sum(data[stop] == _NEWLINE for stop in stops[: np.searchsorted(stops, position)].tolist())
    number = line + data.count(b"\n", 0, position)
    shown = escaped(data[max(0, position - 20) : position + 20].decode("utf-8", "replace"), 80)
    raise RowShapeError(
        f"the row {what}: {shown!r}",  # the line number is sufficient; a row index as well would be confusing
        row=row,
        where=f"line {number}",
        hint=_QUOTING,
    )
