"""Results, which are stored as columns and written to responses in chunks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from json.encoder import encode_basestring as quote
from typing import Any

import numpy as np
import numpy.typing as npt

# Rows per chunk. Other requests wait for one chunk at most.
_PIECE = 8192

Array = npt.NDArray[Any]


class Columns:
    """Result whose rows all have the same number of cells."""

    def __init__(self, *columns: Array) -> None:
        if not columns or any(column.ndim != 1 or len(column) != len(columns[0]) for column in columns):
            raise ValueError("a result must have columns of the same length")
        self._columns = columns
        self._formats = [_cell_format(column) for column in columns]

    @classmethod
    def from_sequences(cls, columns: Iterable[Sequence[str] | Array]) -> Columns:
        """Create a result from sequences of strings or numpy arrays of numbers."""
        return cls(*map(_as_array, columns))

    def __len__(self) -> int:
        return len(self._columns[0])

    def text(self, start: int, stop: int) -> str:
        """Return rows `start` to `stop` as JSON, each followed by a comma."""
        # One `%` operation per chunk is about three times as fast as one f-string per row.
        template = _row(cell for cell, _ in self._formats) * (stop - start)
        slices = (column[start:stop].tolist() for column in self._columns)
        cells = [prepare(cells) for (_, prepare), cells in zip(self._formats, slices, strict=True)]
        return template % tuple(chain.from_iterable(zip(*cells, strict=True)))

    def cells(self, start: int, stop: int, double: str = "%.6f") -> Iterable[Sequence[str]]:
        """Return the cells of rows `start` to `stop` as text."""
        columns = ([_plain(column, double) % cell for cell in column[start:stop].tolist()] for column in self._columns)
        return zip(*columns, strict=True)


class Subgraphs(Columns):
    """Edges of one k-core; `by_k` contains the edges of each k."""

    def __init__(self, *columns: Array, by_k: Mapping[int, Columns]) -> None:
        super().__init__(*columns)
        self.by_k = by_k


class Ragged:
    """Result whose rows have different numbers of cells, such as paths."""

    def __init__(self, rows: Sequence[Sequence[object]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def text(self, start: int, stop: int) -> str:
        """Return rows `start` to `stop` as JSON, each followed by a comma."""
        return "".join(_row(quote(str(cell)) for cell in row) for row in self._rows[start:stop])

    def cells(self, start: int, stop: int, _double: str = "%.6f") -> Iterable[Sequence[str]]:
        """Return the cells of rows `start` to `stop` as text."""
        return [[*map(str, row)] for row in self._rows[start:stop]]


Result = Columns | Ragged


def pieces(result: Result, limit: int) -> Iterator[bytes]:
    """Yield the response with the first `limit` rows of `result` in chunks."""
    rows = min(limit, len(result))
    yield b'{"code":0,"data":{"items":['
    for start in range(0, rows, _PIECE):
        stop = min(start + _PIECE, rows)
        text = result.text(start, stop)
        yield (text if stop < rows else text[:-1]).encode()
    yield b']},"message":"Success"}'


def _row(cells: Iterable[str]) -> str:
    return f"[{','.join(cells)}],"


def _as_array(column: Sequence[str] | Array) -> Array:
    if isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
        return column
    array = np.empty(len(column), dtype=object)
    array[:] = column
    if not all(isinstance(cell, str) for cell in array):
        raise TypeError("a column must contain strings or be a numpy array of numbers")
    "".join(array).encode()  # raises an error for lone surrogates before the response begins
    return array


def _cell_format(column: Array) -> tuple[str, Callable[[list[Any]], list[Any]]]:
    if column.dtype.kind == "O":
        return "%s", lambda cells: list(map(quote, cells))
    return f'"{_plain(column)}"', lambda cells: cells


def _plain(column: Array, double: str = "%.6f") -> str:
    return {"O": "%s", "f": double}.get(column.dtype.kind, "%d")
