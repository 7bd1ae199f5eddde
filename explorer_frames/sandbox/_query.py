"""The Query component returns edges of the saved graph as the input of later tasks.

nGQL is not supported. The parameter ``limit`` is the number of rows, or -1 for all rows. The parameter ``columns`` is a
comma-separated list of columns. The default is all columns, in this order:

======== ======= ==================================================================================
column   type    value
======== ======= ==================================================================================
src, dst vid     ids of the edge's source and destination
serial   integer property of the edge: its index in the graph, starting at 2^53 + 1
share    double  property of the source vertex: 1 / number of its edges
active   boolean property of the edge: false for every third edge
since    date    property of the edge: one day later for each edge
note     text    property of the edge: empty, or with quotes, commas, spaces or non-ASCII letters
weight   double  property of the edge, only in weighted graphs
======== ======= ==================================================================================

The algorithms after a Query run on the graph of the returned edges. They require the columns ``src`` and ``dst``.
Without the column ``weight``, the graph is unweighted. The vertices are in the order of the saved graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import igraph
import numpy as np

from explorer_frames.sandbox._graphs import Graph
from explorer_frames.sandbox._results import Array, Columns

_FIRST_SERIAL = 2**53 + 1  # not representable as a float
_FIRST_DAY, _DAYS = np.datetime64("2022-07-12"), 1000
_NOTES = (
    "plain",
    'says "hello", then leaves',
    "Füße, 雪 and 💡",
    "",
    "  it's between blanks  ",
    "007",
    "null",
)


class EdgeRows(Columns):
    """Result of a Query."""

    def __init__(self, columns: Iterable[Array], build: Callable[[], tuple[Any, Array]]) -> None:
        super().__init__(*columns)
        self._build = build

    def to_graph(self) -> Graph:
        """Return a new graph of the rows, which the job does not keep in memory."""
        return Graph(self._build)


def run_query(graph: Graph, p: Mapping[str, Any]) -> EdgeRows:
    """Return edges of the graph; the rows are the same for the same parameters."""
    rows = graph.edge_count if p["limit"] < 0 else min(p["limit"], graph.edge_count)
    ends = np.asarray(graph.topology.get_edgelist()[:rows], dtype=np.int64).reshape(-1, 2)
    weights = graph.topology.es["weight"][:rows] if graph.weights else None
    columns = _columns(graph, ends, weights)
    names = [name.strip() for name in (p["columns"] or ",".join(columns)).split(",")]
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise ValueError(f"unknown column {', '.join(map(repr, unknown))}; known: {', '.join(columns)}")

    def build() -> tuple[Any, Array]:
        if not {"src", "dst"} <= set(names):
            raise ValueError(f"the Query returned {', '.join(names)}; algorithms require the columns src and dst")
        vertices, edges = np.unique(ends, return_inverse=True)
        directed = graph.topology.is_directed()
        topology = igraph.Graph(len(vertices), edges.reshape(-1, 2).tolist(), directed=directed)
        if "weight" in names:
            topology.es["weight"] = weights
        return topology, graph.vids[vertices]

    return EdgeRows((columns[name] for name in names), build)


def _columns(graph: Graph, ends: Array, weights: list[float] | None) -> dict[str, Array]:
    numbers, sources = np.arange(len(ends), dtype=np.int64), ends[:, 0]
    share = [repr(1 / max(degree, 1)) for degree in graph.topology.degree()]
    columns = {
        "src": graph.vids[sources],
        "dst": graph.vids[ends[:, 1]],
        "serial": _FIRST_SERIAL + numbers,
        "share": _texts(share)[sources],
        "active": np.where(numbers % 3 == 2, "false", "true").astype(object),  # noqa: PLR2004 (every third)
        "since": np.datetime_as_string(_FIRST_DAY + numbers % _DAYS).astype(object),
        "note": _texts(_NOTES)[numbers % len(_NOTES)],
    }
    return columns if weights is None else {**columns, "weight": _texts(map(repr, weights))}


def _texts(values: Iterable[str]) -> Array:
    return np.array([*values], dtype=object)
