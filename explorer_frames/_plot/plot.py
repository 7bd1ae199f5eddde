"""A result -> a picture of it, by its columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames import _schemas
from explorer_frames._arguments import checked_count
from explorer_frames._errors import escaped
from explorer_frames._extras import package
from explorer_frames._files.data import to_reader
from explorer_frames._files.digest import current
from explorer_frames._jobs.job import Job, only_task
from explorer_frames._jobs.task import Task
from explorer_frames._private import private
from explorer_frames._provenance import document_of, provenance_of
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from explorer_frames._plot.charts import Subject

Kind: TypeAlias = Literal["rank", "distribution", "top"]

# What the columns of the book are called on an axis, those that are drawn before others first.
_WORDS = {
    "score": "score",
    "community": "vertices in the community",
    "both_degree": "degree",
    "out_degree": "out-degree",
    "in_degree": "in-degree",
    "degree": "degree",
    "distance": "distance in edges or weights",
    "core": "core number",
    "count": "count",
    "visited": "vertices reached",
}
_DIRECTED = ("out_degree", "in_degree")
_DEGREES = {*_DIRECTED, "degree", "both_degree"}
_IDS = {name for entry in _schemas.ALGORITHMS for shape in entry.shapes for name, kind in shape if kind == "vid"}
_VERTICES = _IDS - {"community"}
_OF_NOTHING = {*_VERTICES, "width", "depth", "value"}  # numbers that are ids, or of the whole graph
_NO_WAY = 2.0**63 - 1  # a distance that is none, as programs write it whose distances are integers
_COMPLETE = {True: "", False: "incomplete", None: "maybe incomplete"}
_NAMED = {"rank": 5, "distribution": 0, "top": 20}
_INDEX = "__index_level_"  # columns of a DataFrame's index that has no name


@private
def plot_result(
    data: Any,
    *,
    task: str | None = None,
    kind: Kind | None = None,
    column: str | None = None,
    top: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a result, in the way that suits its columns.

    Needs the extra ``plot``.

    Parameters
    ----------
    data
        A result: a pandas DataFrame, a `pyarrow` Table, or anything with ``__arrow_c_stream__``. Readers are empty
        afterwards. Or a `Task` or a `Job`, whose result is read.
    task
        Name or id of the task of a `Job`. Not needed if it has only one.
    kind
        ``"top"``: a bar for each of the largest, by id. ``"rank"``: all of them, the largest first, on logarithmic axes
        where few are far above the rest, with the first ones named. ``"distribution"``: how many have which number, as
        bars, as a histogram, or, for degrees and what is as uneven, as the number of those with so much or more, on
        logarithmic axes. None takes rank for scores; top for up to 20 communities, by their size, and rank for more;
        distribution for degrees (in and out), distances, core numbers and counts.
    column
        What to draw, where there is a choice: of numbers their size, of anything else how often each value occurs.
        None takes the first known one: score, community, degrees, distance, core, count, visited; else the first one of
        numbers behind the ids.
    top
        How many are named: 20 bars, or 5 in the corner of a rank curve, by default.
    ax
        Where to draw; None makes a new figure of pyplot's. In a figure of your own, ``layout="constrained"`` leaves the
        room that labels need.

    Returns
    -------
    matplotlib.axes.Axes
        To go on with: ``ax.set_title(...)``, ``ax.figure.savefig(...)``. Nothing is shown, and no setting of
        matplotlib is changed.

    Raises
    ------
    ConfigError
        The arguments cannot work, no column has a picture, or matplotlib is not installed.

    Notes
    -----
    The title says where the result came from, with the number of rows; and "incomplete" if it may have been cut off, or
    "maybe incomplete" if that is not known. What has no place on the axes is counted below them: numbers that are
    missing or not finite, zeros on a logarithmic scale. A distance that is infinite or 2**63 - 1 is "not reached".

    Examples
    --------
    >>> ax = plot_result(read_sample_result(job_id, task_id))
    >>> print(ax.get_title(loc="left").splitlines()[0], "-", ax.get_ylabel())
    PageRank - score
    """
    if kind is not None and kind not in get_args(Kind):
        raise ConfigError(f"kind {escaped(kind)!r} is unknown", hint='Pass "rank", "distribution" or "top".')
    top = None if top is None else checked_count("top", top)
    _check_axes(ax)
    if isinstance(data, Job):
        data = only_task(data, task)
    elif task is not None:
        raise ConfigError("task names a task of a job, and data is not a Job", hint="Leave it out.")
    reader = to_reader(data.read_arrow() if isinstance(data, Task) else data)
    value = _value_column(reader.schema, column)
    table = reader.read_all()
    _check_one_run(table)
    subject = _subject(table, value, alone=column is not None)
    kind = kind or _kind_for(value, table.schema.field(value).type, len(subject.numbers))
    count = min(top or _NAMED[kind], len(subject.numbers))
    ax = ax if ax is not None else _new_axes(count if kind == "top" else 0)
    from explorer_frames._plot.charts import draw  # noqa: PLC0415 (it needs matplotlib)

    draw(ax, subject, kind, count)
    _entitle(ax, table)
    return ax


