"""Numbers of many things -> marks on an Axes: the largest by name, all by rank, or their distribution."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter

from explorer_frames._plot.glyphs import drawable

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Places: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Look: TypeAlias = tuple[str, str, float, float]

BLUE, VERMILION = "#0072B2", "#D55E00"  # of Okabe and Ito's, which all eyes can tell apart
# Colour, line, width and size of points; where one curve lies on the other, both are seen.
_ALONE: Look = (BLUE, "-", 1.5, 3)
_PAIR: tuple[Look, ...] = ((BLUE, "-", 3, 5), (VERMILION, "--", 1.5, 2.5))
_LARGEST = 1e300  # matplotlib's own arithmetic overflows beyond
_POINTS = 2_000  # more than a picture has columns
_MARKED = 100  # curves of so few points show each
_BARS = 30  # so many different whole numbers have a bar each
_TICKS = 15
_NUMBERED = 12  # so few bars have their number written above
_HEAVY = 5  # times the median: a largest value beyond it calls for a logarithmic scale
_RANKED = 20  # so few ranks need no logarithmic scale
_DECADES = 2.5  # up to which 2 and 5 have ticks, too
_LABEL = 28  # columns of text
_LINE = 2.5  # columns that are as high as one line
_CORNER = 0.4  # of the height of the Axes is for names
_ROUNDING = 1e-9
_WHOLE = 1e9
_LONG = 100_000
_IN_FULL = 1_000_000
_EXACT = 2.0**53
_ROOM = 5  # bars that there is room for, even if there are fewer


@dataclass(frozen=True)
class Subject:
    """What a picture is about: a number for each of many things.

    Attributes
    ----------
    numbers
        One for each; NaN where there is none.
    name
        What the thing at a place is called.
    things
        The word for them, such as "vertices".
    value
        The words for their number.
    curves
        Numbers whose distributions are drawn as curves, by the words for each; none for a form that suits `numbers`.
    reach
        Numbers from here on are no distances, but say that there is no way.
    """

    numbers: Numbers
    name: Callable[[int], str]
    things: str
    value: str
    curves: Mapping[str, Numbers] = field(default_factory=dict)
    reach: float | None = None

    @cached_property
    def ranked(self) -> Places:
        """Places of those whose number can be drawn, the largest first; equal ones as they came."""
        usable = np.abs(self.numbers) < _LARGEST
        if self.reach is not None:
            usable &= self.numbers < self.reach
        places = np.flatnonzero(usable)
        return places[np.argsort(-self.numbers[places], kind="stable")]

    @property
    def not_reached(self) -> int:
        """How many there is no way to."""
        return 0 if self.reach is None else int(np.count_nonzero(self.numbers >= self.reach))

    def left_out(self, *, reached: bool = True) -> list[str]:
        """What to say of those that are not drawn, be it for want of a number or of a way."""
        count = len(self.numbers) - len(self.ranked) - self.not_reached
        notes = [f"{count:,} without a finite number"] if count else []
        return notes + ([f"{self.not_reached:,} not reached"] if self.not_reached and reached else [])


class Said(NamedTuple):
    """What stands at the axes, and what the reader has to know of what is not drawn."""

    below: str
    beside: str = ""
    notes: Sequence[str] = ()


def draw(ax: Axes, subject: Subject, kind: str, top: int) -> None:
    """Draw, and say at the axes what it is, and what is not in it."""
    if len(subject.ranked) or (subject.not_reached and kind == "distribution"):
        said = _DRAW[kind](ax, subject, top)
    else:
        said = Said(subject.value, notes=subject.left_out())
        ax.set(xticks=[], yticks=[])
        why = "no finite numbers" if len(subject.numbers) else "no rows"
        ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center")
    ax.spines[["top", "right"]].set_visible(False)
    _lay_out(ax)
    width, height = _columns(ax)
    notes = f" ({'; '.join(said.notes)})" if said.notes else ""
    _label(ax.xaxis, said.below + notes, width)
    _label(ax.yaxis, said.beside, height)


def _label(axis: Axis, text: str, columns: int) -> None:
    lines, style = drawable(textwrap.wrap(text, columns, break_on_hyphens=False), columns)
    axis.set_label_text("\n".join(lines), **style)


def entitle(ax: Axes, name: str, facts: str) -> None:
    """Write the name above the picture, and the facts below the name."""
    columns = _columns(ax)[0]
    lines, style = drawable([name, *textwrap.wrap(facts, columns)], columns)
    ax.set_title("\n".join(line for line in lines if line), loc="left", fontsize="medium", **style)


def _lay_out(ax: Axes) -> None:
    """Find out how large the Axes will be."""
    figure = ax.get_figure(root=True)
    if figure is not None and figure.get_layout_engine() is not None:
        figure.draw_without_rendering()


def _columns(ax: Axes) -> tuple[int, int]:
    """Return how many columns of text are as wide, and as high, as the Axes."""
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    letter = 0.62 / 72 * _text_size(ax)
    return max(20, int(box.width / letter)), max(20, int(box.height / letter))


def _text_size(ax: Axes) -> float:
    return float(ax.xaxis.label.get_fontsize())


def _draw_top(ax: Axes, subject: Subject, top: int) -> Said:
    """Draw a bar for each of the `top` largest, by name."""
    places = subject.ranked[:top]
    rows = np.arange(len(places))
    numbers = subject.numbers[places]
    names, style = drawable(map(subject.name, places), _LABEL)
    lines = _columns(ax)[1] / _LINE
    size = _text_size(ax) * min(1.0, max(0.4, lines / max(len(places), 1)))
    bars = ax.barh(rows, numbers, height=0.7, color=BLUE)
    ax.bar_label(bars, [_exact(number) for number in numbers], padding=3, fontsize=size)
    ax.set_yticks(rows, names, fontsize=size, **style)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(max(len(rows), _ROOM) - 0.5, -0.5)
    ax.margins(x=0.14)
    _plain(ax, "x", whole=_are_whole(numbers))
    part = [f"the {len(places):,} largest of {len(subject.numbers):,}"] if len(places) < len(subject.ranked) else []
    return Said(subject.value, notes=part + subject.left_out())


def _draw_rank(ax: Axes, subject: Subject, top: int) -> Said:
    """Draw all numbers, the largest first, and name the first `top`."""
    numbers = subject.numbers[subject.ranked]
    notes = subject.left_out()
    log = _is_heavy(numbers)
    if log:
        notes += _zeros(numbers, subject.value)
        numbers = numbers[numbers > 0]
    shown = _thinned(len(numbers), log=log)
    ax.plot(shown + 1, numbers[shown], color=BLUE, marker="o" if len(numbers) <= _MARKED else "", markersize=3)
    _scale(ax, "y", log=log, whole=_are_whole(numbers))
    _scale(ax, "x", log=log and len(numbers) > _RANKED, whole=True)
    if _are_alike(numbers):
        around = 0.05 * abs(numbers[0]) or 1.0
        ax.set_ylim(numbers[0] - around, numbers[0] + around)
    _name_first(ax, subject, top)
    return Said(f"rank among the {subject.things}", subject.value, notes)


def _draw_distribution(ax: Axes, subject: Subject, top: int) -> Said:
    """Draw how many have which number, in the form that suits the numbers."""
    del top
    if subject.curves:
        return _draw_curves(ax, subject)
    numbers = subject.numbers[subject.ranked][::-1]
    values, counts = np.unique(numbers, return_counts=True)
    if _are_alike(values):
        values, counts = values[-1:], np.array([len(numbers)])
    whole = _are_whole(values)
    if len(values) <= 1 or (whole and len(values) <= _BARS and values[-1] - values[0] <= 2 * _BARS):
        _draw_bars(ax, values, counts, subject.not_reached)
        return Said(subject.value, subject.things, subject.left_out(reached=False))
    if _is_heavy(numbers) and subject.reach is None:
        notes = subject.left_out() + _draw_curve(ax, numbers, _ALONE, subject.value)
        return Said(subject.value, f"{subject.things} with as much or more", notes)
    _draw_histogram(ax, numbers, whole=whole)
    return Said(subject.value, subject.things, subject.left_out())


def _draw_curves(ax: Axes, subject: Subject) -> Said:
    looks = _PAIR if len(subject.curves) > 1 else (_ALONE,)
    curves = zip(subject.curves.items(), looks, strict=True)
    notes = [note for (label, numbers), look in curves for note in _draw_curve(ax, numbers, look, label)]
    if len(looks) > 1:
        ax.legend(frameon=False)
    return Said(subject.value, f"{subject.things} with as much or more", notes)


def _draw_curve(ax: Axes, numbers: Numbers, look: Look, label: str) -> list[str]:
    """Draw how many have at least so much: heavy tails are straight there, and no bins hide anything."""
    color, line, width, size = look
    numbers = np.sort(numbers[np.abs(numbers) < _LARGEST])
    values, firsts = np.unique(numbers, return_index=True)
    counts = (len(numbers) - firsts)[values > 0]
    values = values[values > 0]
    shown = len(values) - 1 - _thinned(len(values), log=True)[::-1]
    marker = "o" if len(values) <= _MARKED else ""
    (curve,) = ax.plot(values[shown], counts[shown], line, color=color, linewidth=width, label=label)
    curve.set(marker=marker, markersize=size)
    _scale(ax, "x", log=len(values) > 0)
    _scale(ax, "y", log=len(values) > 0, whole=True)
    return _zeros(numbers, label)


def _draw_bars(ax: Axes, values: Numbers, counts: Places, not_reached: int) -> None:
    """Draw a bar for each value, and one for what there is no way to."""
    places, ticks, labels = values, values, [_exact(value) for value in values]
    if not _are_whole(values):  # then there is one
        places = ticks = np.zeros(len(values))
    elif len(values):
        ticks = np.arange(values[0], values[-1] + 1, np.ceil((values[-1] - values[0] + 1) / _TICKS))
        labels = [_exact(tick) for tick in ticks]
    if not_reached:
        beyond = places[-1] + max(2, 0.1 * (places[-1] - places[0])) if len(places) else 0.0
        places, counts = np.append(places, beyond), np.append(counts, not_reached)
        ticks, labels = np.append(ticks, beyond), [*labels, "not\nreached"]
    bars = ax.bar(places, counts, width=0.8, color=BLUE)
    if len(bars) <= _NUMBERED:
        ax.bar_label(bars, [_exact(count) for count in counts], padding=2, fontsize="small")
    ax.set_xticks(ticks, labels)
    room = max(0.0, _ROOM - (places[-1] - places[0])) / 2
    ax.set_xlim(places[0] - room - 0.6, places[-1] + room + 0.6)
    ax.margins(y=0.1)
    _plain(ax, "y", whole=True)


def _draw_histogram(ax: Axes, numbers: Numbers, *, whole: bool) -> None:
    low, high = numbers[0], numbers[-1]
    bins = int(np.clip(np.sqrt(len(numbers)), 10, 60))
    edges = np.linspace(low, high, bins + 1)
    if whole:  # as many whole numbers in each
        edges = np.arange(low - 0.5, high + np.ceil((high - low + 1) / bins), np.ceil((high - low + 1) / bins))
    counts, _ = np.histogram(numbers, edges)
    ax.bar(edges[:-1], counts, np.diff(edges), align="edge", color=BLUE, edgecolor="white", linewidth=0.5)
    _plain(ax, "x", whole=whole)
    _plain(ax, "y", whole=True)


def _name_first(ax: Axes, subject: Subject, top: int) -> None:
    """Name the first in a corner that is free; not so many that none would be."""
    width, height = _columns(ax)
    top = min(top, int(height / _LINE * _CORNER)) if width > _LABEL else 0
    places = subject.ranked[: top + 1]
    numbers = subject.numbers[places]
    if top < len(places) and _are_alike(numbers):
        return  # more have the same number, and nothing says which are the first
    names, style = drawable(map(subject.name, places[:top]), min(_LABEL, width // 2))
    lines = [
        f"{rank}. {name}  {_exact(number)}" for rank, (name, number) in enumerate(zip(names, numbers, strict=False), 1)
    ]
    handles = ax.plot([], [], " ") * len(lines)
    legend = ax.legend(handles, lines, frameon=False, handlelength=0, handletextpad=0, fontsize="small")
    for text in legend.get_texts():
        text.set(**style)


def _is_heavy(numbers: Numbers) -> bool:
    """Whether a few are so much larger than most that only a logarithmic scale shows all."""
    positive = numbers[numbers > 0]
    return bool(len(positive) and numbers.min() >= 0 and positive.max() >= _HEAVY * np.median(positive))


def _zeros(numbers: Numbers, value: str) -> list[str]:
    count = np.count_nonzero(numbers <= 0)
    return [f"{count:,} with {value} 0"] if count else []


def _thinned(count: int, *, log: bool) -> Places:
    """Return the places of the points to draw: all, or as many as can be seen."""
    if count <= _POINTS:
        return np.arange(count)
    spread = np.geomspace(1, count, _POINTS) - 1 if log else np.linspace(0, count - 1, _POINTS)
    return np.unique(np.rint(spread).astype(np.int64))


def _are_alike(numbers: Numbers) -> bool:
    """Whether they differ by no more than rounding."""
    return bool(len(numbers) and np.ptp(numbers) <= _ROUNDING * np.abs(numbers[0]))


def _are_whole(numbers: Numbers) -> bool:
    """Whether they are integers, and small enough to be told apart by the places of bars."""
    return bool(np.all((numbers == np.rint(numbers)) & (np.abs(numbers) < _WHOLE)))


def _scale(ax: Axes, name: Literal["x", "y"], *, log: bool, whole: bool = False) -> None:
    """Give an axis its scale, and ticks that can be read."""
    if not log:
        _plain(ax, name, whole=whole)
        return
    ax.set(**{f"{name}scale": "log"})
    axis = ax.xaxis if name == "x" else ax.yaxis
    low, high = axis.get_view_interval()
    if high < low * 10**_DECADES:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(lambda number, _: _short(number))
    axis.set_minor_formatter(NullFormatter())


def _plain(ax: Axes, name: Literal["x", "y"], *, whole: bool = False) -> None:
    axis = ax.xaxis if name == "x" else ax.yaxis
    if whole:
        wide = name == "x" and axis.get_view_interval()[1] >= _LONG
        axis.set_major_locator(MaxNLocator(5 if wide else "auto", integer=True, min_n_ticks=1))
        axis.set_major_formatter(lambda number, _: f"{number:,.0f}")
    else:
        axis.set_major_formatter(ScalarFormatter(useOffset=False))


def _short(number: float) -> str:
    """Write a tick's number: 10,000 and 1e7 and 1e-5."""
    text = f"{number:,.0f}" if number == np.rint(number) and abs(number) <= _IN_FULL else f"{number:g}"
    return re.sub(r"e\+?(-?)0*", r"e\1", text)


def _exact(number: float) -> str:
    """Write whole and large numbers in full, and others with three digits."""
    if abs(number) < _EXACT and (number == np.rint(number) or abs(number) >= 1000):  # noqa: PLR2004 (has four digits)
        return f"{number:,.0f}"
    return f"{number:#.3g}".removesuffix(".")


_DRAW: dict[str, Callable[[Axes, Subject, int], Said]] = {
    "top": _draw_top,
    "rank": _draw_rank,
    "distribution": _draw_distribution,
}
