"""Helpers for all plots: colors, scales, ticks and axis labels."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgba
from matplotlib.figure import FigureBase
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from explorer_frames._plot.glyphs import drawable

Numbers: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Places: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Name: TypeAlias = Literal["x", "y"]
Scale: TypeAlias = Literal["linear", "log"]

LINE = 2.5  # height of a line of text, in text columns
LARGEST = 1e300  # matplotlib overflows for larger numbers
# The Okabe-Ito palette, which is distinguishable with any color vision. Each background uses colors that also differ in
# lightness.
_ON_WHITE = ("#0072B2", "#D55E00", "#000000", "#56B4E9", "#E69F00")
_ON_BLACK = ("#56B4E9", "#E69F00", "#FFFFFF", "#0072B2", "#D55E00")
_BRIGHTNESS = (0.299, 0.587, 0.114)  # weights of red, green and blue
_HEAVY = 5  # ratio of maximum to median at which a logarithmic scale is used
_DECADES = 2.5  # logarithmic axes shorter than this also have ticks at 2 and 5
_SPAN = 1e-12  # on an axis with zeros, values below this share of the maximum are drawn at zero
_ZERO = 0.6  # distance from zero to the first power of ten, in decades
_ABOVE = 1.01  # the first tick of `SymmetricalLogLocator` is just below this multiple of a power of ten
_ROUNDING = 1e-9
_WHOLE = 1e9
_EXACT = 2.0**53


class AxisText(NamedTuple):
    """Labels of both axes, and notes on values that are not drawn."""

    below: str
    beside: str = ""
    notes: Sequence[str] = ()


def colors(ax: Axes) -> tuple[str, ...]:
    """Return the colors for a light or a dark background."""
    face = to_rgba(ax.get_facecolor())
    if not face[3]:
        face = to_rgba(ax.figure.get_facecolor())
    dark = np.dot(face[:3], _BRIGHTNESS) < 0.5  # noqa: PLR2004 (half of the maximum)
    return _ON_BLACK if dark else _ON_WHITE


def write(ax: Axes, text: AxisText) -> None:
    """Write the axis labels and the notes."""
    figure: FigureBase | None = ax.get_figure(root=True)
    if figure is not None and figure.get_layout_engine() is not None:  # type: ignore[attr-defined]
        figure.draw_without_rendering()  # type: ignore[attr-defined]  # computes the size of the Axes
    ax.spines[["top", "right"]].set_visible(False)
    width, height = columns(ax)
    notes = f" ({'; '.join(text.notes)})" if text.notes else ""
    _label(ax.xaxis, text.below + notes if text.below else "; ".join(text.notes), width)
    _label(ax.yaxis, text.beside, height)


def _label(axis: Axis, text: str, width: int) -> None:
    lines, style = drawable(textwrap.wrap(text, width, break_on_hyphens=False), width)
    axis.set_label_text("\n".join(lines), **style)


def entitle(ax: Axes, name: str, facts: str, *, room: float = 0) -> None:
    """Write the title and the facts below it, followed by `room` empty lines."""
    width = columns(ax)[0]
    lines, style = drawable([name, *textwrap.wrap(facts, width)], width)
    pad = 6 + 1.5 * room * text_size(ax)
    ax.set_title("\n".join(line for line in lines if line), loc="left", fontsize="medium", pad=pad, **style)


def write_sentence(ax: Axes, text: str, notes: Sequence[str]) -> None:
    """Write a sentence in place of a plot."""
    ax.set(xticks=[], yticks=[])
    width = columns(ax)[0]
    lines, style = drawable([line for one in text.split("\n") for line in textwrap.wrap(one, width)], width)
    ax.text(0.5, 0.5, "\n".join(lines), transform=ax.transAxes, ha="center", va="center", **style)
    write(ax, AxisText("", notes=notes))
    ax.spines[:].set_visible(False)


def columns(ax: Axes) -> tuple[int, int]:
    """Return the width and the height of the Axes, in columns of text."""
    box = ax.get_window_extent().transformed(ax.figure.dpi_scale_trans.inverted())
    letter = 0.62 / 72 * text_size(ax)
    return max(20, int(box.width / letter)), max(20, int(box.height / letter))


def text_size(ax: Axes) -> float:
    """Return the font size of the axis labels, in points."""
    return float(ax.xaxis.label.get_fontsize())


def fitting_size(ax: Axes, count: int) -> float:
    """Return the font size at which `count` lines of text fit beside the Axes, in points."""
    lines = columns(ax)[1] / LINE
    return text_size(ax) * min(1.0, max(0.4, lines / max(count, 1)))


def is_log(ax: Axes, name: Name, scale: Scale | None, numbers: Numbers, *, usual: bool | None = None) -> bool:
    """Return whether an axis is logarithmic, based on `scale`, shared axes or its values."""
    if scale is not None:
        return scale == "log"
    grouper = ax.get_shared_x_axes() if name == "x" else ax.get_shared_y_axes()
    for other in grouper.get_siblings(ax):
        if other.has_data():
            return bool((other.get_xscale() if name == "x" else other.get_yscale()) != "linear")
    return is_heavy(numbers) if usual is None else usual


def set_scale(ax: Axes, name: Name, numbers: Numbers, *, log: bool, whole: bool = False) -> str:
    """Set the scale and the ticks of an axis, and return the suffix for its label."""
    if not log:
        plain_ticks(ax, name, whole=whole)
        return ""
    change = ax.set_xscale if name == "x" else ax.set_yscale
    axis = _axis(ax, name)
    sizes = np.abs(numbers[numbers != 0])
    low, high = (sizes.min(), sizes.max()) if len(sizes) else (1.0, 1.0)
    if numbers.min(initial=1) > 0:
        change("log")
    else:
        decade = 10 ** np.floor(np.log10(max(low, high * _SPAN, 1 / LARGEST)))
        change("symlog", linthresh=_ABOVE * decade, linscale=_ZERO)
    if high < low * 10**_DECADES:
        axis.get_major_locator().set_params(subs=(1, 2, 5))  # type: ignore[call-arg]  # valid for logarithmic locators
        axis.set_major_formatter("{x:,g}")
        axis.set_minor_formatter("")
    return ", log scale"


def set_ranks(ax: Axes, count: int, *, log: bool) -> str:
    """Set the horizontal axis to ranks from 1, and return the suffix for its label."""
    words = set_scale(ax, "x", np.array([1.0, count]), log=log, whole=True)
    if not log:
        ticks = ax.get_xticks()
        ax.set_xticks([1, *ticks[(ticks > 1) & (ticks < ax.get_xlim()[1])]])
    return words


def plain_ticks(ax: Axes, name: Name, *, whole: bool = False) -> None:
    """Set readable ticks on a linear axis."""
    axis = _axis(ax, name)
    if whole:
        axis.set_major_locator(
            MaxNLocator(5 if name == "x" else "auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
        )
        axis.set_major_formatter("{x:,.0f}")
    else:
        axis.set_major_formatter(ScalarFormatter(useOffset=False))


def hide_numbers(ax: Axes, name: Name) -> None:
    """Hide the ticks of an axis whose values are written in the plot."""
    _axis(ax, name).set_ticks([])
    ax.spines["bottom" if name == "x" else "left"].set_visible(False)


def _axis(ax: Axes, name: Name) -> Axis:
    return ax.xaxis if name == "x" else ax.yaxis


def write_sides(ax: Axes, left: Sequence[tuple[float, str]], right: Sequence[tuple[float, str]], width: int) -> None:
    """Write names at positions along the left and the right edge."""
    ax.spines[:].set_visible(False)
    for axis, side in ((ax.yaxis, left), (ax.secondary_yaxis("right").yaxis, right)):
        names, style = drawable([name for _, name in side], width)
        axis.set_ticks([place for place, _ in side], names, **style)
        axis.set_tick_params(length=0)
        axis.axes.spines[:].set_visible(False)


def largest(count: int, whole: str) -> str:
    """Return a note that only the `count` largest items are drawn."""
    return f"the {f'{count:,} ' if count > 1 else ''}largest of {whole}"


def is_heavy(numbers: Numbers) -> bool:
    """Return whether the largest value is so large that a log scale is needed."""
    positive = numbers[numbers > 0]
    return bool(len(positive) and numbers.min() >= 0 and positive.max() >= _HEAVY * np.median(positive))


def are_alike(numbers: Numbers) -> bool:
    """Return whether all values are equal, except for rounding errors."""
    return bool(len(numbers) and np.ptp(numbers) <= _ROUNDING * np.abs(numbers[0]))


def are_whole(numbers: Numbers) -> bool:
    """Return whether all values are integers that are small enough to place bars."""
    return bool(np.all((numbers == np.rint(numbers)) & (np.abs(numbers) < _WHOLE)))


def exact(number: float) -> str:
    """Format integers and large numbers in full, and others with three significant digits."""
    if abs(number) < _EXACT and (number == np.rint(number) or abs(number) >= 1000):  # noqa: PLR2004 (the first number with four digits)
        return f"{number:,.0f}"
    return f"{number:#.3g}".removesuffix(".")
