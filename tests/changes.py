"""Reference implementation of `compare` with dicts, sets and loops."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction


def same_number(a, b):
    return a == b or (missing(a) and missing(b))


def missing(value):
    return value is None or math.isnan(value)


def changed(a, b):
    """Return the common ids whose numbers differ."""
    return [key for key in a if key in b and not same_number(a[key], b[key])]


def ranks(values):
    """Return the rank of each id: 1 for the largest value; missing values rank last."""
    numbers = [value for value in values.values() if not missing(value)]
    return {
        key: 1 + (len(numbers) if missing(value) else sum(other > value for other in numbers))
        for key, value in values.items()
    }


def top_overlap(a, b, count):
    tops = []
    for values in (a, b):
        places = ranks(values)
        tops.append({key for key, value in values.items() if places[key] <= count and not missing(value)})
    return len(tops[0] & tops[1]) / max(map(len, tops)) if any(tops) else 1.0


def spearman(a, b):
    known = [key for key in a if key in b and not missing(a[key]) and not missing(b[key])]
    columns = []
    for values in (a, b):
        mean_rank = {
            key: sum((values[other] > values[key]) + (values[other] == values[key]) / 2 for other in known) + 0.5
            for key in known
        }
        mean = sum(mean_rank.values()) / len(known) if known else 0
        columns.append([mean_rank[key] - mean for key in known])
    first, second = columns
    spread = math.sqrt(sum(x * x for x in first) * sum(y * y for y in second))
    return sum(x * y for x, y in zip(first, second, strict=True)) / spread if spread else math.nan


class Divisions:
    """Changes of communities, where `a` and `b` map vertices to labels."""

    def __init__(self, a, b):
        self.a, self.b = a, b
        self.both = [key for key in a if key in b]
        in_a, in_b = self.members(a), self.members(b)
        shared = {(i, j): in_a[i] & in_b[j] for i in in_a for j in in_b if in_a[i] & in_b[j]}
        jaccard = {(i, j): Fraction(len(rows), len(in_a[i] | in_b[j])) for (i, j), rows in shared.items()}
        order = sorted(shared, key=lambda pair: (-jaccard[pair], -len(shared[pair]), pair[0] != pair[1], pair))
        self.shared = [(i, j, share) for (i, j), share in jaccard.items()]
        self.match = {}
        for i, j in order:
            if i not in self.match and j not in self.match.values():
                self.match[i] = j
        back = {j: i for i, j in self.match.items()}
        flows = {pair: rows for pair, rows in shared.items() if self.match.get(pair[0]) != pair[1]}
        self.kinds = {}
        for (i, j), rows in flows.items():
            of_left, of_joined = len(rows) / len(in_a[i]), len(rows) / len(in_b[j])
            self.kinds[i, j] = "merge" if of_left > 0.5 else "split" if of_joined > 0.5 else "move"
        self.labels = {(i, j, len(shared[i, j]), float(jaccard[i, j])) for i, j in self.match.items()}
        self.moved = [
            (key, i, back.get(j), self.match.get(i), j, self.kinds[i, j])
            for key in self.both
            for i, j in [(a[key], b[key])]
            if (i, j) in flows
        ]
        self.merges, self.splits = (
            {(i, j, len(flows[i, j])) for (i, j), kind in self.kinds.items() if kind == wanted}
            for wanted in ("merge", "split")
        )
        merged = {i for i, _, _ in self.merges}
        split = {j for _, j, _ in self.splits}
        self.gone = set(a.values()) - set(self.match) - merged
        self.born = set(b.values()) - set(self.match.values()) - split

    def members(self, labels):
        found = defaultdict(set)
        for key in self.both:
            found[labels[key]].add(key)
        return found

    @property
    def adjusted_rand(self):
        """Adjusted Rand index (Hubert and Arabie), computed from all pairs of vertices."""
        if len(self.both) < 2:
            return math.nan if self.a or self.b else 1.0
        together = [(self.a[x] == self.a[y], self.b[x] == self.b[y]) for x in self.both for y in self.both if x < y]
        both, first, second = (
            sum(i and j for i, j in together),
            sum(i for i, _ in together),
            sum(j for _, j in together),
        )
        expected = Fraction(first * second, len(together))
        highest = Fraction(first + second, 2)
        return float((both - expected) / (highest - expected)) if highest != expected else 1.0
