"""Match the communities of two results, and find the vertices that moved between them.

Labels differ between runs of an algorithm, so communities are matched by their vertices.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explorer_frames._compare.aligned import Matched, Numbers, numbered

_KINDS = pa.array(["move", "merge", "split"])


def compare_labels(
    a: pa.ChunkedArray, b: pa.ChunkedArray, rows: Matched
) -> tuple[dict[str, pa.Table], dict[str, Any], Numbers]:
    """Compare the community labels of a and b, whose rows are matched by `rows`.

    Returns the tables and the numbers of `Comparison`, by name, and the row numbers in a of the vertices that moved.
    """
    names, (labels_a, labels_b) = numbered(a, b)
    count = len(names)
    sizes_a, sizes_b = (np.bincount(labels, minlength=count) for labels in (labels_a, labels_b))
    before, after = labels_a[rows.both_a], labels_b[rows.both_b]
    shared = _Shared.of(before, after, count)
    now = shared.match(names)
    was = _inverse(now, shared.a, count)

    merging, splitting = shared.flows(now)
    into, source = np.full(count, -1), np.full(count, -1)
    into[shared.a[merging]] = shared.b[merging]
    source[shared.b[splitting]] = shared.a[splitting]
    moved = np.flatnonzero(now[before] != after)
    left, joined = before[moved], after[moved]
    kinds = np.where(into[left] == joined, 1, np.where(source[joined] == left, 2, 0))

    def flow(origin: Numbers, target: Numbers) -> dict[str, pa.Array]:
        # A community in one result may have no match in the other.
        called = {"from_a": origin, "to_a": was[target], "from_b": now[origin], "to_b": target}
        return {name: _named(names, labels) for name, labels in called.items()}

    def flows(chosen: NDArray[np.bool_]) -> pa.Table:
        origin, target = shared.a[chosen], shared.b[chosen]
        numbers = {"vertices": shared.rows[chosen], "size_a": sizes_a[origin], "size_b": sizes_b[target]}
        return _sorted({**flow(origin, target), **numbers}, "vertices", "from_a", "to_b")

    kept = now[shared.a] == shared.b
    first, second = shared.a[kept], shared.b[kept]
    labels = {
        "label_a": _named(names, first),
        "label_b": _named(names, second),
        "size_a": sizes_a[first],
        "size_b": sizes_b[second],
        "overlap": shared.rows[kept],
        "jaccard": shared.jaccard[kept],
    }
    gone = np.flatnonzero((sizes_a > 0) & (now < 0) & (into < 0))
    born = np.flatnonzero((sizes_b > 0) & (was < 0) & (source < 0))
    tables = {
        "labels": _sorted(labels, "size_a", "label_a"),
        "splits": flows(splitting),
        "merges": flows(merging),
        "born": _sorted({"label_b": _named(names, born), "size_b": sizes_b[born]}, "size_b", "label_b"),
        "gone": _sorted({"label_a": _named(names, gone), "size_a": sizes_a[gone]}, "size_a", "label_a"),
        "moved": pa.table({**flow(left, joined), "kind": _KINDS.take(pa.array(kinds))}),
    }
    numbers = {
        "communities_a": int((sizes_a > 0).sum()),
        "communities_b": int((sizes_b > 0).sum()),
        "adjusted_rand": shared.adjusted_rand()
        if len(before) > 1 or not count
        else math.nan,  # undefined for one common row
    }
    return tables, numbers, rows.both_a[moved]


@dataclass(frozen=True, slots=True)
class _Shared:
    """Pairs of communities, one in a and one in b, that have vertices in common."""

    a: Numbers  # label in a of each pair
    b: Numbers  # label in b of each pair
    rows: Numbers  # number of common vertices of each pair
    sizes_a: Numbers  # number of common vertices, by label in a
    sizes_b: Numbers  # number of common vertices, by label in b

    @classmethod
    def of(cls, before: Numbers, after: Numbers, count: int) -> _Shared:
        pairs, rows = np.unique(before * count + after, return_counts=True)
        a, b = np.divmod(pairs, max(count, 1))
        return cls(a, b, rows, np.bincount(before, minlength=count), np.bincount(after, minlength=count))

    @property
    def jaccard(self) -> NDArray[np.float64]:
        """Jaccard index of each pair: vertices in both divided by vertices in either."""
        shares: NDArray[np.float64] = self.rows / (self.sizes_a[self.a] + self.sizes_b[self.b] - self.rows)
        return shares

    def match(self, names: pa.Array) -> Numbers:
        """Return the matched label in b for each label in a, or -1 if it has no match.

        The pair with the largest Jaccard index is matched first, followed by the best of the remaining pairs, and so
        on. If two pairs have the same index, the pair with more vertices is matched first, then a pair with equal
        labels, then the pair with the lower labels.
        """
        match = np.full(len(self.sizes_a), -1)
        jaccard = self.jaccard
        alone = jaccard == 1  # no other pair contains these communities, because their vertices are the same
        match[self.a[alone]] = self.b[alone]
        a, b, rows, jaccard = (values[~alone] for values in (self.a, self.b, self.rows, jaccard))
        places = _places(names, np.union1d(a, b))
        order = np.lexsort((places[b], places[a], a != b, -rows, -jaccard))
        # A Python loop is fast enough, because similar results have few pairs.
        free_a, free_b = bytearray(b"\1") * len(match), bytearray(b"\1") * len(match)
        for one, other in zip(a[order].tolist(), b[order].tolist(), strict=True):
            if free_a[one] and free_b[other]:
                free_a[one] = free_b[other] = 0
                match[one] = other
        return match

    def flows(self, match: Numbers) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return a mask of the pairs that are merges, and a mask of those that are splits."""
        apart = match[self.a] != self.b
        merging = apart & (2 * self.rows > self.sizes_a[self.a])
        return merging, apart & ~merging & (2 * self.rows > self.sizes_b[self.b])

    def adjusted_rand(self) -> float:
        """Return the adjusted Rand index: 1 for equal partitions, about 0 for random ones."""
        both, a, b = (_pairs(sizes) for sizes in (self.rows, self.sizes_a, self.sizes_b))
        total = _pairs(np.array([self.sizes_a.sum()]))
        expected = a * b / total if total else 0.0
        highest = (a + b) / 2
        return (both - expected) / (highest - expected) if highest != expected else 1.0


def _inverse(match: Numbers, labels: Numbers, count: int) -> Numbers:
    inverse = np.full(count, -1)
    matched = labels[match[labels] >= 0]
    inverse[match[matched]] = matched
    return inverse


def _places(names: pa.Array, labels: Numbers) -> Numbers:
    """Return the position of each label in the sorted order of their names."""
    places = np.zeros(len(names), np.int64)
    order = pc.sort_indices(names.take(pa.array(labels))).to_numpy()
    places[labels[order]] = np.arange(len(labels))
    return places


def _pairs(sizes: Numbers) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _named(names: pa.Array, labels: Numbers) -> pa.Array:
    return names.take(pa.array(labels, mask=labels < 0))


def _sorted(columns: dict[str, pa.Array | Numbers], largest: str, *names: str) -> pa.Table:
    keys = [(largest, "descending"), *((name, "ascending") for name in names)]
    return pa.table(columns).sort_by(keys)
