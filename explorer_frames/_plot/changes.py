"""Draw the changes between two results: lines between ranks, bands between communities."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from explorer_frames._plot.axes import LINE, AxisText, colors, columns, entitle, write, write_sentence, write_sides

if TYPE_CHECKING:
    from explorer_frames._compare.comparison import Comparison

_NAME = 24  # maximum width of a name, in columns of text
_GRAY = "0.55"
_GAP = 0.03  # space between communities, as a share of all vertices
_NODE = 0.02  # width of a bar
_ALPHA = (0.4, 0.85)  # opacity of bands: vertices that stay, vertices that move
_BEND = np.linspace(0, 1, 40)
_OTHERS = None  # key of the communities that are too small for a name


def draw_ranks(ax: Axes, found: Comparison, top: int, name: str, value: str) -> None:
    """Draw a line from rank a to rank b for each of the top rows of either result."""
    ranks = found.top_ranks
    best = ranks[["rank_a", "rank_b"]].min(axis=1)
    first = best[best <= top].sort_values(kind="stable").index
    rows = ranks.loc[first[: 2 * top]]
    if rows.empty:
        write_sentence(ax, "no ranks", [])
        return
    keys = rows.columns[:-2]
    names = [", ".join(map(str, ids)) for ids in rows[keys].itertuples(index=False)]
    places, sides = {}, {}
    for side in ("rank_a", "rank_b"):
        known = [(int(rows[side].iloc[row]), row) for row in np.flatnonzero(rows[side].notna()).tolist()]
        places[side] = {row: place for place, (_, row) in enumerate(sorted(known))}
        sides[side] = [(places[side][row], rank, names[row]) for rank, row in known]
    before, after = places["rank_a"], places["rank_b"]
    climbing, falling = colors(ax)[:2]
    for row in range(len(rows)):
        ends = [(x, side[row]) for x, side in ((0, before), (1, after)) if row in side]
        shift = int(rows["rank_a"].iloc[row] - rows["rank_b"].iloc[row]) if len(ends) > 1 else 0
        color, style = (climbing, "-") if shift > 0 else (falling, "--") if shift else (_GRAY, "-")
        ax.plot(*zip(*ends, strict=True), style, color=color, marker="o", markersize=4)
    left = [(place, f"{name}  {rank}") for place, rank, name in sides["rank_a"]]
    right = [(place, f"{rank}  {name}") for place, rank, name in sides["rank_b"]]
    ax.set(xlim=(-0.03, 1.03), ylim=(max(len(before), len(after), 5) - 0.5, -0.5))
    write_sides(ax, left, right, _NAME)
    more = len(first) - len(rows)
    _name_results(ax, found)
    share = f"{100 * (found.top_overlap or 0):.4g}% of the top {found.top} in common"
    entitle(ax, name, ", ".join([share, *_come_and_gone(found)]))
    write(ax, AxisText(f"rank by {value}", notes=[f"{more:,} more share these ranks"] if more else []))


def draw_flow(ax: Axes, found: Comparison, top: int, name: str) -> None:
    """Draw bands for the common vertices, from their community in a to that in b."""
    stay = {(row.label_a, row.label_b): int(row.overlap) for row in found.labels.itertuples()}
    move = {pair: int(count) for pair, count in found.moved.groupby(["from_a", "to_b"], observed=True).size().items()}
    flows = [(a, b, count, color) for pairs, color in ((stay, 0), (move, 1)) for (a, b), count in pairs.items()]
    sizes_a = _sizes(((a, count) for a, _, count, _ in flows), found.vanished)
    sizes_b = _sizes(((b, count) for _, b, count, _ in flows), found.appeared)
    whole = max(sum(sizes_a.values()), sum(sizes_b.values()))
    if not whole:
        write_sentence(ax, "no rows", [])
        return
    gap = _GAP * whole
    least = whole * LINE / columns(ax)[1] - gap
    named_a, named_b = _named(sizes_a, top, least), _named(sizes_b, top, least)
    bands: dict[tuple[Hashable, Hashable, int], int] = defaultdict(int)
    for a, b, count, color in flows:
        bands[a if a in named_a else _OTHERS, b if b in named_b else _OTHERS, color] += count
    order_a = [*named_a, _OTHERS]
    origin = {b: order_a.index(a) for (a, b, _), _ in sorted(bands.items(), key=lambda band: band[1])}
    order_b = [*sorted(named_b, key=lambda b: origin.get(b, len(order_a))), _OTHERS]
    starts_a, left = _stack(order_a, sizes_a, gap)
    starts_b, right = _stack(order_b, sizes_b, gap)
    bend = _BEND**2 * (3 - 2 * _BEND)
    for a, b, color in product(order_a, order_b, (0, 1)):
        count = bands[a, b, color]
        if not count:
            continue
        upper = starts_a[a] + (starts_b[b] - starts_a[a]) * bend
        starts_a[a] += count
        starts_b[b] += count
        ax.fill_between(_BEND, upper, upper + count, color=colors(ax)[color], alpha=_ALPHA[color], linewidth=0.8)
    for x, nodes in ((-_NODE, left), (1, right)):
        for start, size, _ in nodes:
            ax.bar(x, size, _NODE, start, align="edge", color=_GRAY)
    ax.set(xlim=(-_NODE, 1 + _NODE))
    ax.invert_yaxis()
    write_sides(
        ax,
        [(start + size / 2, f"{name}  {size:,}") for start, size, name in left],
        [(start + size / 2, f"{size:,}  {name}") for start, size, name in right],
        _NAME,
    )
    _name_results(ax, found)
    counts = {"stay": sum(stay.values()), "move": sum(move.values())}
    for color, (word, count) in enumerate(counts.items()):
        ax.fill_between([], [], color=colors(ax)[color], alpha=_ALPHA[color], label=f"{count:,} {word}")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, borderaxespad=0, frameon=False)
    write(ax, AxisText("vertices"))
    facts = [f"{found.communities_a:,} communities in a", f"{found.communities_b:,} in b", *_come_and_gone(found)]
    entitle(ax, name, ", ".join(facts), room=1)


def _come_and_gone(found: Comparison) -> list[str]:
    counts = {"appeared": len(found.appeared), "vanished": len(found.vanished)}
    return [f"{count:,} {word}" for word, count in counts.items() if count]


def _sizes(counts: Iterable[tuple[Hashable, int]], others: Any) -> dict[Hashable, int]:
    """Return the size of each community, including vertices that are only in this result."""
    sizes: dict[Hashable, int] = defaultdict(int)
    for label, count in counts:
        sizes[label] += count
    for label, count in others["community"].value_counts().items():
        sizes[label] += int(count)
    return sizes


def _named(sizes: Mapping[Hashable, int], top: int, least: float) -> list[Hashable]:
    """Return the largest communities with room for a name; a single remaining one is added."""
    order = sorted(sizes, key=lambda label: -sizes[label])
    named = [label for label in order[:top] if sizes[label] >= least]
    return named if len(named) < len(order) - 1 else order


def _stack(
    order: list[Hashable], sizes: Mapping[Hashable, int], gap: float
) -> tuple[dict[Hashable, float], list[tuple[float, int, str]]]:
    """Stack the communities; return their start positions and the nodes to draw."""
    starts, nodes, start = {}, [], 0.0
    few = {label: size for label, size in sizes.items() if label not in order}
    for label in order:
        size = sizes[label] if label is not _OTHERS else sum(few.values())
        starts[label] = start
        if size:
            nodes.append((start, size, str(label) if label is not _OTHERS else f"{len(few):,} others"))
        start += size + gap
    return starts, nodes


def _name_results(ax: Axes, found: Comparison) -> None:
    """Label each side with its result."""
    sides = []
    for side, known in (("a", found.a), ("b", found.b)):
        end = known and known.end_time and f"\n{known.end_time:%Y-%m-%d\n%H:%M} UTC"
        sides.append(f"{side}: job {known.job_id}{end or ''}" if known and known.job_id else side)
    ax.set_xticks([0, 1], sides)
    ax.tick_params(axis="x", length=0)
