"""Plot a result, a history or a comparison."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from explorer_frames import _schemas
from explorer_frames._arguments import checked_count
from explorer_frames._compare.comparison import Comparison
from explorer_frames._errors import as_given, escaped, first_of, plural
from explorer_frames._extras import package
from explorer_frames._files.data import to_reader
from explorer_frames._files.digest import current
from explorer_frames._jobs.job import Job, only_task
from explorer_frames._jobs.task import Task
from explorer_frames._private import private
from explorer_frames._provenance import Provenance, completeness, document_of, provenance_of
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from explorer_frames._plot.charts import Subject

Scale: TypeAlias = Literal["linear", "log"]
Kind: TypeAlias = Literal["rank", "distribution", "top", "flow"]

# Axis labels of the known columns, in order of preference.
_WORDS = {
    "score": "score",
    "community": "vertices in the community",
    "both_degree": "total degree",
    "out_degree": "out-degree",
    "in_degree": "in-degree",
    "degree": "degree",
    "distance": "distance",
    "core": "core number",
    "count": "count",
    "visited": "vertices reached",
}
_DIRECTED = ("out_degree", "in_degree")
_DEGREES = {*_DIRECTED, "degree", "both_degree"}
_IDS = {name for entry in _schemas.ALGORITHMS for shape in entry.shapes for name, kind in shape if kind == "vid"}
_VERTICES = _IDS - {"community"}
_OF_GRAPH = {"width", "depth", "value"}
_MAYBE_GLOBAL = _schemas.named("ClusteringCoefficient")  # with TYPE=global, its only row has an id
_OF_NOTHING = {*_VERTICES, *_OF_GRAPH}  # ids, and values of the whole graph
_NO_WAY = 2.0**63 - 1  # distance of unreachable vertices in programs with integer distances
_NAMED = {"rank": 5, "distribution": 0, "top": 20}
_LINES = 5  # default number of lines for a history
_COMMUNITIES = 12  # default number of communities for a comparison
_RUN = {"job_id", "task_id", "end_time"}  # columns of a history and of a lake
_OF_RUN = {*_RUN, "task_name"}
_SENTENCE = 1.8  # height of a figure with only a sentence, in inches
_INDEX = "__index_level_"  # prefix of columns for an unnamed DataFrame index


@private
def plot_result(
    data: Any,
    *,
    task: str | None = None,
    kind: Kind | None = None,
    column: str | None = None,
    top: int | None = None,
    scale: Scale | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Plot a result, a history or a comparison by its columns.

    Needs the extra ``plot``.

    Parameters
    ----------
    data
        One of these:

        - a result: a DataFrame, a `pyarrow.Table`, or any object with ``__arrow_c_stream__``. Readers are consumed.
        - a `Task` or a `Job`, whose result is read.
        - a history: the results of several runs, from `history`.
        - a `Comparison`, from `compare`.
    task
        Name or id of the task to plot, if `data` is a `Job` or a history with several tasks. Default: None.
    kind
        One of these:

        - ``"top"``: a bar for each of the largest values, with its id. For a history, a line over the runs. For a
          `Comparison`, a line from the rank in a to the rank in b.
        - ``"rank"``: all values in descending order, with labels for the first values.
        - ``"distribution"``: the frequencies of the values, as bars or a histogram. For degrees and other heavy-tailed
          values, a curve of the number of rows with at least each value.
        - ``"flow"``: bands between the communities of a `Comparison`. The width of a band is its number of vertices.

        Default: ``"rank"`` for scores; ``"distribution"`` for degrees, distances, core numbers and counts; ``"top"``
        for a history. Communities are plotted by size, with ``"top"`` for up to 20 of them, and ``"rank"`` for more. A
        `Comparison` uses ``"top"`` if it has ranks, and ``"flow"`` otherwise.
    column
        Column to plot. For types other than numbers, the frequency of each value is plotted. Default: the first known
        column (score, community, degrees, distance, core, count, visited), or the first numeric column after the ids.
    top
        Number of labeled values. Default: 20 bars, 5 names in a rank plot, 5 lines for a history (maximum 75), 12
        communities, or the `top` of a `Comparison`.
    scale
        ``"linear"`` or ``"log"``, for the numeric axes. Default: the scale of an Axes that shares an axis with `ax`.
        Otherwise, logarithmic if a few values are far larger than the rest. The label of a logarithmic axis contains
        "log scale". Zeros and negative values are also drawn on a logarithmic scale.
    ax
        Axes to draw on. Default: a new pyplot figure. Create your own figures with ``layout="constrained"``, which
        leaves enough space for the labels.

    Returns
    -------
    matplotlib.axes.Axes
        Use it for further changes, such as ``ax.set_title(...)`` or ``ax.figure.savefig(...)``. The figure is not
        shown. Global settings of matplotlib are unchanged.

    Raises
    ------
    ConfigError
        An argument is invalid, no column can be plotted, or matplotlib is not installed.

    Notes
    -----
    The title contains the source of the result and the number of rows. If the result may be incomplete or was changed
    after reading, the title also contains a note.

    Missing and infinite values are not drawn, and the axis label shows how many there are. Infinite distances and
    distances of 2**63 - 1 are counted as "not reached". A single value, or values that are all equal, are written as a
    sentence. Community labels differ between runs, so a history plots the sizes of the largest communities. The colors
    depend on whether the background is light or dark.

    Examples
    --------
    >>> ax = plot_result(read_sample_result(job_id, task_id))
    >>> print(ax.get_title(loc="left").splitlines()[0], "-", ax.get_ylabel())
    PageRank - score, log scale
    >>> ax = plot_result(compare(explorer.job(job_id), explorer.run_workflow(workflow_id).wait(), task="Louvain"))
    >>> ax.get_xlabel()
    'vertices'
    """
    _check_choice("kind", kind, Kind)
    _check_choice("scale", scale, Scale)
    top = None if top is None else checked_count("top", top)
    _check_axes(ax)
    if isinstance(data, Comparison):
        if not (task is column is scale is None):
            raise ConfigError(
                "task, column and scale are not supported for a Comparison", hint="Remove these arguments."
            )
        return _plot_comparison(data, kind, top, ax)
    if kind == "flow":
        raise ConfigError("kind 'flow' requires a Comparison", hint="Pass the result of compare(...).")
    if isinstance(data, Job):
        data, task = only_task(data, task), None
    reader = to_reader(data.read_arrow() if isinstance(data, Task) else data)
    of_runs = _RUN.issubset(reader.schema.names)
    if task is not None and not of_runs:
        raise ConfigError("task requires a Job or a history as data", hint="Remove task=.")
    value = _value_column(reader.schema, column, _OF_RUN if of_runs else set())
    table = reader.read_all()
    if of_runs:
        table = _of_task(table, task)
        if len(pc.unique(table["job_id"])) > 1:
            _check_kind(kind, ["top"], "a history of several runs")
            return _draw_history(ax, table, value, top, scale)
    known = _known(table)
    algorithm = _schemas.find(known.algorithm or known.task_name or "") if known and known.complete else None
    whole = algorithm is _MAYBE_GLOBAL
    subject = _subject(_of_result(table) if of_runs else table, value, alone=column is not None, whole=whole)
    kind = kind or _kind_for(value, table.schema.field(value).type, len(subject.numbers))
    count = min(top or _NAMED[kind], len(subject.numbers))
    from explorer_frames._plot.axes import write_sentence  # noqa: PLC0415 (requires matplotlib)
    from explorer_frames._plot.charts import draw  # noqa: PLC0415

    sentence = subject.sentence(kind, count)
    if ax is None:
        ax = _new_axes(_SENTENCE if sentence else _height(count if kind == "top" else 0))
    if sentence:
        write_sentence(ax, sentence, subject.left_out() if subject.ids or subject.grouped else [])
    else:
        draw(ax, subject, kind, count, scale)
    _entitle(ax, known, f"{len(table):,} {plural(len(table), 'row')}")
    return ax


