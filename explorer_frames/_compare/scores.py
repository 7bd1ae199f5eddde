"""Compare the values and the ranks of matched rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explorer_frames._compare.aligned import Matched, Numbers
from explorer_frames._errors import escaped
from explorer_frames.errors import ConfigError

_UPWARDS = {"distance"}  # the smallest value ranks first
_UNRANKED = {"modularity"}  # the modularity of the whole partition, repeated in every row


@dataclass(frozen=True, slots=True)
class Change:
    """Changes of a column in the common rows."""

    differs: NDArray[np.bool_]  # whether each row has changed
    delta: pa.Array | None = None  # b minus a, of numeric columns
    largest: float = float("nan")  # maximum of the absolute deltas
    mean: float = float("nan")


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks of the common rows, and the top rows of both results."""

    before: Numbers
    after: Numbers
    top_overlap: float
    correlation: float
    # Row numbers and ranks, in a and in b, of the top rows of either result; -1 if a result does not have the row.
    top_rows: tuple[Numbers, Numbers]
    top_ranks: tuple[Numbers, Numbers]


def ranked(numbers: tuple[str, ...]) -> str | None:
    """Return the column to rank by: the first numeric column except ``modularity``."""
    return next((name for name in numbers if name not in _UNRANKED), None)


def number_change(name: str, a: pa.ChunkedArray, b: pa.ChunkedArray, rel_tol: float, abs_tol: float) -> Change:
    """Compare numbers of matched rows, with the tolerances of `math.isclose`."""
    (before, lost), (after, gained) = _values(a), _values(b)
    missing = lost | gained
    same = (before == after) & ~missing | (lost & gained)
    with np.errstate(over="ignore", invalid="ignore"):  # from inf minus inf, and from overflows
        delta = after - before
        if delta.dtype.kind == "i" and (((before > after) != (delta < 0)) & ~missing).any():  # integer overflow
            what = f"cannot compute differences in column {escaped(name, 60)}: int64 overflow"
            raise ConfigError(what, hint="Convert the column to float64 in both results.")
        delta[same] = 0
        apart = np.abs(delta.astype(float))
        if rel_tol or abs_tol:
            sizes = np.maximum(np.abs(before.astype(float)), np.abs(after.astype(float)))
            same |= (apart <= np.maximum(rel_tol * sizes, abs_tol)) & np.isfinite(sizes) & ~missing
        apart = apart[~missing]
        largest, mean = (float(apart.max()), float(apart.mean())) if len(apart) else (0.0, 0.0)
    return Change(~same, pa.array(delta, mask=missing), largest, mean)


def other_change(a: pa.ChunkedArray, b: pa.ChunkedArray) -> Change:
    """Compare strings, times and booleans by equality."""
    equal = pc.fill_null(pc.equal(a, b), False)  # noqa: FBT003
    return Change(~pc.or_(equal, pc.and_(pc.is_null(a), pc.is_null(b))).to_numpy())


def compare_ranks(name: str, a: pa.ChunkedArray, b: pa.ChunkedArray, rows: Matched, count: int) -> Ranks:
    """Rank all rows of a and b, which are matched by `rows`, and compare the first `count`."""
    (first, lost), (second, gained) = _ranked(name, a), _ranked(name, b)
    top_a, top_b = (first <= count) & ~lost, (second <= count) & ~gained  # includes all ties with the last rank
    larger = max(top_a.sum(), top_b.sum())
    overlap = float((top_a[rows.both_a] & top_b[rows.both_b]).sum() / larger) if larger else 1.0
    before, after = first[rows.both_a], second[rows.both_b]
    known = ~(lost[rows.both_a] | gained[rows.both_b])
    none_a, none_b = np.full(len(rows.only_b), -1), np.full(len(rows.only_a), -1)
    in_a, in_b = np.concatenate([rows.both_a, rows.only_a, none_a]), np.concatenate([rows.both_b, none_b, rows.only_b])
    in_top = np.append(top_a, False)[in_a] | np.append(top_b, False)[in_b]
    in_a, in_b = in_a[in_top], in_b[in_top]
    rank_a, rank_b = (
        np.append(np.where(missing, -1, ranks), -1) for ranks, missing in ((first, lost), (second, gained))
    )
    rank_a, rank_b = rank_a[in_a], rank_b[in_b]
    best = np.argsort(
        np.where(rank_a < 0, rank_b, np.where(rank_b < 0, rank_a, np.minimum(rank_a, rank_b))), kind="stable"
    )
    correlation = _spearman(before[known], after[known])
    return Ranks(before, after, overlap, correlation, (in_a[best], in_b[best]), (rank_a[best], rank_b[best]))


def _ranked(name: str, column: pa.ChunkedArray) -> tuple[Numbers, NDArray[np.bool_]]:
    """Return the ranks of all rows, with missing values last, and a mask of missing values."""
    values, missing = _values(column)
    ranks = np.full(len(values), (~missing).sum() + 1)
    ranks[~missing] = pd.Series(values[~missing]).rank(method="min", ascending=name in _UPWARDS)
    return ranks, missing


def _spearman(before: Numbers, after: Numbers) -> float:
    first, second = (pd.Series(ranks).rank() - (len(ranks) + 1) / 2 for ranks in (before, after))
    spread = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / spread if spread else float("nan")


def _values(column: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return a column's numbers, and a mask of nulls and NaN."""
    if pa.types.is_floating(column.type):
        numbers = column.to_numpy()
        return numbers, np.isnan(numbers)
    missing = column.is_null().to_numpy()
    return pc.fill_null(column, 0).to_numpy(), missing
