"""The results of several runs -> lines over the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from explorer_frames._plot.axes import (
    Numbers,
    Said,
    Scale,
    are_whole,
    colors,
    columns,
    is_log,
    set_scale,
    write,
)
from explorer_frames._plot.glyphs import drawable

if TYPE_CHECKING:
    from explorer_frames._plot.charts import Subject

_TIMES = ["%Y", "%Y-%m", "%m-%d", "%H:%M", "%H:%M", "%H:%M:%S.%f"]  # ticks at years, months, and so on
_TICK = 12  # columns that a time takes
_MARKERS = "osD^v"
_STYLES = ("-", "--", ":")
_NAME = 20  # columns of text
_PLACES = ("largest", "2nd", "3rd")


class Run(NamedTuple):
    """One run of a task: the job's id, its end, and its result."""

    job_id: str
    end_time: np.datetime64
    table: pa.Table


def runs_of(table: pa.Table) -> list[Run]:
    """Take a history apart, the earliest run first."""
    runs = []
    for keys in table.group_by(["job_id", "task_id"], use_threads=False).aggregate([("end_time", "max")]).to_pylist():
        chosen = pc.and_(pc.equal(table["job_id"], keys["job_id"]), pc.equal(table["task_id"], keys["task_id"]))
        own = table.filter(chosen)
        time = own["end_time"].cast(pa.timestamp("ms", "UTC"), safe=False)[0].as_py()
        end = np.datetime64(time.replace(tzinfo=None) if time else "NaT", "ms")
        runs.append(Run(str(keys["job_id"]), end, own))
    return sorted(runs, key=lambda run: run.end_time)


def draw_history(ax: Axes, runs: Sequence[Run], subjects: Sequence[Subject], top: int, scale: Scale | None) -> None:
    """Draw a line over the runs for each of the first `top` of the last run."""
    last = subjects[-1]
    lines = dict(_lines(subjects, top))
    numbers = np.concatenate([*lines.values(), np.empty(0)])
    numbers = numbers[np.isfinite(numbers)]
    times = np.array([run.end_time for run in runs])
    timed = not np.isnat(times).any() and len(np.unique(times)) == len(times)
    places = times if timed else np.arange(len(runs))
    for number, (name, line) in enumerate(lines.items()):
        turn = number // len(_MARKERS)
        marker, style = _MARKERS[number % len(_MARKERS)], _STYLES[turn % len(_STYLES)]
        color = colors(ax)[number % len(_MARKERS)]
        ax.plot(places, line, style, color=color, marker=marker, markersize=5, label=name)
    words = set_scale(ax, "y", numbers, log=is_log(ax, "y", scale, numbers), whole=are_whole(numbers))
    if len(lines) > 1:
        names, font = drawable(lines, _NAME)
        legend = ax.legend(names, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize="small")
        for text in legend.get_texts():
            text.set(**font)
    notes = [f"the {len(lines)} largest of the last run's {len(last.numbers):,}"] if top < len(last.numbers) else []
    days = sorted({str(time.astype("datetime64[D]")) for time in times[[0, -1]]})
    below = f"end of the run, UTC, {' to '.join(days)}" if timed else "job"
    write(ax, Said(below, last.value + words, notes))
    if timed:
        most = max(3, columns(ax)[0] // _TICK)
        locator = AutoDateLocator(minticks=2, maxticks=most)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_locator(locator)
        formatter = ConciseDateFormatter(locator, formats=_TIMES, zero_formats=_TIMES, show_offset=False)  # type: ignore[no-untyped-call]
        ax.xaxis.set_major_formatter(formatter)
    else:
        ax.set_xticks(places, [run.job_id for run in runs])


def _lines(subjects: Sequence[Subject], top: int) -> Iterator[tuple[str, Numbers]]:
    """Find the numbers in each run of the things that come first in the last run, which is the order of the lines."""
    last = subjects[-1]
    if last.grouped:  # labels are names only, and come out otherwise in each run
        for place in range(top):
            name = _PLACES[place] if place < len(_PLACES) else f"{place + 1}th"
            sizes = [subject.numbers[subject.ranked[place : place + 1]] for subject in subjects]
            yield name, np.array([size[0] if len(size) else np.nan for size in sizes])
        return
    for place in last.ranked[:top]:
        found = [_place(subject, [ids[int(place)] for ids in last.ids]) for subject in subjects]
        drawn = zip(subjects, found, strict=True)
        numbers = [subject.numbers[at] if at >= 0 and subject.usable[at] else np.nan for subject, at in drawn]
        yield last.name(int(place)), np.array(numbers)


def _place(subject: Subject, key: Sequence[pa.Scalar]) -> int:
    """Return the row of an id, or of the ids of a pair; -1 if there is none."""
    equal = np.ones(len(subject.numbers), bool)
    for ids, value in zip(subject.ids, key, strict=True):
        equal &= pc.fill_null(pc.equal(ids, value), False).to_numpy()  # noqa: FBT003
    return int(equal.argmax()) if equal.any() else -1
