"""Graphs with an igraph topology and NebulaGraph vertex ids."""

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
    """Seed igraph's random number generator, for one thread at a time."""
    with _randomness:  # not reentrant
        igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 - reproducible, not secret
        try:
            yield
        finally:
            igraph.set_random_number_generator(random)  # igraph's own default


@private
class Graph:
    """Graph for algorithms, which is built when the first algorithm runs.

    Create a graph with `karate`, `les_miserables`, `power_law` or `from_edges`.

    Parameters
    ----------
    build
        Function that returns the topology and its vertex ids. The topology is an `igraph.Graph`, which is weighted if
        its edges have the attribute ``weight``. The ids are an int64 array, or an object array of strings, in the order
        of the vertices.
    """

    def __init__(self, build: Callable[[], tuple[Any, Array]]) -> None:
        self._build = build

    @classmethod
    def karate(cls) -> Graph:
        """Return Zachary's karate club, an undirected graph of 34 members (integer ids) and 78 friendships."""
        return cls(lambda: _from_networkx("karate_club_graph", np.int64, weighted=False))

    @classmethod
    def les_miserables(cls) -> Graph:
        """Return Les Miserables, an undirected graph of 77 characters (string ids) and 254 weighted edges."""
        return cls(lambda: _from_networkx("les_miserables_graph", object, weighted=True))

    @classmethod
    def power_law(
        cls, vertices: int, *, edges_per_vertex: int = 3, seed: int = 0, vid_type: VidType = "int64"
    ) -> Graph:
        """Return an undirected graph with a power-law degree distribution (Barabasi-Albert model).

        Parameters
        ----------
        vertices
            Number of vertices. Their ids are 0, 1, 2 and so on, or ``"v0"``, ``"v1"``, ``"v2"`` and so on for strings.
        edges_per_vertex
            Number of edges of each new vertex.
        seed
            Seed of the random number generator. The same seed returns the same graph.
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
        """Return a graph of the given edges, with vertices in order of first appearance.

        Parameters
        ----------
        edges
            Tuples ``(source, destination)``, or ``(source, destination, weight)`` for a weighted graph.
        directed
            Whether edges are directed.
        vid_type
            Type of the vertex ids, ``"string"`` or ``"int64"``.

        Raises
        ------
        ValueError
            An edge has fewer than two or more than three items, or the edges differ in length.
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
        """Number of vertices."""
        return len(self.vids)

    @property
    def edge_count(self) -> int:
        """Number of edges."""
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
        """Vertex ids, in the order of the topology."""
        return self._built[1]

    def view(self, *, directed: bool = True) -> Any:
        """Return the topology, with undirected edges if `directed` is false."""
        return self._undirected if self.topology.is_directed() and not directed else self.topology

    @cached_property
    def _undirected(self) -> Any:
        return self.topology.as_undirected(mode="collapse", combine_edges={"weight": "sum"})

    @property
    def weights(self) -> str | None:
        """Name of the edge attribute with the weights, or None."""
        return "weight" if "weight" in self.topology.es.attributes() else None

    def find(self, vid: str) -> int:
        """Return the index of a vertex, given its id as text."""
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