def _check_kind(kind: str | None, kinds: list[str], what: str) -> None:
    if kind is not None and kind not in kinds:
        hint = f"Pass {' or '.join(map(repr, kinds))}, or remove kind=."
        raise ConfigError(f"kind {kind!r} is not supported for {what}", hint=hint)


def _draw_history(ax: Axes | None, table: pa.Table, value: str, top: int | None, scale: Scale | None) -> Axes:
    from explorer_frames._plot.history import draw_history, runs_of  # noqa: PLC0415 (requires matplotlib)

    runs = runs_of(table)
    whole = all(len(run.table) == 1 for run in runs)
    subjects = [_subject(_of_result(run.table), value, alone=True, whole=whole) for run in runs]
    count = min(top or _LINES, len(subjects[-1].numbers))
    ax = ax or _new_axes(_height(count))
    draw_history(ax, runs, subjects, count, scale)
    _entitle(ax, _known(table), f"{len(runs):,} runs")
    return ax


def _plot_comparison(found: Comparison, kind: Kind | None, top: int | None, ax: Axes | None) -> Axes:
    has = {"top": found.ranked_by is not None, "flow": found.communities_a is not None}
    kinds = [name for name, there in has.items() if there]
    if not kinds:
        raise ConfigError(
            "this Comparison has neither ranks nor communities", hint="Print the Comparison to see what changed."
        )
    _check_kind(kind, kinds, "this Comparison")
    kind = kind or kinds[0]  # type: ignore[assignment]  # a key of `has`
    if kind == "top" and top is not None and top > found.top:
        raise ConfigError(
            f"top={top} exceeds the top={found.top} of this Comparison", hint=f"Pass top={top} to compare."
        )
    from explorer_frames._plot.changes import draw_flow, draw_ranks  # noqa: PLC0415 (requires matplotlib)

    known = found.b or found.a
    name = _name(known) if known else ""
    if kind == "top":
        ax = ax or _new_axes(_height(min(len(found.top_ranks), 2 * found.top)))
        draw_ranks(ax, found, top or found.top, name, _WORDS.get(found.ranked_by or "", str(found.ranked_by)))
    else:
        ax = ax or _new_axes()
        draw_flow(ax, found, top or _COMMUNITIES, name)
    return ax


