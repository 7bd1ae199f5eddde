"""Draw the largest values by name, all values by rank, or their distribution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes

from explorer_frames._plot.axes import (
    LARGEST,
    LINE,
    AxisText,
    Numbers,
    Places,
    Scale,
    are_alike,
    are_whole,
    colors,
    columns,
    exact,
    fitting_size,
    hide_numbers,
    is_heavy,
    is_log,
    largest,
    plain_ticks,
    set_ranks,
    set_scale,
    write,
)
from explorer_frames._plot.glyphs import drawable

# Line style, line width and marker size. The widths differ, so two identical curves are both visible.
Look: TypeAlias = tuple[str, float, float]
_ALONE: Look = ("-", 1.5, 3)
_PAIR: tuple[Look, ...] = (("-", 3, 5), ("--", 1.5, 2.5))
_POINTS = 2_000  # more than the width of a figure in pixels
_MARKED = 100  # maximum number of points with markers
_BARS = 30  # maximum number of distinct integers with a bar each
_TICKS = 15
_NUMBERED = 12  # maximum number of bars with labels
_LABEL = 28  # maximum width of a label, in columns of text
_CORNER = 0.4  # maximum share of the height of the Axes that names take
_ROOM = 5  # minimum number of bar positions
_GROUP = {"communities": "community", "values": "value"}


@dataclass(frozen=True)
class Subject:
    """Values to plot, one per item: a vertex, a pair, a row or a group."""

    numbers: Numbers  # value of each item; NaN if missing
    name: Callable[[int], str]  # returns the name of the item at a position
    things: str  # noun for the items, such as "vertices"
    value: str  # label of the values
    curves: Mapping[str, Numbers] = field(default_factory=dict)  # values to draw as distribution curves, by label
    reach: float | None = None  # distances of this size or more count as not reached
    ids: Sequence[Any] = ()  # id columns of the items
    grouped: bool = False  # whether the values are sizes of groups

    @cached_property
    def usable(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Whether each number can be drawn."""
        usable = np.abs(self.numbers) < LARGEST
        return usable if self.reach is None else usable & (self.numbers < self.reach)

    @cached_property
    def ranked(self) -> Places:
        """Positions of the drawable values in descending order, with ties in input order."""
        places = np.flatnonzero(self.usable)
        return places[np.argsort(-self.numbers[places], kind="stable")]

    @property
    def not_reached(self) -> int:
        """Number of items that cannot be reached."""
        return 0 if self.reach is None else int(np.count_nonzero(self.numbers >= self.reach))

    def left_out(self, *, reached: bool = True) -> list[str]:
        """Return notes on items that have no number or are not reached."""
        count = len(self.numbers) - len(self.ranked) - self.not_reached
        notes = [f"{count:,} without a finite number"] if count else []
        return notes + ([f"{self.not_reached:,} not reached"] if self.not_reached and reached else [])

    def sentence(self, kind: str, top: int) -> str:
        """Return a sentence to write instead of a plot, or an empty string to draw the plot."""
        numbers = self.numbers[self.ranked]
        several = kind == "distribution" and len(self.numbers) > 1 and (self.not_reached or len(self.curves) > 1)
        if several:
            numbers = np.concatenate([self.numbers, *self.curves.values()])
            numbers = numbers[~np.isnan(numbers)]
        count = len(numbers)
        if not count:
            return "no finite numbers" if len(self.numbers) else "no rows"
        if several:
            return ""
        if len(self.numbers) == 1 and not (self.ids or self.grouped):
            return self.name(0)
        if count == 1:
            only = f"only one {_GROUP.get(self.things, 'row')}: " if len(self.numbers) == 1 else ""
            return f"{only}{self.name(int(self.ranked[0]))}\n{self.value}: {exact(numbers[0])}"
        if are_alike(numbers) and (kind != "top" or count > top):
            return f"all {count:,} {self.things} have the same {self.value}: {exact(numbers[0])}"
        return ""


def draw(ax: Axes, subject: Subject, kind: str, top: int, scale: Scale | None) -> None:
    """Draw a chart with axis labels and notes."""
    write(ax, _DRAW[kind](ax, subject, top, scale))


