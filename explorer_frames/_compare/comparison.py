"""Record of the changes between two results."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from explorer_frames import _html
from explorer_frames._errors import plural, printable
from explorer_frames._private import private
from explorer_frames._provenance import Provenance

_WAYS = {"merge": "by merges", "split": "by splits", "move": "individually"}


@private
@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Comparison:
    """Changes from an earlier result, a, to a later one, b; see `explorer_frames.compare`.

    `print` shows a short summary, and `to_dict` returns the numbers. Attributes that do not apply to the columns of the
    results are None, or empty DataFrames.

    Attributes
    ----------
    a, b : Provenance or None
        Provenance of each result; None if the data has none.
    rows_a, rows_b, common : int
        Number of rows in a, in b and in both.
    appeared, vanished : pandas.DataFrame
        Rows that are only in b, and rows that are only in a, with all columns.
    changed : pandas.DataFrame
        Rows with a changed value, in the order of a. The ids are followed by ``<name>_a``, ``<name>_b`` and, for a
        numeric column, ``<name>_delta`` (b minus a). The last columns are ``rank_a``, ``rank_b`` and ``rank_shift``,
        which is positive if the rank is better in b. Community labels are not included.
    deltas : pandas.DataFrame
        One row per column. ``changed`` is the number of changed rows. ``max_abs_delta`` and ``mean_abs_delta`` are
        computed over the common rows that have a value in both results.
    top : int
        Number of top ranks that were compared.
    ranked_by : str or None
        Name of the column that determines the ranks.
    top_overlap : float or None
        Share of the first `top` rows that both results have in common, from 0 to 1.
    top_ranks : pandas.DataFrame
        Top rows of a or b, sorted by the better rank, with the ids, ``rank_a`` and ``rank_b``. A rank is
        missing if the row or its value is missing in that result.
    rank_correlation : float or None
        Spearman's rho of the common rows, from -1 to 1; NaN if all values of one result are equal.
    moved : pandas.DataFrame
        Vertices that moved, in the order of a. The ids are followed by ``from_a``, ``to_a``, ``from_b``, ``to_b`` and
        ``kind``, which is ``"merge"``, ``"split"`` or ``"move"``. ``from`` is the community that a vertex left, and
        ``to`` is the community that it joined. ``from_a`` and ``to_a`` are labels in a, and ``from_b`` and ``to_b`` are
        labels in b. A label is missing if that result has no matching community.
    merges, splits : pandas.DataFrame
        One row for each merge or split, the largest first. The columns are the four labels of ``moved``, ``vertices``
        (number of vertices that moved), ``size_a`` (size of the community in a) and ``size_b`` (size of the community
        in b).
    born, gone : pandas.DataFrame
        New communities in b, with ``label_b`` and ``size_b``, and communities of a that disappeared, with ``label_a``
        and ``size_a``. The results of splits are not in ``born``, and merged communities are not in ``gone``.
    labels : pandas.DataFrame
        Matched communities, with ``label_a``, ``label_b``, ``size_a``, ``size_b``, ``overlap`` (number of vertices in
        both) and ``jaccard`` (Jaccard index over the common vertices).
    communities_a, communities_b : int or None
        Number of communities in a and in b.
    adjusted_rand : float or None
        Adjusted Rand index of the communities of the common vertices: 1 for equal partitions, about 0 for random ones.
        NaN if the results have fewer than two common vertices, unless both are empty.

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
        """Whether the results are equal, regardless of community labels and row order."""
        return not any(map(len, (self.appeared, self.vanished, self.changed, self.moved)))

    @property
    def renamed(self) -> int:
        """Number of matched communities that have a different label in b."""
        return int((self.labels["label_a"] != self.labels["label_b"]).sum())

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers that apply to the results, as a dict of bool, int and float.

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
            if not math.isnan(row["max_abs_delta"]):  # the column is numeric
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
            return "no change" + (f"; {communities} renamed" if self.renamed else "")
        counts = {name: len(getattr(self, name)) for name in ("appeared", "vanished", "changed", "moved")}
        return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)

    def _lines(self) -> list[str]:
        lines = [self._verdict()]
        lines += [f"{side}: {shown}" for side in ("a", "b") if (shown := _origin(getattr(self, side)))]
        lines.append(f"rows: {self.rows_a:,} in a, {self.rows_b:,} in b, {self.common:,} in both")
        for name, row in self.deltas.iterrows():
            far = ""
            if row["changed"] and not math.isnan(row["max_abs_delta"]):
                far = f", max delta {row['max_abs_delta']:.6g}, mean delta {row['mean_abs_delta']:.6g}"
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
        matched = f"{len(self.labels):,} matched ({self.renamed:,} renamed)"
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