def _check_choice(name: str, value: object, choices: Any) -> None:
    if value is not None and value not in get_args(choices):
        *first, last = map(repr, get_args(choices))
        raise ConfigError(f"{name} must be {', '.join(first)} or {last}, got {as_given(value)}")


def _check_axes(ax: object) -> None:
    axes = package("matplotlib.axes", "plot")
    if ax is not None and not isinstance(ax, axes.Axes):
        hint = "Pass one Axes, such as axes[0] after fig, axes = plt.subplots(1, 2)."
        raise ConfigError(f"ax must be a matplotlib Axes, got {type(ax).__name__}", hint=hint)
    if ax is not None and ax.name != "rectilinear":
        raise ConfigError(
            f"ax has the unsupported projection {ax.name}", hint="Pass an Axes that was created without projection=."
        )


def _of_task(table: pa.Table, task: str | None) -> pa.Table:
    """Return the rows of one task in a history."""
    called = "task_name" if "task_name" in table.column_names else "task_id"
    shown = [repr(escaped(name, 60)) for name in pc.unique(table[called]).to_pylist()]
    if task is not None:
        with_id = table.filter(pc.equal(table["task_id"], task))
        table = with_id if len(with_id) else table.filter(pc.equal(table[called], task))
        if not len(table):
            hint = f"The tasks are {', '.join(shown[:20]) or 'none'}."
            raise ConfigError(f"no rows for task {escaped(task, 60)!r}", hint=hint)
    elif len(shown) > 1 and called == "task_name":
        raise ConfigError(
            f"data contains the results of {len(shown):,} tasks", hint=f"Pass one of them, such as task={shown[0]}."
        )
    runs = table.group_by(["job_id", "task_id"], use_threads=False).aggregate([]).to_pylist()
    for job_id, count in Counter(run["job_id"] for run in runs).most_common(1):
        if count > 1:
            ids = [repr(escaped(run["task_id"], 60)) for run in runs if run["job_id"] == job_id]
            raise ConfigError(
                f"job {escaped(job_id, 40)} has the results of {count} tasks",
                hint="To plot several runs, first select the rows of one task. To plot one run, pass task= with one of "
                f"these ids: {first_of(ids)}.",
            )
    return table


def _of_result(table: pa.Table) -> pa.Table:
    return table.select([name for name in table.column_names if name not in _OF_RUN])


def _height(rows: int) -> float:
    """Return the height of a figure with this number of text rows, in inches."""
    return min(0.2 * rows, 40) + 1