def _draw_top(ax: Axes, subject: Subject, top: int, scale: Scale | None) -> AxisText:
    """Draw labeled bars for the `top` largest values, or points on a logarithmic scale."""
    places = subject.ranked[:top]
    rows = np.arange(len(places))
    numbers = subject.numbers[places]
    names, style = drawable(map(subject.name, places), _LABEL)
    size = fitting_size(ax, len(places))
    color = colors(ax)[0]
    words = ""
    if is_log(ax, "x", scale, numbers, usual=False):
        ax.plot(numbers, rows, "o", color=color)
        ax.grid(axis="y", alpha=0.4)
        words = set_scale(ax, "x", numbers, log=True)
    else:
        bars = ax.barh(rows, numbers, height=0.7, color=color)
        ax.bar_label(bars, [exact(number) for number in numbers], padding=3, fontsize=size)
        ax.margins(x=0.14)
        hide_numbers(ax, "x")
    ax.set_yticks(rows, names, fontsize=size, **style)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(max(len(rows), _ROOM) - 0.5, -0.5)
    return AxisText(subject.value + words, notes=_part(subject, len(places)) + subject.left_out())


def _part(subject: Subject, count: int) -> list[str]:
    """Return notes if not all items are drawn, including the ties with the last one."""
    if count >= len(subject.ranked):
        return []
    numbers = subject.numbers[subject.ranked]
    last = numbers[count - 1]
    tied = numbers == last
    shown, ties = np.count_nonzero(tied[:count]), np.count_nonzero(tied)
    shares = [f"{shown:,} of {ties:,} that share {exact(last)}"] if ties > shown else []
    return shares if shares and shown == count else [largest(count, f"{len(subject.numbers):,}"), *shares]


def _draw_rank(ax: Axes, subject: Subject, top: int, scale: Scale | None) -> AxisText:
    """Draw all values in descending order, with names for the first `top`."""
    numbers = subject.numbers[subject.ranked]
    log = is_log(ax, "y", scale, numbers)
    shown = _thinned(len(numbers), log=log)
    marker = "o" if len(numbers) <= _MARKED else ""
    ax.plot(shown + 1, numbers[shown], color=colors(ax)[0], marker=marker, markersize=3)
    beside = set_scale(ax, "y", numbers, log=log, whole=are_whole(numbers))
    below = set_ranks(ax, len(numbers), log=log)
    _name_first(ax, subject, top)
    notes = _zeros(numbers, subject.value) if log else []
    return AxisText(f"rank among the {subject.things}{below}", subject.value + beside, subject.left_out() + notes)


def _draw_distribution(ax: Axes, subject: Subject, top: int, scale: Scale | None) -> AxisText:
    """Draw the distribution as curves, bars or a histogram, depending on the values."""
    del top
    if subject.curves:
        log = is_log(ax, "x", scale, subject.numbers, usual=True)
        return _draw_curves(ax, subject.curves, subject.things, log=log)
    numbers = subject.numbers[subject.ranked][::-1]
    values, counts = np.unique(numbers, return_counts=True)
    whole = are_whole(values)
    few = len(values) <= 1 or (whole and len(values) <= _BARS and values[-1] - values[0] <= 2 * _BARS)
    if is_log(ax, "x", scale, numbers, usual=not few and is_heavy(numbers) and subject.reach is None):
        text = _draw_curves(ax, {subject.value: numbers}, subject.things, log=True)
        return text._replace(notes=[*subject.left_out(), *text.notes])
    if few:
        _draw_bars(ax, values, counts, subject.not_reached)
        return AxisText(subject.value, subject.things, subject.left_out(reached=False))
    _draw_histogram(ax, numbers, whole=whole)
    return AxisText(subject.value, subject.things, subject.left_out())


def _draw_curves(ax: Axes, curves: Mapping[str, Numbers], things: str, *, log: bool) -> AxisText:
    """Draw the number of items with at least each value, which shows heavy tails."""
    looks = _PAIR if len(curves) > 1 else (_ALONE,)
    drawn = [numbers[np.abs(numbers) < LARGEST] for numbers in curves.values()]
    for label, numbers, (line, width, size), color in zip(curves, drawn, looks, colors(ax), strict=False):
        values, firsts = np.unique(np.sort(numbers), return_index=True)
        counts = len(numbers) - firsts
        shown = len(values) - 1 - _thinned(len(values), log=True)[::-1]
        (curve,) = ax.plot(values[shown], counts[shown], line, color=color, linewidth=width, label=label)
        curve.set(marker="o" if len(values) <= _MARKED else "", markersize=size)
    both = np.concatenate(drawn)
    below = set_scale(ax, "x", both, log=log, whole=are_whole(both))
    beside = set_scale(ax, "y", np.array([1.0, max(map(len, drawn))]), log=log, whole=True)
    if len(looks) > 1:
        ax.legend(frameon=False)
    notes = [note for label, numbers in zip(curves, drawn, strict=True) for note in _zeros(numbers, label) if log]
    return AxisText(" and ".join(curves) + below, f"{things} with at least this value{beside}", notes)


