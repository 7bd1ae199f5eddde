"""What changed between two results: a record of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from explorer_frames import _html
from explorer_frames._errors import plural, printable
from explorer_frames._private import private
from explorer_frames._provenance import Provenance

_WAYS = {"merge": "by merges", "split": "by splits", "move": "on their own"}


@private
@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Comparison:
    """What changed from one result, a, to another, b; see `explorer_frames.compare`.

    It prints as a few lines for a person; `to_dict` has its numbers. What a result has no column for is empty, None
    among the numbers.

    Attributes
    ----------
    a, b : Provenance or None
        Where each came from, as far as it says.
    rows_a, rows_b, common : int
        Rows of each, and those that both have.
    appeared, vanished : pandas.DataFrame
        Rows of b that a has not, and rows of a that b has not, with all their columns.
    changed : pandas.DataFrame
        Rows of which a value has changed, in a's order: the ids; of each column ``<name>_a``, ``<name>_b`` and, where
        it is of numbers, ``<name>_delta``, which is b less a; then ``rank_a``, ``rank_b`` and ``rank_shift``, which is
        positive for what has climbed. Labels of communities are no values.
    deltas : pandas.DataFrame
        By column: how many rows have ``changed``; ``max_abs_delta`` and ``mean_abs_delta`` over all common rows that
        have a value in both.
    top : int
    ranked_by : str or None
        The column that rows are ranked by.
    top_overlap : float or None
        Share of the first `top` rows that both have in common.
    top_ranks : pandas.DataFrame
        Rows that are among the first `top` of a or of b: the ids, ``rank_a`` and ``rank_b``. A rank is missing where
        that result does not have the row, or no value for it. The better of the two ranks first.
    rank_correlation : float or None
        Spearman's rho of the common rows, from -1 to 1; NaN where all values of one are equal.
    moved : pandas.DataFrame
        Vertices whose community in b does not go on with theirs in a, in a's order: the ids; ``from_a``, ``to_a``
        (both communities by their names in a), ``from_b``, ``to_b`` (by their names in b), and ``kind``: ``"merge"``,
        ``"split"`` or ``"move"``. ``to_a`` is missing where the community is new, ``from_b`` where it is no more.
    merges, splits : pandas.DataFrame
        One row for each: the same four names, ``vertices`` that went that way, ``size_a`` of the community that they
        left, in a, and ``size_b`` of the one that they joined, in b. The largest first.
    born, gone : pandas.DataFrame
        Communities of b that go on with none and are no split, and communities of a that none goes on with and that
        are no merge: ``label_b``, ``size_b``; ``label_a``, ``size_a``.
    labels : pandas.DataFrame
        Which community of b goes on with which of a: ``label_a``, ``label_b``, ``size_a``, ``size_b``, ``overlap``
        (vertices that both have) and ``jaccard`` (their share of the common vertices that either has).
    communities_a, communities_b : int or None
    adjusted_rand : float or None
        Agreement of the two divisions of the common vertices: 1 for the same, about 0 for chance; NaN where fewer than
        two are common, unless both results are empty.

    Examples
    --------
    >>> before = read_sample_result(job_id, task_id)
    >>> found = compare(before, before.iloc[1:].reset_index(drop=True), allow_incomplete=True)
    >>> found.same, found.vanished["id"].tolist(), len(found.changed)
    (False, ['Napoleon'], 0)
    """

    a: Provenance | None
    b: Provenance | None
    rows_a: int
    rows_b: int
    common: int
    appeared: pd.DataFrame
    vanished: pd.DataFrame
    changed: pd.DataFrame
    deltas: pd.DataFrame
    top: int
    ranked_by: str | None
    top_overlap: float | None
    top_ranks: pd.DataFrame
    rank_correlation: float | None
    moved: pd.DataFrame
    merges: pd.DataFrame
    splits: pd.DataFrame
    born: pd.DataFrame
    gone: pd.DataFrame
    labels: pd.DataFrame
    communities_a: int | None
    communities_b: int | None
    adjusted_rand: float | None

    def __bool__(self) -> bool:
        raise TypeError("the truth value of a Comparison is ambiguous; use .same")

    @property
    def same(self) -> bool:
        """Whether nothing has changed, but perhaps names of communities and the order of rows."""
        return not any(map(len, (self.appeared, self.vanished, self.changed, self.moved)))

    @property
    def renamed(self) -> int:
        """How many communities have another name in b; that is no change."""
        return int((self.labels["label_a"] != self.labels["label_b"]).sum())

    def to_dict(self) -> dict[str, Any]:
        """Return its numbers by name as bool, int and float: those that apply to the columns of the results.

        Examples
        --------
        >>> frame = read_sample_result(job_id, louvain_id)
        >>> compare(frame, frame).to_dict()["moved"]
        0
        """
        numbers: dict[str, Any] = {"same": self.same}
        numbers |= {name: getattr(self, name) for name in ("rows_a", "rows_b", "common")}
        numbers |= {name: len(getattr(self, name)) for name in ("appeared", "vanished", "changed")}
        for name, row in self.deltas.iterrows():
            numbers[f"{name}_changed"] = int(row["changed"])
            if not math.isnan(row["max_abs_delta"]):  # of numbers
                numbers |= {f"{name}_{which}": float(row[which]) for which in ("max_abs_delta", "mean_abs_delta")}
        if self.ranked_by is not None:
            numbers |= {name: getattr(self, name) for name in ("top_overlap", "rank_correlation")}
        if self.communities_a is not None:
            numbers |= {name: getattr(self, name) for name in ("communities_a", "communities_b", "renamed")}
            numbers |= {name: len(getattr(self, name)) for name in ("moved", "merges", "splits", "born", "gone")}
            numbers["adjusted_rand"] = self.adjusted_rand
        return numbers

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def __repr__(self) -> str:
        return f"<Comparison: {self._verdict()}>"

    def _repr_html_(self) -> str:
        return _html.lines(*self._lines())

    def _verdict(self) -> str:
        if self.same:
            communities = f"{self.renamed:,} of {self.communities_a or 0:,} communities"
            return "no change" + (f"; {communities} under another name" if self.renamed else "")
        counts = {name: len(getattr(self, name)) for name in ("appeared", "vanished", "changed", "moved")}
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)

    def _lines(self) -> list[str]:
        lines = [self._verdict()]
        lines += [f"{side}: {shown}" for side in ("a", "b") if (shown := _origin(getattr(self, side)))]
        lines.append(f"rows: {self.rows_a:,} in a, {self.rows_b:,} in b, {self.common:,} in both")
        for name, row in self.deltas.iterrows():
            far = ""
            if row["changed"] and not math.isnan(row["max_abs_delta"]):
                far = f", by {row['max_abs_delta']:.6g} at most, {row['mean_abs_delta']:.6g} on average"
            lines.append(f"{printable(str(name))}: {int(row['changed']):,} changed{far}")
        if self.ranked_by is not None:
            share = f"{100 * (self.top_overlap or 0):.4g}% of the top {self.top} in common"
            lines.append(f"ranks by {printable(self.ranked_by)}: {share}, correlation {_shown(self.rank_correlation)}")
        if self.communities_a is not None:
            lines += self._of_communities()
        return lines

    def _of_communities(self) -> list[str]:
        born_or_gone = f"{len(self.born):,} born, {len(self.gone):,} gone"
        merges = f"{len(self.merges):,} {plural(len(self.merges), 'merge')}"
        splits = f"{len(self.splits):,} {plural(len(self.splits), 'split')}"
        matched = f"{len(self.labels):,} matched ({self.renamed:,} under another name)"
        changes = f"{merges}, {splits}, {born_or_gone}"
        lines = [f"communities: {self.communities_a:,} in a, {self.communities_b:,} in b, {matched}; {changes}"]
        kinds = self.moved["kind"].value_counts()
        ways = [(kinds.get(kind, 0), way) for kind, way in _WAYS.items()]
        shown = ", ".join(f"{count:,} {way}" for count, way in ways if count)
        moved = f"vertices moved: {len(self.moved):,}" + (f" ({shown})" if shown else "")
        return [*lines, f"{moved}; adjusted Rand index {_shown(self.adjusted_rand)}"]


def _shown(number: float | None) -> str:
    return "undefined" if number is None or math.isnan(number) else f"{number:.6g}"


def _origin(known: Provenance | None) -> str:
    if known is None:
        return ""
    ended = known.end_time and f"{known.end_time:%Y-%m-%d %H:%M:%S} UTC"
    name = known.task_name or known.algorithm
    parts = [f"job {known.job_id}" if known.job_id else known.source, name, ended and f"ended {ended}"]
    return "derived from " * bool(known.derived) + ", ".join(printable(part) for part in parts if part)