def _check_axes(ax: object) -> None:
    axes = package("matplotlib.axes", "plot")
    if ax is not None and not isinstance(ax, axes.Axes):
        hint = "Pass one Axes: of plt.subplots(1, 2) one is [0]."
        raise ConfigError(f"ax is a {type(ax).__name__}, not an Axes of matplotlib", hint=hint)
    if ax is not None and ax.name != "rectilinear":
        raise ConfigError(f"ax has {ax.name} axes", hint="Pass one that was made without projection=.")


def _check_one_run(table: pa.Table) -> None:
    """Refuse a history, whose runs would lie in one picture as if they were one."""
    of_run = ["job_id", "task_id"]
    if {*of_run, "end_time"} <= {*table.column_names}:
        runs = len(table.group_by(of_run).aggregate([]))
        if runs > 1:
            hint = 'Draw one of them, such as frame[frame["job_id"] == frame["job_id"].iloc[-1]].'
            raise ConfigError(f"these are the results of {runs:,} runs", hint=hint)


def _new_axes(bars: int) -> Axes:
    """Make a figure, higher than usual if so many bars need it."""
    pyplot = package("matplotlib.pyplot", "plot")
    figure, ax = pyplot.subplots(layout="constrained")
    figure.set_figheight(max(figure.get_figheight(), min(0.2 * bars, 40) + 1))
    made: Axes = ax
    return made


def _value_column(schema: pa.Schema, column: str | None) -> str:
    """Choose what to draw."""
    names = [name for name in schema.names if not name.startswith(_INDEX)]
    shown = ", ".join(escaped(name, 40) for name in names[:20])
    if column is not None:
        if column not in schema.names or pa.types.is_nested(schema.field(column).type):
            what = f"there is no column {escaped(column, 60)!r} that can be drawn"
            raise ConfigError(what, hint=f"The columns are: {shown}.")
        return column
    known = [name for name in _WORDS if name in names and not pa.types.is_nested(schema.field(name).type)]
    # The first column is taken for ids: a number alone would be of the whole graph.
    numbers = [name for name in names[1:] if name not in _OF_NOTHING and _is_number(schema.field(name).type)]
    if len(names) > 1 and (known or numbers):
        found: str = [*known, *numbers][0]
        return found
    raise ConfigError(
        f"there is no picture for the columns {shown}",
        hint="There is one for numbers of vertices or pairs (scores, degrees, distances, cores, counts) and for "
        "communities; column= draws any other.",
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _subject(table: pa.Table, value: str, *, alone: bool) -> Subject:
    """Take from the table what is drawn: the sizes of groups, or the numbers of vertices."""
    from explorer_frames._plot.charts import Subject  # noqa: PLC0415 (it needs matplotlib)

    column = table[value]
    words = _WORDS.get(value, value)
    if _is_group(value, column.type):
        groups = pc.value_counts(column.combine_chunks())
        labels, sizes = groups.field(0), groups.field(1).to_numpy().astype(np.float64)
        things = "communities" if value == "community" else "values"
        words = _WORDS.get(value, f"rows with the same {value}")
        return Subject(sizes, lambda place: str(labels[int(place)]), things, words)
    ids = [table[name] for name in table.column_names if name in _VERTICES]
    ids = ids or [one for one in table.columns[:1] if value != table.column_names[0]]
    directed = [name for name in _DIRECTED if name in table.column_names and value in _DEGREES and not alone]
    curves = directed or [value]
    return Subject(
        _numbers(column),
        lambda place: ", ".join(str(one[int(place)]) for one in ids) or f"row {place}",
        ("rows", "vertices", "pairs")[min(len(ids), 2)],
        "degree" if len(curves) > 1 else words,
        curves={_WORDS[name]: _numbers(table[name]) for name in curves if value in _DEGREES},
        reach=_NO_WAY if value == "distance" else None,
    )


def _is_group(value: str, type_: pa.DataType) -> bool:
    return value == "community" or not _is_number(type_)


def _numbers(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.float64]]:
    numbers: np.ndarray[Any, np.dtype[np.float64]] = column.cast(pa.float64(), safe=False).to_numpy()
    return numbers


def _kind_for(value: str, type_: pa.DataType, count: int) -> Kind:
    if _is_group(value, type_):
        return "top" if count <= _NAMED["top"] else "rank"
    if value == "visited":
        return "top"
    whole = pa.types.is_integer(type_) or value == "distance"
    return "distribution" if whole and value != "score" else "rank"


def _entitle(ax: Axes, table: pa.Table) -> None:
    """Say where it came from, if anything is known of that."""
    from explorer_frames._plot.charts import entitle  # noqa: PLC0415 (it needs matplotlib)

    document = document_of(table.schema.metadata)
    if not document:
        return
    known = provenance_of(current(document, table))
    name = known.task_name or known.algorithm or (f"task {known.task_id}" if known.task_id else "")
    if known.algorithm and known.algorithm.lower() not in name.lower():
        name = f"{name}: {known.algorithm}"
    facts = [f"{word} {value}" for word, value in (("workflow", known.workflow_id), ("job", known.job_id)) if value]
    facts += [f"{len(table):,} row{'s' * (len(table) != 1)}"]
    facts += [word for word in (_COMPLETE[known.complete],) if word]
    entitle(ax, name, ", ".join(facts))
