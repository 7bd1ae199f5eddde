"""Text of a CSV part -> blocks of whole rows, each taken apart into its cells.

The grammar is RFC 4180's: a cell that begins with a quote ends with one, and a quote inside it is doubled; commas and
line ends in it are text. No other cell has a quote. Lines end with LF or CRLF. What is not so is refused by its line.
With ``quoting="none"``, quotes are text, and each comma and line end separates cells.

Where the quotes are regular, those before any place tell whether it is inside a cell; so the commas and line ends that
are not, are the ends of the cells. They are the offsets of an Arrow string array over the block's own bytes: cells and
separators in turn, without a copy. (pyarrow's own CSV reader is no faster at this, takes a bare CR for a line end and
a quote left open for a closed one, knows no rows of different lengths, and cannot say which line was wrong.)
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames._decode.cells import to_batch
from explorer_frames._errors import escaped
from explorer_frames._memory import POOL
from explorer_frames.errors import ColumnTypeError, DecodeError, FileReadError, RowShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from numpy.typing import NDArray

Quoting: TypeAlias = Literal["minimal", "none"]

MAX_HELD = 16 * 2**20  # bytes of one row: beyond it, a quote was never closed
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_QUOTE, _COMMA, _NEWLINE, _RETURN = b'",\n\r'
_QUOTING = (
    "Put cells with a quote, a comma or a line end in quotes, and double the quotes inside them. If the "
    'files were written without quoting, pass quoting="none".'
)
_HOLE = "A hole in a sparse file reads as NUL bytes. Copy the file again from its source, or run the job again."
_SEPARATORS = 'Pass schema=pa.schema([("cells", pa.list_(pa.string()))]) to read the cells between commas as they are.'


@dataclass(frozen=True, slots=True)
class Block:
    """Some whole rows of one part: `explorer_frames._decode.cells.Cells`, and where they stand.

    Attributes
    ----------
    first
        Number of the first row in the result, from 0.
    line
        Of the part, from 1: where the first row begins.
    data
        The rows' text.
    offsets
        In `data`: begin and end of each cell in turn, without its quotes.
    begins, widths
        By row: the number of its first cell, and how many it has.
    doubled
        Whether there may be doubled quotes in cells.
    quoting
        How the text was cut.
    """

    first: int
    line: int
    data: bytes
    offsets: NDArray[np.int32]
    begins: NDArray[np.intp]
    widths: NDArray[np.intp]
    doubled: bool
    quoting: Quoting

    @property
    def width(self) -> int:
        """Number of cells in the first row."""
        return int(self.widths[0])

    def column(self, number: int) -> pa.StringArray:
        """All cells of one column."""
        return self._take(self.begins + number)

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:
        """All cells from a column on, row after row, and where each row's begin and end."""
        of_rest = np.ones(self.offsets.size // 2, np.bool_)
        for before in range(number):
            of_rest[self.begins + before] = False
        ends = np.zeros(self.widths.size + 1, np.int32)
        np.cumsum(self.widths - number, out=ends[1:])
        return ends, self._take(np.flatnonzero(of_rest))

    def first_row(self) -> list[str]:
        """Cells of the first row."""
        return self._take(np.arange(self.width)).to_pylist()  # type: ignore[no-any-return]

    def without_first_row(self) -> Block | None:
        """The rows behind the first one, where there are any; they keep its number."""
        data = self.data[self._end_of_first_row() :]
        line = self.line + self.lines - data.count(b"\n")
        return cut(data, self.first, line, quoting=self.quoting) if data else None

    @property
    def rows(self) -> int:
        """How many rows these are."""
        return self.widths.size

    @property
    def lines(self) -> int:
        """How many lines of the part these rows are."""
        return self.data.count(b"\n")

    def to_batch(self, schema: pa.Schema, dictionaries: dict[str, pa.Array] | None = None) -> pa.RecordBatch:
        """Give the cells their types.

        Parameters are those of `explorer_frames._decode.cells.to_batch`.

        Raises
        ------
        RowShapeError, ColumnTypeError
            As `explorer_frames._decode.cells.to_batch`, with the line.
        """
        with self.located():
            return to_batch(self, schema, dictionaries)

    def separated_by(self) -> tuple[int | None, int | None]:
        """Index of the first row whose vertices are separated by blanks, and of the first one with commas or quotes.

        A row of one vertex has neither.
        """
        single = self.widths == 1
        begins = self.offsets[2 * self.begins]
        text = np.frombuffer(self.data, np.uint8)
        # No cell begins behind a quote that is not its own.
        quoted = (begins > 0) & (text[begins - 1] == _QUOTE) & (self.quoting == "minimal")
        regular = ~single | quoted
        blanks = np.zeros_like(single)
        if b" " in self.data or b"\t" in self.data:
            found = pc.match_substring_regex(self.column(0), "[ \t]", memory_pool=POOL)
            blanks = found.to_numpy(zero_copy_only=False) & ~regular
        return _first_true(blanks), _first_true(regular)

    @contextmanager
    def located(self) -> Iterator[None]:
        """Add to errors that pass through the line of their row."""
        try:
            yield
        except (RowShapeError, ColumnTypeError) as error:
            index = max(0, (error.row or 0) - self.first)
            before = self.data.count(b"\n", 0, int(self.offsets[2 * self.begins[index]]))
            error.where = f"line {self.line + before}"
            raise

    def _end_of_first_row(self) -> int:
        return self.data.index(b"\n", int(self.offsets[2 * self.width - 1])) + 1

    def _take(self, cells: NDArray[np.intp]) -> pa.StringArray:
        buffers = (pa.py_buffer(self.offsets), pa.py_buffer(self.data))
        strings = pa.StringArray.from_buffers(self.offsets.size - 1, *buffers)
        taken = pc.take(strings, pa.array(2 * cells), memory_pool=POOL)  # each cell has a separator behind it
        return pc.replace_substring(taken, '""', '"', memory_pool=POOL) if self.doubled else taken


class Walks:
    """Rows of vertices that are separated by blanks: `explorer_frames._decode.cells.Cells` with one column of lists.

    Parameters
    ----------
    block
        Rows of one cell each.
    """

    def __init__(self, block: Block) -> None:
        self.first = block.first
        self.widths = block.widths
        self._cells = block.column(0)

    def column(self, number: int) -> pa.StringArray:
        """All cells of one column."""
        raise NotImplementedError(number)

    def rest(self, number: int) -> tuple[NDArray[np.int32], pa.StringArray]:  # noqa: ARG002
        """All vertices, row after row, and where each row's begin and end."""
        trimmed = pc.utf8_trim(self._cells, " \t", memory_pool=POOL)
        empty = pc.index(pc.equal(trimmed, ""), True).as_py()
        if empty >= 0:
            raise RowShapeError(f"row {self.first + empty} has only blanks", row=self.first + empty, hint=_SEPARATORS)
        lists = pc.split_pattern_regex(trimmed, "[ \t]+", memory_pool=POOL)
        return lists.offsets.to_numpy(), lists.values


class Paths:
    """Gives rows of paths their types: their vertices are separated by commas or, in all rows, by blanks."""

    def __init__(self) -> None:
        self._blanks = self._regular = False

    def to_batch(self, block: Block, schema: pa.Schema) -> pa.RecordBatch:
        """Give the cells their types.

        Raises
        ------
        RowShapeError
            Some rows have blanks as separators, and others have commas.
        ColumnTypeError
            A vertex is not of the type of the schema.
        """
        blanks, regular = block.separated_by()
        before = [regular] * self._blanks + [blanks] * self._regular  # the first row of the kind that is new
        self._blanks |= blanks is not None
        self._regular |= regular is not None
        with block.located():
            if self._blanks and self._regular:
                row = block.first + ((before[0] if before else max(blanks or 0, regular or 0)) or 0)
                raise RowShapeError(
                    f"row {row}: vertices are separated by blanks in some rows, and by commas in others",
                    row=row,
                    hint=_SEPARATORS,
                )
            return to_batch(Walks(block) if self._blanks else block, schema)


def _first_true(flags: NDArray[np.bool_]) -> int | None:
    return int(flags.argmax()) if flags.any() else None


def read_blocks(
    pieces: Iterable[bytes], first: int, is_header: Callable[[list[str]], bool], quoting: Quoting = "minimal"
) -> Generator[Block]:
    """Cut one part into blocks of whole rows, as its text arrives.

    Parameters
    ----------
    pieces
        The part's text, with or without a byte order mark.
    first
        Number of its first row in the result.
    is_header
        Called with the cells of the part's first line, which is left out if it says so.
    quoting
        ``"minimal"`` for cells in quotes where they need them, ``"none"`` where quotes are text.

    Raises
    ------
    DecodeError
        Invalid UTF-8, a NUL byte, irregular quotes, an empty line or a row beyond all measure; its `where` is the line.
    FileReadError
        By `pieces`; its `where` becomes the line that was read last.
    """
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
    except FileReadError as error:  # by `pieces`
        error.where = f"after line {line - 1}" if line > 1 else None
        raise


def cut(data: bytes, first: int, line: int, *, final: bool = True, quoting: Quoting = "minimal") -> Block | None:
    """All whole rows at the start of `data`; None where not one is whole, which a `final` text cannot be."""
    text = np.frombuffer(data, np.uint8)
    stops = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
    quotes = np.flatnonzero(text == _QUOTE) if quoting == "minimal" and b'"' in data else None
    if b"\0" in data:
        _check_nuls(data, quotes, line)
    if quotes is not None:
        stops = _outside(stops, quotes)
        wrong = _irregular(text, quotes, final=final)
        if wrong is not None:
            _refuse("contains an unexpected quote", data, wrong, stops, (first, line))
    lasts = np.flatnonzero(text[stops] == _NEWLINE)
    if not lasts.size:
        return None
    stops = stops[: lasts[-1] + 1]
    data = data[: stops[-1] + 1]
    if not data.isascii():
        _check_utf8(data, line)
    if b"\r" in data:
        returns = _outside(np.flatnonzero(text[: len(data)] == _RETURN), quotes)
        bare = returns[text[returns + 1] != _NEWLINE]
        if bare.size:
            _refuse("contains a CR that is not followed by LF", data, int(bare[0]), stops, (first, line))
    return _block(data, stops, lasts, (first, line), quoting)


def _block(
    data: bytes, stops: NDArray[np.intp], lasts: NDArray[np.intp], place: tuple[int, int], quoting: Quoting
) -> Block:
    """Give the rows' cells their begins and ends; `stops` are behind the cells, `lasts` the last cells of the rows."""
    text = np.frombuffer(data, np.uint8)
    offsets = np.zeros(2 * stops.size, np.int32)
    starts, ends = offsets[::2], offsets[1::2]
    starts[1:] = stops[:-1] + 1
    ends[:] = stops
    if b"\r" in data:
        ends[lasts] -= (text[ends[lasts] - 1] == _RETURN) & (ends[lasts] > starts[lasts])
    widths = np.diff(lasts, prepend=-1)
    begins = lasts - widths + 1
    if widths.min() == 1:
        empty = np.flatnonzero((widths == 1) & (starts[begins] == ends[begins]))
        if empty.size:
            _refuse("is an empty line", data, int(starts[begins[empty[0]]]), stops, place)
    has_quotes = quoting == "minimal" and b'"' in data
    if has_quotes:
        quoted = text[starts] == _QUOTE
        starts += quoted
        ends -= quoted
    doubled = has_quotes and b'""' in data  # to look for one byte is much faster than for two
    return Block(*place, data, offsets, begins, widths, doubled, quoting)


def _outside(places: NDArray[np.intp], quotes: NDArray[np.intp] | None) -> NDArray[np.intp]:
    """Those places that are in no quotes."""
    return places if quotes is None else places[np.searchsorted(quotes, places) % 2 == 0]


def _irregular(text: NDArray[np.uint8], quotes: NDArray[np.intp], *, final: bool) -> int | None:
    """Position of the first quote that neither opens a cell, nor closes one, nor is one of two in a cell.

    Where it should close a cell, the position is that of the quote which opened it: there its own may be missing.
    """
    opens, closes = quotes[::2], quotes[1::2]
    before = text[opens - 1]
    if opens[0] == 0:
        before[0] = _NEWLINE
    behind = text[np.minimum(closes + 1, text.size - 1)]
    if closes.size and closes[-1] == text.size - 1:
        behind[-1] = _NEWLINE  # what is there has not come yet
    fits = np.empty(quotes.size, np.bool_)
    fits[::2] = begin_cells = (before == _COMMA) | (before == _NEWLINE)
    fits[1::2] = (behind == _COMMA) | (behind == _NEWLINE) | (behind == _RETURN)
    doubled = np.flatnonzero(opens[1:] - closes[: opens.size - 1] == 1)
    fits[2 * doubled + 1] = fits[2 * doubled + 2] = True
    if final and quotes.size % 2 and begin_cells.any():
        fits[2 * np.flatnonzero(begin_cells)[-1]] = False  # the cell that has no end
    if fits.all():
        return None
    wrong = int(fits.argmin())
    if wrong % 2:
        wrong = 2 * int(np.flatnonzero(begin_cells[: wrong // 2 + 1])[-1])
    return int(quotes[wrong])


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same text without a byte order mark."""
    head, pieces = b"", iter(pieces)
    while len(head) < len(_BYTE_ORDER_MARK):
        piece = next(pieces, None)
        if piece is None:
            break
        head += piece
    yield head.removeprefix(_BYTE_ORDER_MARK)
    yield from pieces


def _check_nuls(data: bytes, quotes: NDArray[np.intp] | None, line: int) -> None:
    nuls = _outside(np.flatnonzero(np.frombuffer(data, np.uint8) == 0), quotes)
    if not nuls.size:
        return
    position = int(nuls[0])
    _check_utf8(data[:position], line)  # UTF-16, for one
    number = line + data.count(b"\n", 0, position)
    before = escaped(data[max(0, position - 20) : position].decode("utf-8", "replace"), 80)
    raise DecodeError(f"the file has a NUL byte after {before!r}", where=f"line {number}", hint=_HOLE)


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
        hint="Convert the file to UTF-8. It may be compressed with gzip or zstd.",
    )


def _refuse(what: str, data: bytes, position: int, stops: NDArray[np.intp], place: tuple[int, int]) -> NoReturn:
    """Raise for the row at `position`; `place` is the number and the line of the first row."""
    first, line = place
    row = first + sum(data[stop] == _NEWLINE for stop in stops[: np.searchsorted(stops, position)].tolist())
    number = line + data.count(b"\n", 0, position)
    shown = escaped(data[max(0, position - 20) : position + 20].decode("utf-8", "replace"), 80)
    raise RowShapeError(
        f"the row {what}: {shown!r}",  # its number beside the line would be one more to count by
        row=row,
        where=f"line {number}",
        hint=_QUOTING,
    )