def _draw_bars(ax: Axes, values: Numbers, counts: Places, not_reached: int) -> None:
    """Draw a bar for each value, and one for items that are not reached."""
    places, ticks, labels = values, values, [exact(value) for value in values]
    if not are_whole(values):  # in this case, there is only one value
        places = ticks = np.zeros(len(values))
    elif len(values):
        ticks = np.arange(values[0], values[-1] + 1, np.ceil((values[-1] - values[0] + 1) / _TICKS))
        labels = [exact(tick) for tick in ticks]
    if not_reached:
        beyond = places[-1] + max(2, 0.1 * (places[-1] - places[0])) if len(places) else 0.0
        places, counts = np.append(places, beyond), np.append(counts, not_reached)
        ticks, labels = np.append(ticks, beyond), [*labels, "not\nreached"]
    bars = ax.bar(places, counts, width=0.8, color=colors(ax)[0])
    plain_ticks(ax, "y", whole=True)
    if len(bars) <= _NUMBERED:
        ax.bar_label(bars, [exact(count) for count in counts], padding=2, fontsize="small")
        hide_numbers(ax, "y")
    ax.set_xticks(ticks, labels)
    room = max(0.0, _ROOM - (places[-1] - places[0])) / 2
    ax.set_xlim(places[0] - room - 0.6, places[-1] + room + 0.6)
    ax.margins(y=0.1)


def _draw_histogram(ax: Axes, numbers: Numbers, *, whole: bool) -> None:
    low, high = numbers[0], numbers[-1]
    bins = int(np.clip(np.sqrt(len(numbers)), 10, 60))
    edges = np.linspace(low, high, bins + 1)
    if whole:  # all bins have the same number of integers
        edges = np.arange(low - 0.5, high + np.ceil((high - low + 1) / bins), np.ceil((high - low + 1) / bins))
    counts, _ = np.histogram(numbers, edges)
    bars = ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colors(ax)[0], linewidth=0.5)
    for bar in bars:
        bar.set_edgecolor(ax.get_facecolor())
    plain_ticks(ax, "x", whole=whole)
    plain_ticks(ax, "y", whole=True)


def _name_first(ax: Axes, subject: Subject, top: int) -> None:
    """Write the names and values of the first items in a free corner of the Axes."""
    width, height = columns(ax)
    top = min(top, int(height / LINE * _CORNER)) if width > _LABEL else 0
    numbers = subject.numbers[subject.ranked]
    first = numbers[:top]
    if 0 < top < len(numbers) and numbers[top] == first[-1]:  # the order of ties is arbitrary
        first = first[first > first[-1]]
    names, style = drawable(map(subject.name, subject.ranked[: len(first)]), min(_LABEL, width // 2))
    shown = [exact(number) for number in first]
    if len(first) < min(top, len(numbers)):
        names.append(f"{np.count_nonzero(numbers == numbers[len(first)]):,} {subject.things} share")
        shown.append(exact(numbers[len(first)]))
    if not names:
        return
    handles = ax.plot([], [], " ") * len(names) * 2
    look: dict[str, Any] = {
        "frameon": False,
        "handlelength": 0,
        "handletextpad": 0,
        "fontsize": "small",
        "columnspacing": 1,
    }
    legend = ax.legend(handles, [*names, *shown], ncols=2, **look)
    for text in legend.get_texts():
        text.set(**style)


def _zeros(numbers: Numbers, value: str) -> list[str]:
    count = np.count_nonzero(numbers == 0)
    return [f"{count:,} with {value} 0"] if count else []


def _thinned(count: int, *, log: bool) -> Places:
    """Return the indices of the points to draw, at most as many as a figure can show."""
    if count <= _POINTS:
        return np.arange(count)
    spread = np.geomspace(1, count, _POINTS) - 1 if log else np.linspace(0, count - 1, _POINTS)
    return np.unique(np.rint(spread).astype(np.int64))


_DRAW: dict[str, Callable[[Axes, Subject, int, Scale | None], AxisText]] = {
    "top": _draw_top,
    "rank": _draw_rank,
    "distribution": _draw_distribution,
}