def _new_axes(height: float | None = None) -> Axes:
    """Create a figure of at least this height, or exactly of the height of a sentence."""
    pyplot = package("matplotlib.pyplot", "plot")
    figure, ax = pyplot.subplots(layout="constrained")
    if height is not None:
        figure.set_figheight(height if height == _SENTENCE else max(figure.get_figheight(), height))
    made: Axes = ax
    return made


def _value_column(schema: pa.Schema, column: str | None, others: set[str]) -> str:
    """Choose the column to plot."""
    names = [name for name in schema.names if not name.startswith(_INDEX) and name not in others]
    shown = ", ".join(escaped(name, 40) for name in names[:20])
    if column is not None:
        if column not in names or pa.types.is_nested(schema.field(column).type):
            what = f"cannot plot column {escaped(column, 60)!r}"
            raise ConfigError(what, hint=f"The columns are: {shown}.")
        return column
    drawable = [name for name in names if not pa.types.is_nested(schema.field(name).type)]
    numbers = [name for name in drawable if _is_number(schema.field(name).type)]
    # The first column is assumed to contain ids, unless it is a value of the whole graph.
    found = [name for name in _WORDS if name in drawable]
    found += [name for name in numbers if name not in _OF_NOTHING and name != names[0]]
    found += [name for name in numbers if name in _OF_GRAPH and name == names[0]]
    if found and (found[0] != names[0] or _is_number(schema.field(found[0]).type)):
        return found[0]
    raise ConfigError(
        f"cannot choose a column to plot from {shown}",
        hint="Pass the numeric column to plot as column=.",
    )


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _subject(table: pa.Table, value: str, *, alone: bool, whole: bool) -> Subject:
    """Return the values to plot: the sizes of groups, or the values of vertices."""
    from explorer_frames._plot.axes import exact  # noqa: PLC0415 (requires matplotlib)
    from explorer_frames._plot.charts import Subject  # noqa: PLC0415

    column = table[value]
    words = _WORDS.get(value, value)
    if _is_group(value, column.type):
        groups = pc.value_counts(column.combine_chunks())
        labels, sizes = groups.field(0), groups.field(1).to_numpy().astype(np.float64)
        things = "communities" if value == "community" else "values"
        words = _WORDS.get(value, f"rows with the same {value}")
        return Subject(sizes, lambda place: str(labels[int(place)]), things, words, grouped=True)
    ids = [table[name] for name in table.column_names if name in _VERTICES]
    if not ids and table.column_names[0] not in {value, *_OF_GRAPH}:
        ids = table.columns[:1]
    if len(table) == 1 and (whole or not ids):
        of_graph = [name for name in table.column_names if name not in _VERTICES and _is_number(table[name].type)]
        facts = [f"{_WORDS.get(name, name)}: {exact(_numbers(table[name])[0])}" for name in of_graph]
        sentence = "\n".join(["the whole graph"] * whole + facts)
        return Subject(_numbers(column), lambda _: sentence, "rows", words)
    directed = [name for name in _DIRECTED if name in table.column_names and value in _DEGREES and not alone]
    curves = directed or [value]
    return Subject(
        _numbers(column),
        lambda place: ", ".join(str(one[int(place)]) for one in ids) or f"row {place}",
        ("rows", "vertices", "pairs")[min(len(ids), 2)],
        words,
        curves={_WORDS[name]: _numbers(table[name]) for name in curves if value in _DEGREES},
        reach=_NO_WAY if value == "distance" else None,
        ids=ids,
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


def _known(table: pa.Table) -> Provenance | None:
    """Return the provenance of a table, or None if it has none."""
    document = document_of(table.schema.metadata)
    return provenance_of(current(document, table)) if document else None


def _entitle(ax: Axes, known: Provenance | None, count: str) -> None:
    from explorer_frames._plot.axes import entitle  # noqa: PLC0415 (requires matplotlib)

    if known is None:
        return
    facts = [f"{word} {value}" for word, value in (("workflow", known.workflow_id), ("job", known.job_id)) if value]
    facts.append(count)
    if not known.complete:
        facts.append(completeness(known))
    entitle(ax, _name(known), ", ".join(facts))


def _name(known: Provenance) -> str:
    name = known.task_name or known.algorithm or (f"task {known.task_id}" if known.task_id else "")
    if known.algorithm and known.algorithm.lower() not in name.lower():
        name = f"{name}: {known.algorithm}"
    return name
