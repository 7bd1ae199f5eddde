"""Graphs with an igraph topology and the vertex ids of a NebulaGraph space."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, Literal

import igraph
import numpy as np

from explorer_frames._private import private
from explorer_frames.sandbox._results import Array

VidType = Literal["string", "int64"]

# igraph has one random number generator for the whole process.
_randomness = threading.Lock()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed igraph's random number generator, for one thread at a time; calls cannot be nested."""
    with _randomness:
        igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 - reproducible, not secret
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)  # igraph's own default


@private
class Graph:
    """A graph for algorithms, built when the first one runs.

    Create one with `karate`, `les_miserables`, `power_law` or `from_edges`.

    Parameters
    ----------
    build
        Function that returns the topology and the vertex ids in its order. The topology is an `igraph.Graph`, which is
        weighted if its edges have an attribute ``weight``. The ids are an int64 array, or an object array of strings.
    """

    def __init__(self, build: Callable[[], tuple[Any, Array]]) -> None:
        self._build = build

    @classmethod
    def karate(cls) -> Graph:
        """Return Zachary's karate club: 34 members (integer ids), 78 friendships, undirected, unweighted."""
        return cls(lambda: _from_networkx("karate_club_graph", np.int64, weighted=False))

    @classmethod
    def les_miserables(cls) -> Graph:
        """Return Les Miserables: 77 characters (string ids), 254 weighted co-occurrences, undirected."""
        return cls(lambda: _from_networkx("les_miserables_graph", object, weighted=True))

    @classmethod
    def power_law(
        cls, vertices: int, *, edges_per_vertex: int = 3, seed: int = 0, vid_type: VidType = "int64"
    ) -> Graph:
        """Return an undirected graph with a power-law degree distribution (Barabasi-Albert model).

        Parameters
        ----------
        vertices
            Number of vertices. Their ids are 0, 1, 2, ... (``"v0"``, ``"v1"``, ... as strings).
        edges_per_vertex
            Number of edges of each new vertex.
        seed
            Seed of the random numbers. The same seed returns the same graph.
        vid_type
            Type of the vertex ids, ``"int64"`` or ``"string"``.
        """

        def build() -> tuple[Any, Array]:
            with seeded(seed):
                topology = igraph.Graph.Barabasi(vertices, edges_per_vertex)
            if vid_type == "int64":
                return topology, np.arange(vertices)
            return topology, np.array([f"v{number}" for number in range(vertices)], dtype=object)

        return cls(build)

    @classmethod
    def from_edges(
        cls, edges: Iterable[tuple[Any, ...]], *, directed: bool = True, vid_type: VidType = "string"
    ) -> Graph:
        """Return a graph of the given edges, with vertices in the order of first appearance.

        Parameters
        ----------
        edges
            Tuples of source and destination, and of the weight for a weighted graph.
        directed
            Whether edges are directed.
        vid_type
            Type of the vertex ids, ``"string"`` or ``"int64"``.
        """
        rows = [tuple(edge) for edge in edges]
        if len({len(row) for row in rows}) > 1 or (rows and len(rows[0]) not in (2, 3)):
            raise ValueError(
                "edges must be (source, destination) or (source, destination, weight), all of the same length"
            )
        as_vid = int if vid_type == "int64" else str
        alike = [(as_vid(row[0]), as_vid(row[1]), *map(float, row[2:])) for row in rows]
        weighted = any(len(row) > 2 for row in alike)  # noqa: PLR2004 - the third is the weight

        def build() -> tuple[Any, Array]:
            topology = igraph.Graph.TupleList(alike, directed=directed, weights=weighted)
            return topology, np.array(topology.vs["name"], dtype=np.int64 if vid_type == "int64" else object)

        return cls(build)

    @property
    def vertex_count(self) -> int:
        """Number of vertices; builds the graph."""
        return len(self.vids)

    @property
    def edge_count(self) -> int:
        """Number of edges; builds the graph."""
        return int(self.topology.ecount())

    @cached_property
    def _built(self) -> tuple[Any, Array]:
        return self._build()

    @property
    def topology(self) -> Any:
        """The `igraph.Graph`."""
        return self._built[0]

    @property
    def vids(self) -> Array:
        """The vertex ids, in the order of the topology."""
        return self._built[1]

    def view(self, *, directed: bool = True) -> Any:
        """Return the topology, with undirected edges if `directed` is false."""
        return self._undirected if self.topology.is_directed() and not directed else self.topology

    @cached_property
    def _undirected(self) -> Any:
        return self.topology.as_undirected(mode="collapse", combine_edges={"weight": "sum"})

    @property
    def weights(self) -> str | None:
        """Name of the edge attribute for weights, or None."""
        return "weight" if "weight" in self.topology.es.attributes() else None

    def find(self, vid: str) -> int:
        """Return the index of a vertex by its id as text."""
        try:
            return self._positions[vid]
        except KeyError:
            raise ValueError(f"vertex {vid!r} is not in the graph") from None

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {str(vid): position for position, vid in enumerate(self.vids.tolist())}


def _from_networkx(name: str, vid_dtype: type, *, weighted: bool) -> tuple[Any, Array]:
    import networkx as nx  # noqa: PLC0415 - slow to import, and not always needed

    topology = igraph.Graph.from_networkx(getattr(nx, name)())
    weights = topology.es["weight"]
    del topology.es["weight"]
    if weighted:
        topology.es["weight"] = [float(weight) for weight in weights]
    return topology, np.array(topology.vs["_nx_name"], dtype=vid_dtype)
