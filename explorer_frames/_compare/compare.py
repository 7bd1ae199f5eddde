"""What changed from one result to another of the same kind."""

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
from explorer_frames._compare.alike import Alike
from explorer_frames._compare.communities import compare_labels
from explorer_frames._compare.comparison import Comparison
from explorer_frames._compare.given import refuse_incomplete, source
from explorer_frames._compare.scores import Change, Ranks, compare_ranks, number_change, other_change, ranked
from explorer_frames._errors import add_context, escaped
from explorer_frames._files.digest import current
from explorer_frames._frames import with_missing_integers
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
    """Tell what changed from one result to another: rows come and gone, scores, ranks, communities.

    Labels of communities come out otherwise each time that an algorithm runs. So they are matched first, and a mere
    change of names is no change.

    Parameters
    ----------
    a, b
        The earlier and the later result, of the same columns: each a DataFrame, an Arrow table or stream (of Polars,
        DuckDB and others), the path or URL of a Parquet or Feather file, a `Job` or a `Task`, which are read whole.
    task
        Name or id of the task to take of a `Job`; not needed where it has only one.
    top
        How many of the first ranks to look at for `Comparison.top_overlap`.
    rel_tol, abs_tol
        How far two numbers may be apart and count as the same, as `math.isclose` has it: by their share of the larger
        one, or by the difference itself. By default not at all; PageRank of the same graph may differ in the last
        digit. Ranks and `Comparison.deltas` are those of the numbers as they are.
    vid_type
        Type of the ids of what is read of a `Job` or a `Task`. Default: that of its `Explorer`.
    allow_incomplete
        Whether to compare also what is not known to be all rows.
    allow_unrelated
        Whether to compare also what says that it is of another workflow of the same server, or of another algorithm.
    storage_options
        For the fsspec driver of paths and URLs, as pandas takes them.

    Returns
    -------
    Comparison
        It prints as a few lines; `Comparison.same` and `Comparison.to_dict` are for programs, its frames for a closer
        look.

    Raises
    ------
    IncompleteResultError
        A result says that it may not be all rows, or has other rows than those that were read. What says nothing of
        itself is taken as it is.
    ConfigError
        They are of different workflows of one server, or of different algorithms, where both say so; have other
        columns or types; ids that are missing or occur twice; or an argument cannot work.
    DamagedFileError
        A file is not as it was sealed.
    FileReadError, JobError, TransportError, ApiError, DecodeError
        A result could not be read.

    Notes
    -----
    **Rows** are matched by their ids, which are those columns of ``id``; ``id1`` and ``id2``; ``root``; ``path``;
    ``id`` and ``neighbor``; or ``id1``, ``id2`` and ``id3``: call the columns of your own frames so. Where a frame has
    others of these names, too, the first of these keys that it has is the key, and the others are values. Results of
    ids only (edges of a k-core, triangles, paths) are sets, in which equal rows are one; the order of a triangle's
    vertices does not matter. Results without ids compare if they are one row. Text, integers and floats are each one
    type, whatever their width, and categories count as what they stand for.

    **Streams** (`open_sample_result`) have to come as they are, from their beginning: what was read of one before, or
    filtered out of it, is not missed.

    **Values**: NaN and null are both missing, and missing equals missing; infinities equal themselves, and -0.0 is
    0.0. A number that is missing on one side has changed, by a delta that is missing.

    **Ranks** are those of the first column of numbers, within all rows of a result: the largest value first, but the
    smallest distance; no rank is given by ``modularity``. Equal values have the same rank, and the next one follows by
    their number (1, 2, 2, 4). All that share the last place belong to the top, so it may be larger than `top`; the
    overlap is the share of the larger of the two tops that is in both, so it is 1 only if they are the same.

    **Communities** (of the column ``community``) are matched one to one by the vertices that both results have: the
    pair with the largest Jaccard index first, then the next one of those that are left, and so on. Of equals, the
    pair with more vertices goes first, then one of the same name, then the one of the lower names. A pair with an index
    above 1/2 is always matched. What then goes from a community to one that does not go on with it is

    - a **merge**, if it is more than half of the community that it leaves;
    - otherwise a **split**, if it is more than half of the community that it joins;
    - otherwise it **moves**.

    Each vertex that does so is once in `Comparison.moved`, which says as which; merges and splits are summed up in
    their own frames. So of 100 vertices of which 40 are a community of their own in b, 60 stay, and 40 are both one
    split and 40 rows of ``moved``, of kind ``"split"``. Vertices that only one result has are never moved.

    Jobs and tasks cost a request each for the result, and one for the job where it had not ended when it was looked
    at: ``GET api-open/v1/jobs/<job_id>/tasks/<task_id>/sample_result``.

    Examples
    --------
    >>> import pandas as pd
    >>> before = pd.DataFrame({"id": list("abcdef"), "community": list("aaaddd")})
    >>> after = pd.DataFrame({"id": list("abcdef"), "community": list("xxyyyy")})
    >>> found = compare(before, after)
    >>> print(found)
    1 moved
    rows: 6 in a, 6 in b, 6 in both
    communities: 2 in a, 2 in b, 2 matched (2 under another name); 0 merges, 0 splits, 0 born, 0 gone
    vertices moved: 1 (1 on their own); adjusted Rand index 0.324324
    >>> found.moved[["id", "from_a", "to_a"]]
      id from_a to_a
    0  c      a    d

    Two runs, or yesterday's file and today's run:

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
            "a and b are the same stream, which can be read only once", hint="Read it into a table first."
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
    (table_a, known_a), (table_b, known_b) = ((table, known and current(known, table)) for table, known in results)
    if not allow_unrelated:
        _refuse_others(provenance_of(known_a), provenance_of(known_b))
    return Comparison(
        a=provenance_of(known_a) if known_a else None,
        b=provenance_of(known_b) if known_b else None,
        top=top,
        **_compared(Alike.of(table_a, table_b), top, tolerances),
    )


def _compared(alike: Alike, top: int, tolerances: tuple[float, float]) -> dict[str, Any]:
    rows = alike.rows
    changes = {name: _change(alike, name, tolerances) for name in alike.measures}
    by = ranked(alike.numbers) if alike.keys else None
    ranks = compare_ranks(by, alike.a.column(by), alike.b.column(by), rows, top) if by else None
    return {
        "rows_a": alike.a.num_rows,
        "rows_b": alike.b.num_rows,
        "common": len(rows.both_a),
        "appeared": _frame(alike.b.take(rows.only_b)),
        "vanished": _frame(alike.a.take(rows.only_a)),
        "changed": _frame(_changed(alike, changes, ranks)),
        "deltas": _deltas(changes),
        "ranked_by": by,
        "top_overlap": ranks.top_overlap if ranks else None,
        "top_ranks": _top_ranks(alike, ranks),
        "rank_correlation": ranks.correlation if ranks else None,
        **_communities(alike),
    }


def _change(alike: Alike, name: str, tolerances: tuple[float, float]) -> Change:
    a, b = alike.a.column(name).take(alike.rows.both_a), alike.b.column(name).take(alike.rows.both_b)
    return number_change(name, a, b, *tolerances) if name in alike.numbers else other_change(a, b)


def _changed(alike: Alike, changes: dict[str, Change], ranks: Ranks | None) -> pa.Table:
    differs = np.zeros(len(alike.rows.both_a), bool)
    for change in changes.values():
        differs |= change.differs
    rows_a, rows_b = alike.rows.both_a[differs], alike.rows.both_b[differs]
    columns = [(name, alike.a.column(name).take(rows_a)) for name in alike.keys]
    for name, change in changes.items():
        columns += [(f"{name}_a", alike.a.column(name).take(rows_a)), (f"{name}_b", alike.b.column(name).take(rows_b))]
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


def _top_ranks(alike: Alike, ranks: Ranks | None) -> pd.DataFrame:
    """Return the rows that are in the top of either result, with both ranks."""
    keys = pa.concat_tables([alike.a.select(alike.keys), alike.b.select(alike.keys)])
    if ranks is None:
        return _frame(keys.slice(0, 0))
    in_a, in_b = ranks.top_rows
    table = keys.take(pa.array(np.where(in_a < 0, in_b + alike.a.num_rows, in_a)))
    for name, values in zip(("rank_a", "rank_b"), ranks.top_ranks, strict=True):
        table = table.append_column(name, pa.array(values, mask=values < 0))
    return with_missing_integers(table, {"rank_a", "rank_b"})


def _deltas(changes: dict[str, Change]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "changed": np.array([change.differs.sum() for change in changes.values()], np.int64),
            "max_abs_delta": np.array([change.largest for change in changes.values()], float),
            "mean_abs_delta": np.array([change.mean for change in changes.values()], float),
        },
        index=pd.Index(list(changes), dtype=object, name="column"),
    )


def _communities(alike: Alike) -> dict[str, Any]:
    label, rows = alike.label, alike.rows
    if label is None:
        nothing = pa.chunked_array([], pa.large_string())
        found = compare_labels(nothing, nothing, type(rows)(*(np.empty(0, np.int64),) * 4))
    else:
        found = compare_labels(alike.a.column(label), alike.b.column(label), rows)
    tables, numbers, movers = found
    for place, name in enumerate(alike.keys):
        tables["moved"] = tables["moved"].add_column(place, name, alike.a.column(name).take(movers))
    frames = {name: _frame(table) for name, table in tables.items()}
    return {**frames, **(numbers if label is not None else dict.fromkeys(numbers))}


def _frame(table: pa.Table) -> pd.DataFrame:
    """Make a DataFrame; where some are missing, and where names may be, integers are nullable."""
    gaps = [name for name in table.column_names if table.column(name).null_count]
    return with_missing_integers(table, {*gaps, "from_b", "to_a"})


def _refuse_others(a: Provenance, b: Provenance) -> None:
    """Raise for results of which both say that they have nothing to do with each other."""
    for what, words in (("workflow_id", "workflows"), ("algorithm", "algorithms")):
        first, second = getattr(a, what), getattr(b, what)
        if what == "workflow_id" and a.server != b.server:
            continue  # each server counts its own
        if first is not None and second is not None and first != second:
            raise ConfigError(
                f"the {words} of the two results differ: {escaped(first, 60)!r} and {escaped(second, 60)!r}",
                hint="Pass allow_unrelated=True to compare them anyway.",
            )


def _check_task(task: object, *given: Any) -> None:
    if task is not None and not isinstance(task, str):
        raise ConfigError(f"task must be a name or an id, got {escaped(task, 60)!r}")
    if task is not None and not any(isinstance(data, Job) for data in given):
        raise ConfigError("task requires a Job as a or b", hint="Remove task=.")


def _share(name: str, value: object) -> float:
    number: Any = value if isinstance(value, Real) and not isinstance(value, bool) else -1.0
    if not (number >= 0 and math.isfinite(number)):
        raise ConfigError(
            f"{name} must be a non-negative number, got {escaped(value, 60)!r}", hint="Pass a number such as 1e-9."
        )
    return float(number)
