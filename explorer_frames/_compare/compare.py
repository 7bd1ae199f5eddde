"""Compare two results of the same kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from explorer_frames import _schemas
from explorer_frames._arguments import checked_count, checked_flag
from explorer_frames._compare.aligned import AlignedTables
from explorer_frames._compare.communities import compare_labels
from explorer_frames._compare.comparison import Comparison
from explorer_frames._compare.given import refuse_incomplete, source
from explorer_frames._compare.scores import Change, Ranks, compare_ranks, number_change, other_change, ranked
from explorer_frames._errors import add_context, as_given, escaped
from explorer_frames._files.digest import current
from explorer_frames._frames import to_pandas
from explorer_frames._jobs.job import Job
from explorer_frames._private import private
from explorer_frames._provenance import Provenance, provenance_of
from explorer_frames._schemas import VidType
from explorer_frames.errors import ConfigError


@private
def compare(
    a: Any,
    b: Any,
    *,
    task: str | None = None,
    top: int = 10,
    rel_tol: float = 0.0,
    abs_tol: float = 0.0,
    vid_type: VidType | None = None,
    allow_incomplete: bool = False,
    allow_unrelated: bool = False,
    storage_options: Mapping[str, Any] | None = None,
) -> Comparison:
    """Compare two results by rows, values, ranks and communities.

    Community labels differ between runs of the same algorithm. Communities are therefore matched by their vertices, and
    a different label is not a change.

    Parameters
    ----------
    a, b
        The earlier and the later result, with the same columns. Pass a DataFrame, an Arrow table or stream (also from
        Polars or DuckDB), the path or URL of a Parquet or Feather file, a `Job` or a `Task`. All rows are read.
    task
        Name or id of the task of a `Job`. Optional if the job has only one task. Default: None.
    top
        Number of top ranks to compare for `Comparison.top_overlap`. Default: 10.
    rel_tol, abs_tol
        Relative and absolute tolerance for numbers, as in `math.isclose`. Default: 0, for exact comparison. Repeated
        runs of PageRank on one graph may differ in the last digit. The tolerances apply neither to ranks nor to the
        maximum and mean in `Comparison.deltas`.
    vid_type
        Type of vertex ids in the result of a `Job` or `Task`: ``"string"`` or ``"int64"``. Default: the `vid_type` of
        its `Explorer`.
    allow_incomplete
        Whether to accept results that may be incomplete. Default: False.
    allow_unrelated
        Whether to accept results whose provenance names different workflows of the same server, or different
        algorithms. Default: False.
    storage_options
        Options of the fsspec driver for paths and URLs, as in pandas. Default: None.

    Returns
    -------
    Comparison
        Record of all changes, which prints as a short summary. In programs, use `Comparison.same` and
        `Comparison.to_dict`. The DataFrames contain the details.

    Raises
    ------
    IncompleteResultError
        A result may be incomplete, or rows were added or removed after it was read. Data without provenance is
        accepted.
    ConfigError
        An argument is invalid, columns or types differ, or ids are missing or duplicated. Also raised if the provenance
        names different workflows of one server, or different algorithms.
    DamagedFileError
        A file does not match its checksum.
    FileReadError, JobError, TransportError, ApiError, DecodeError
        A result could not be read.

    Notes
    -----
    **Rows** are matched by their ids. The id columns are one of ``id``; ``id1`` and ``id2``; ``root``; ``path``; ``id``
    and ``neighbor``; or ``id1``, ``id2`` and ``id3``. Use these names in your own DataFrames. If a DataFrame has
    further columns with these names, the first key in this list is used. The other columns are compared as values.

    Some results consist only of ids, such as triangles and paths. They are compared as sets: duplicate rows count once,
    and the order of a triangle's vertices is ignored. Results without ids can be compared only if they have one row.
    The widths of integers and floats are ignored, and categorical columns are compared by value.

    **Streams** from `open_sample_result` must not have been read or filtered before the call. Rows that were already
    consumed are not detected as missing.

    **Values**: NaN and null are both missing values, and missing values are equal. -0.0 equals 0.0. A number that is
    missing in only one result counts as changed, and its delta is missing.

    **Ranks** are computed from the first numeric column, over all rows of a result. The largest value ranks first,
    except for ``distance``, where the smallest ranks first. ``modularity`` is not ranked. Ties share the lowest rank
    (1, 2, 2, 4), as in ``rank(method="min")`` of pandas. Rows tied at the last rank are all included, so there may be
    more than `top` rows. The overlap is the number of top rows that both results have in common, divided by the larger
    number of top rows.

    **Communities** (column ``community``) are matched one to one, by the vertices that are in both results. The pair
    with the largest Jaccard index is matched first, followed by the best of the remaining pairs, and so on. If two
    pairs have the same index, the pair with more vertices is matched first, then a pair with equal labels, then the
    pair with the lower labels. Two communities with an index above 1/2 are always matched.

    A vertex has moved if its community in b is not matched with its community in a. All vertices that moved between the
    same two communities form

    - a **merge**, if they are more than half of the community in a;
    - otherwise a **split**, if they are more than half of the community in b;
    - otherwise a **move**.

    `Comparison.moved` has one row for each of these vertices, with its kind. `Comparison.merges` and
    `Comparison.splits` have one row for each merge and split. For example, suppose that 40 of 100 vertices form a new
    community in b. ``splits`` then has one row, and ``moved`` has 40 rows of the kind ``"split"``. Vertices that are in
    only one of the results have not moved.

    Each result of a job or task takes one request,
    ``GET api-open/v1/jobs/<job_id>/tasks/<task_id>/sample_result``. If the job had not ended when it was last read, the
    job is also read again.

    Examples
    --------
    >>> import pandas as pd
    >>> before = pd.DataFrame({"id": list("abcdef"), "community": list("aaaddd")})
    >>> after = pd.DataFrame({"id": list("abcdef"), "community": list("xxyyyy")})
    >>> found = compare(before, after)
    >>> print(found)
    1 moved
    rows: 6 in a, 6 in b, 6 in both
    communities: 2 in a, 2 in b, 2 matched (2 renamed); 0 merges, 0 splits, 0 born, 0 gone
    vertices moved: 1 (1 individually); adjusted Rand index 0.324324
    >>> found.moved[["id", "from_a", "to_a"]]
      id from_a to_a
    0  c      a    d

    Compare two runs, or a file with a run:

    >>> job = explorer.job(job_id)
    >>> compare(job, explorer.run_workflow(workflow_id).wait(), task="Louvain").same
    True
    >>> receipt = job.task("PageRank").export("memory://yesterday.parquet")
    >>> compare("memory://yesterday.parquet", job.task("PageRank")).to_dict()["top_overlap"]
    1.0
    """
    tolerances = _share("rel_tol", rel_tol), _share("abs_tol", abs_tol)
    _check_task(task, a, b)
    top = checked_count("top", top)
    if vid_type is not None:
        _schemas.checked_vid_type(vid_type)
    checked_flag("allow_incomplete", allow_incomplete)
    checked_flag("allow_unrelated", allow_unrelated)
    if a is b and isinstance(a, pa.RecordBatchReader):
        raise ConfigError(
            "a and b are the same stream, which can be read only once", hint="Read the stream into a table first."
        )
    given = []
    for side, data in (("a", a), ("b", b)):
        with add_context(side):
            given.append(source(data, task=task, vid_type=vid_type, storage_options=storage_options))
    results = []
    for side, read in zip("ab", given, strict=True):
        with add_context(side):
            results.append(read())
        if not allow_incomplete:
            refuse_incomplete(*results[-1], side)
    known_a, known_b = (provenance_of(current(known, table)) if known else None for table, known in results)
    if not allow_unrelated and known_a and known_b:
        _refuse_others(known_a, known_b)
    (table_a, _), (table_b, _) = results
    return Comparison(a=known_a, b=known_b, top=top, **_compared(AlignedTables.of(table_a, table_b), top, tolerances))


def _compared(aligned: AlignedTables, top: int, tolerances: tuple[float, float]) -> dict[str, Any]:
    rows = aligned.rows
    changes = {name: _change(aligned, name, tolerances) for name in aligned.measures}
    by = ranked(aligned.numbers) if aligned.keys else None
    ranks = compare_ranks(by, aligned.a.column(by), aligned.b.column(by), rows, top) if by else None
    return {
        "rows_a": aligned.a.num_rows,
        "rows_b": aligned.b.num_rows,
        "common": len(rows.both_a),
        "appeared": _frame(aligned.b.take(rows.only_b)),
        "vanished": _frame(aligned.a.take(rows.only_a)),
        "changed": _frame(_changed(aligned, changes, ranks)),
        "deltas": _deltas(changes),
        "ranked_by": by,
        "top_overlap": ranks.top_overlap if ranks else None,
        "top_ranks": _top_ranks(aligned, ranks),
        "rank_correlation": ranks.correlation if ranks else None,
        **_communities(aligned),
    }


def _change(aligned: AlignedTables, name: str, tolerances: tuple[float, float]) -> Change:
    a, b = aligned.a.column(name).take(aligned.rows.both_a), aligned.b.column(name).take(aligned.rows.both_b)
    return number_change(name, a, b, *tolerances) if name in aligned.numbers else other_change(a, b)


def _changed(aligned: AlignedTables, changes: dict[str, Change], ranks: Ranks | None) -> pa.Table:
    differs = np.zeros(len(aligned.rows.both_a), bool)
    for change in changes.values():
        differs |= change.differs
    rows_a, rows_b = aligned.rows.both_a[differs], aligned.rows.both_b[differs]
    columns = [(name, aligned.a.column(name).take(rows_a)) for name in aligned.keys]
    for name, change in changes.items():
        columns += [
            (f"{name}_a", aligned.a.column(name).take(rows_a)),
            (f"{name}_b", aligned.b.column(name).take(rows_b)),
        ]
        if change.delta is not None:
            columns.append((f"{name}_delta", change.delta.filter(pa.array(differs))))
    if ranks is not None:
        before, after = ranks.before[differs], ranks.after[differs]
        columns += [("rank_a", before), ("rank_b", after), ("rank_shift", before - after)]
    names = [name for name, _ in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        what = f"column name {escaped(twice[0], 60)!r} is reserved for the comparison"
        raise ConfigError(what, hint="Rename the column in both results.")
    return pa.table([values for _, values in columns], names=names)


def _top_ranks(aligned: AlignedTables, ranks: Ranks | None) -> pd.DataFrame:
    """Return the top rows of either result, with both ranks."""
    keys = pa.concat_tables([aligned.a.select(aligned.keys), aligned.b.select(aligned.keys)])
    if ranks is None:
        return _frame(keys.slice(0, 0))
    in_a, in_b = ranks.top_rows
    table = keys.take(pa.array(np.where(in_a < 0, in_b + aligned.a.num_rows, in_a)))
    for name, values in zip(("rank_a", "rank_b"), ranks.top_ranks, strict=True):
        table = table.append_column(name, pa.array(values, mask=values < 0))
    return to_pandas(table, nullable={"rank_a", "rank_b"})


def _deltas(changes: dict[str, Change]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "changed": np.array([change.differs.sum() for change in changes.values()], np.int64),
            "max_abs_delta": np.array([change.largest for change in changes.values()], float),
            "mean_abs_delta": np.array([change.mean for change in changes.values()], float),
        },
        index=pd.Index(list(changes), dtype=object, name="column"),
    )


def _communities(aligned: AlignedTables) -> dict[str, Any]:
    label, rows = aligned.label, aligned.rows
    if label is None:
        nothing = pa.chunked_array([], pa.large_string())
        found = compare_labels(nothing, nothing, type(rows)(*(np.empty(0, np.int64),) * 4))
    else:
        found = compare_labels(aligned.a.column(label), aligned.b.column(label), rows)
    tables, numbers, movers = found
    for place, name in enumerate(aligned.keys):
        tables["moved"] = tables["moved"].add_column(place, name, aligned.a.column(name).take(movers))
    frames = {name: _frame(table) for name, table in tables.items()}
    return {**frames, **(numbers if label is not None else dict.fromkeys(numbers))}


def _frame(table: pa.Table) -> pd.DataFrame:
    """Convert to a DataFrame, with nullable integers in columns that may have missing values."""
    gaps = [name for name in table.column_names if table.column(name).null_count]
    return to_pandas(table, nullable={*gaps, "from_b", "to_a"})


def _refuse_others(a: Provenance, b: Provenance) -> None:
    """Raise ConfigError if the provenance shows that the results are unrelated."""
    for what, words in (("workflow_id", "workflows"), ("algorithm", "algorithms")):
        first, second = getattr(a, what), getattr(b, what)
        if what == "workflow_id" and a.server != b.server:
            continue  # workflow ids are unique only within one server
        if first is not None and second is not None and first != second:
            raise ConfigError(
                f"the {words} of the two results differ: {escaped(first, 60)!r} and {escaped(second, 60)!r}",
                hint="Pass allow_unrelated=True to compare them anyway.",
            )


def _check_task(task: object, *given: Any) -> None:
    if task is not None and not isinstance(task, str):
        raise ConfigError(f"task must be a name or an id, got {as_given(task)}")
    if task is not None and not any(isinstance(data, Job) for data in given):
        raise ConfigError("task requires a Job as a or b", hint="Remove task=.")


def _share(name: str, value: object) -> float:
    number: Any = value if isinstance(value, Real) and not isinstance(value, bool) else -1.0
    if not (number >= 0 and math.isfinite(number)):
        raise ConfigError(
            f"{name} must be a non-negative number, got {as_given(value)}", hint="Pass a number such as 1e-9."
        )
    return float(number)
