"""Draw the results of several runs as lines over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from explorer_frames._plot.axes import (
    AxisText,
    Numbers,
    Scale,
    are_whole,
    colors,
    columns,
    fitting_size,
    is_log,
    largest,
    set_scale,
    write,
    write_sentence,
)
from explorer_frames._plot.glyphs import drawable

if TYPE_CHECKING:
    from explorer_frames._plot.charts import Subject

Times: TypeAlias = "np.ndarray[Any, np.dtype[np.datetime64]]"

_MARKERS = "osD^v"  # one for each color
_STYLES = ("-", "--", ":")
_LOOKS = len(_MARKERS) ** 2 * len(_STYLES)
_DATE = 12  # width of a date, in columns of text
_NAME = 20  # maximum width of a name, in columns of text
_SMALL = 0.8  # relative font size
_TICKS = 10


class Run(NamedTuple):
    """One run of a task: its job id, end time and result."""

    job_id: str
    end_time: np.datetime64
    table: pa.Table


def runs_of(table: pa.Table) -> list[Run]:
    """Split a history into runs, the earliest first."""
    runs = []
    for job_id in pc.unique(table["job_id"]).to_pylist():
        own = table.filter(pc.equal(table["job_id"], job_id))
        times = own["end_time"].cast(pa.timestamp("ms", "UTC"), safe=False).to_numpy()
        runs.append(Run(str(job_id), times[0], own))
    return sorted(runs, key=lambda run: run.end_time)


def draw_history(ax: Axes, runs: Sequence[Run], subjects: Sequence[Subject], top: int, scale: Scale | None) -> None:
    """Draw a line for each of the `top` largest values of the last run."""
    last = subjects[-1]
    lines = list(_lines(subjects, min(top, _LOOKS)))
    numbers = np.concatenate([*(line for _, line in lines), np.empty(0)])
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        write_sentence(ax, "no finite numbers in the last run", [])
        return
    times = np.array([run.end_time for run in runs])
    seconds = np.unique(times.astype("datetime64[s]"))
    timed = len(seconds) == len(times) and not np.isnat(times).any()
    places = times if timed else np.arange(len(runs))
    handles: list[Artist] = []
    for number, (_, line) in enumerate(lines):
        turn, marker = divmod(number, len(_MARKERS))
        color = colors(ax)[(marker + turn) % len(_MARKERS)]
        style = _STYLES[turn % len(_STYLES)]
        handles += ax.plot(places, line, style, color=color, marker=_MARKERS[marker], markersize=5)
    words = set_scale(ax, "y", numbers, log=is_log(ax, "y", scale, numbers), whole=are_whole(numbers))
    if len(lines) > 1:
        names, font = drawable((name for name, _ in lines), _NAME)
        size = _SMALL * fitting_size(ax, len(lines))
        legend = ax.legend(handles, names, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=size)
        for text in legend.get_texts():
            text.set(**font)
    notes = [largest(len(lines), f"the last run's {len(last.numbers):,}")] if len(lines) < len(last.numbers) else []
    write(ax, AxisText("end of the run, UTC" if timed else "job", last.value + words, notes))
    if timed:
        ax.set_xticks(*_dates(times, max(1, columns(ax)[0] // _DATE - 1)))
    else:
        some = slice(None, None, len(runs) // _TICKS + 1)
        ax.set_xticks(places[some], [run.job_id for run in runs[some]])


def _dates(times: Times, most: int) -> tuple[Times, list[str]]:
    """Return the times of the runs that fit on the axis, and their labels."""
    chosen = times[:1]
    for time in times[1:]:
        if (time - chosen[-1]) * most >= times[-1] - times[0]:
            chosen = np.append(chosen, time)
    days = np.datetime_as_string(chosen, "D").tolist()
    if len({*days}) == len(days) > 1:
        return chosen, days
    seconds = np.datetime_as_string(chosen, "s").tolist()
    return chosen, [f"{second[11:]}\n{second[:10]}" for second in seconds]


def _lines(subjects: Sequence[Subject], top: int) -> Iterator[tuple[str, Numbers]]:
    """Yield the name and the value in each run of the largest items of the last run."""
    last = subjects[-1]
    if last.grouped:  # community labels differ between runs
        for place in range(top):
            sizes = [subject.numbers[subject.ranked[place : place + 1]] for subject in subjects]
            yield (
                f"no. {place + 1}" if place else "largest",
                np.array([size[0] if len(size) else np.nan for size in sizes]),
            )
        return
    for place in last.ranked[:top]:
        found = [_place(subject, last, int(place)) for subject in subjects]
        drawn = zip(subjects, found, strict=True)
        numbers = [subject.numbers[at] if at >= 0 and subject.usable[at] else np.nan for subject, at in drawn]
        yield last.name(int(place)), np.array(numbers)


def _place(subject: Subject, last: Subject, place: int) -> int:
    """Return the row with the same ids as row `place` of the last run, or -1."""
    equal = np.ones(len(subject.numbers), bool)
    if not last.ids:
        equal &= np.arange(len(equal)) == place
    for ids, key in zip(subject.ids, last.ids, strict=True):
        equal &= pc.fill_null(pc.equal(ids, key[place]), False).to_numpy()  # noqa: FBT003
    return int(equal.argmax()) if equal.any() else -1
