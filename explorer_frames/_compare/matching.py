"""The rows of two results, found in each other by their keys: numbers stand for values, so that numpy does the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Matched:
    """Places of rows.

    Attributes
    ----------
    both_a, both_b
        Where a and where b has each key that both have, in a's order.
    only_a, only_b
    """

    both_a: Numbers
    both_b: Numbers
    only_a: Numbers
    only_b: Numbers


def numbered(*columns: pa.ChunkedArray) -> tuple[pa.Array, list[Numbers]]:
    """Number the values of columns of one type: equal ones alike, whichever column they are in.

    Returns
    -------
    tuple
        The values, without nulls, each at the place that is its number; and each column's numbers.
    """
    kind = columns[0].type
    if pa.types.is_large_list(kind):
        columns, kind = _as_bytes(columns), pa.large_binary()
    encoded = pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind).dictionary_encode()
    values = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], kind)
    numbers = [chunk.indices.to_numpy() for chunk in encoded.chunks]
    together = np.concatenate([*numbers, np.empty(0, np.int32)]).astype(np.int64)
    return values, np.split(together, np.cumsum([len(column) for column in columns])[:-1])


def keys(
    a: Sequence[pa.ChunkedArray], b: Sequence[pa.ChunkedArray], *, ordered: bool = True
) -> tuple[Numbers, Numbers]:
    """Number the keys of rows: equal ones alike, in a and in b.

    Parameters
    ----------
    a, b
        The same columns of both, at least one.
    ordered
        Whether the same ids in another order are another key.
    """
    if ordered:
        pairs = [numbered(*pair)[1] for pair in zip(a, b, strict=True)]
    else:
        _, numbers = numbered(*a, *b)
        sides = (np.sort(np.column_stack(side), axis=1) for side in (numbers[: len(a)], numbers[len(a) :]))
        pairs = [list(pair) for pair in zip(*(side.T for side in sides), strict=True)]
    first, second = reduce(_joined, pairs)
    return first, second


def firsts(numbers: Numbers) -> Numbers:
    """Where each number stands first, in order."""
    return np.sort(np.unique(numbers, return_index=True)[1])


def matched(a: Numbers, b: Numbers) -> Matched:
    """Find each row in the other table; no number may occur twice in one of them."""
    places = np.full(max(a.max(initial=-1), b.max(initial=-1)) + 1, -1)
    places[b] = np.arange(len(b))
    found = places[a]
    both_b = found[found >= 0]
    only_b = np.setdiff1d(np.arange(len(b)), both_b, assume_unique=True)
    return Matched(np.flatnonzero(found >= 0), both_b, np.flatnonzero(found < 0), only_b)


def _joined(pair: list[Numbers], other: list[Numbers]) -> list[Numbers]:
    """Number pairs of numbers."""
    most = max(numbers.max(initial=0) for numbers in other) + 1
    together = [pa.chunked_array([first * most + second]) for first, second in zip(pair, other, strict=True)]
    return numbered(*together)[1]


def _as_bytes(columns: Sequence[pa.ChunkedArray]) -> tuple[pa.ChunkedArray, ...]:
    """Make each list of ids a string of bytes that no other list has: the numbers of its ids."""
    _, flat = numbered(*map(pc.list_flatten, columns))
    made = []
    for column, numbers in zip(columns, flat, strict=True):
        ends = np.cumsum(pc.list_value_length(column).to_numpy())
        offsets = np.concatenate([[0], ends]).astype(np.int64) * numbers.itemsize
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(numbers)]
        made.append(pa.chunked_array([pa.Array.from_buffers(pa.large_binary(), len(column), buffers)]))
    return tuple(made)
