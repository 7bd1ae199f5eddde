"""The sandbox computes algorithms with igraph. Results are exact, whereas a real server may return approximations.

Parameter names are not case-sensitive: ``root`` and ``ROOT`` are the same parameter. Parameters that control an
approximation are accepted but have no effect. These are ``iterations``, ``eps``, ``bits``, ``chosen``, ``constant``,
``num_samples``, ``outer_iteration``, ``inner_iteration`` and all parameters of InfoMap. ``is_directed`` has no effect
on undirected graphs. Louvain and LPA treat every graph as undirected. ``removed_duplication_edge`` has no effect,
because triangles and clustering coefficients count parallel edges once.

The published documents do not specify some details. The sandbox implements them as follows:

- PageRank scores sum to one.
- SSSP, APSP and the community algorithms use edge weights.
- The label of a community is its first member in the order of the graph.
- The modularity in each row is that of the whole partition.
- A global clustering coefficient has one row, with the id of the graph's first vertex.
- The distance of an unreachable vertex is ``inf``, and an undefined score is ``nan``.

HANP, Node2Vec and DegreeWithTime are not supported. igraph does not implement HANP and Node2Vec.
DegreeWithTime requires times, which the graphs of the sandbox do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from explorer_frames.sandbox._graphs import Graph, seeded
from explorer_frames.sandbox._parameters import Default, OneOf, read_parameters
from explorer_frames.sandbox._query import run_query
from explorer_frames.sandbox._results import Array, Columns, Ragged, Result, Subgraphs

QUERY = "Query"
_SEED = 20220712

_Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Algorithm:
    """Function that computes an algorithm, and the parameters of the algorithm."""

    compute: Callable[[Graph, _Parameters], Result]
    parameters: Mapping[str, Default]


def run(name: str, graph: Graph, given: Mapping[str, object]) -> Result:
    """Compute an algorithm; the result is the same for the same graph and parameters."""
    if name not in ALGORITHMS:
        raise ValueError(f"unknown algorithm {name!r}; known: {', '.join(sorted(ALGORITHMS))}")
    algorithm = ALGORITHMS[name]
    parameters = read_parameters(algorithm.parameters, given)
    graph.view()  # builds the graph before seeding, because this may use random numbers
    with seeded(_SEED):
        return algorithm.compute(graph, parameters)


def everything(root: str, other: str) -> dict[str, tuple[str, dict[str, object]]]:
    """Return a Query and tasks for all algorithms and result shapes."""
    entries: list[tuple[str, dict[str, object]]] = [
        ("PageRank", {}),
        ("BetweennessCentrality", {}),
        ("ClosenessCentrality", {}),
        ("ClusteringCoefficient", {}),
        ("ClusteringCoefficient", {"type": "global"}),
        ("KCore", {}),
        ("KCore", {"type": "subgraph", "kmin": 2}),
        ("DegreeCentrality", {"step": 1}),  # counts neighbors; the published default is three steps
        ("DegreeCentrality", {"step": 1, "type": "out"}),
        ("DegreeCentrality", {"step": 1, "type": "in"}),
        ("LPA", {}),
        ("WCC", {}),
        ("Louvain", {}),
        ("Louvain", {"is_output_modularity": "true"}),
        ("InfoMap", {}),
        ("SSSP", {"root": root}),
        ("BFS", {"root": root}),
        ("APSP", {}),
        ("ShortestPath", {"src": root, "dst": other}),
        ("Jaccard", {"ids1": root}),
        ("TriangleCount", {}),
        ("TriangleCount", {"opt": 1}),
        ("TriangleCount", {"opt": 2}),
        ("HyperANF", {}),
        ("Tree_stat", {"root": root}),
    ]
    numbers: dict[str, int] = {}
    tasks: dict[str, tuple[str, dict[str, object]]] = {"query_1": (QUERY, {})}
    for algorithm, parameters in entries:
        numbers[algorithm] = numbers.get(algorithm, 0) + 1
        tasks[f"analytics_{algorithm.lower()}_{numbers[algorithm]}"] = (algorithm, parameters)
    return tasks


def _per_vertex(graph: Graph, *values: object) -> Columns:
    return Columns(graph.vids, *map(np.asarray, values))


def _one(value: float) -> Array:
    return np.array([value])


def _pagerank(graph: Graph, p: _Parameters) -> Result:
    return _per_vertex(graph, graph.view(directed=p["is_directed"]).pagerank(damping=p["damping"]))


def _betweenness(graph: Graph, p: _Parameters) -> Result:
    return _per_vertex(graph, graph.view(directed=p["is_directed"]).betweenness())


def _closeness(graph: Graph, p: _Parameters) -> Result:
    return _per_vertex(graph, graph.view(directed=p["is_directed"]).closeness(mode="out"))


def _simple(graph: Graph, p: _Parameters) -> Any:
    # Clustering coefficients and triangles ignore directions and parallel edges.
    return graph.view(directed=False).copy().simplify(multiple=True, loops=p["removed_self_edge"])


def _clustering(graph: Graph, p: _Parameters) -> Result:
    view = _simple(graph, p)
    if p["type"] == "global":
        return Columns(graph.vids[:1], _one(view.transitivity_undirected())[: len(graph.vids)])
    return _per_vertex(graph, view.transitivity_local_undirected(mode="zero"))


def _k_core(graph: Graph, p: _Parameters) -> Result:
    view = graph.view(directed=False)
    cores = np.asarray(view.coreness())
    inside = cores >= p["kmin"]
    if p["type"] == "vertex":
        return Columns(graph.vids[inside], np.minimum(cores[inside], p["kmax"]))
    edges = np.asarray(view.get_edgelist(), dtype=np.int64).reshape(-1, 2)
    both_ways = np.concatenate([edges, edges[:, ::-1]])
    both_ways = both_ways[np.lexsort(both_ways.T[::-1])]

    def subgraph(k: int) -> tuple[Array, Array]:
        inside = both_ways[(cores >= k)[both_ways].all(axis=1)]
        return graph.vids[inside[:, 0]], graph.vids[inside[:, 1]]

    last = max(p["kmin"], min(p["kmax"], int(cores.max(initial=0))))
    by_k = {k: Columns(*subgraph(k)) for k in range(p["kmin"], last + 1)}
    return Subgraphs(*subgraph(p["kmin"]), by_k=by_k)


def _degree(graph: Graph, p: _Parameters) -> Result:
    view = graph.view(directed=p["is_directed"])
    steps = view.vcount() if p["step"] < 0 else p["step"]
    modes = {"both": ("all", "out", "in"), "out": ("out",), "in": ("in",)}[p["type"]]
    return _per_vertex(graph, *(view.neighborhood_size(order=steps, mode=mode, mindist=1) for mode in modes))


def _communities(graph: Graph, p: _Parameters, membership: object) -> Result:
    _, firsts, inverse = np.unique(np.asarray(membership), return_index=True, return_inverse=True)
    columns = [graph.vids[firsts[inverse]]]
    if p.get("is_output_modularity"):
        modularity = graph.view(directed=False).modularity(inverse.tolist(), weights=graph.weights)
        columns.append(np.full(len(graph.vids), modularity))
    return _per_vertex(graph, *columns)


def _label_propagation(graph: Graph, p: _Parameters) -> Result:
    view = graph.view(directed=False)
    return _communities(graph, p, view.community_label_propagation(weights=graph.weights).membership)


def _components(graph: Graph, p: _Parameters) -> Result:
    return _communities(graph, p, graph.view().connected_components(mode="weak").membership)


def _louvain(graph: Graph, p: _Parameters) -> Result:
    view = graph.view(directed=False)
    return _communities(graph, p, view.community_multilevel(weights=graph.weights).membership)


def _infomap(graph: Graph, p: _Parameters) -> Result:
    return _communities(graph, p, graph.view().community_infomap(edge_weights=graph.weights).membership)


def _sssp(graph: Graph, p: _Parameters) -> Result:
    root = graph.find(p["root"])
    distances = graph.view().distances([root], weights=graph.weights, mode="out")
    return _per_vertex(graph, np.asarray(distances[0], dtype=float))  # igraph returns integers for unweighted graphs


def _levels(graph: Graph, root: str, *, directed: bool = True) -> Array:
    """Return the number of steps from `root` to each reachable vertex."""
    distances = graph.view(directed=directed).distances([graph.find(root)], mode="out")
    steps: Array = np.asarray(distances[0], dtype=float)
    return steps[np.isfinite(steps)].astype(np.int64)


def _bfs(graph: Graph, p: _Parameters) -> Result:
    levels = _levels(graph, p["root"], directed=p["is_directed"])
    return Columns(graph.vids[[graph.find(p["root"])]], _one(len(levels)))


def _apsp(graph: Graph, _: _Parameters) -> Result:
    count = graph.vertex_count
    distances = np.asarray(graph.view().distances(weights=graph.weights, mode="out"), dtype=float).reshape(count, count)
    first, second = np.nonzero(~np.eye(count, dtype=bool))
    return Columns(graph.vids[first], graph.vids[second], distances[first, second])


def _shortest_path(graph: Graph, p: _Parameters) -> Result:
    view = graph.view()
    sources, destinations = _find_all(graph, p["src"]), _find_all(graph, p["dst"])
    steps = view.distances(sources, destinations, mode="out")
    pairs = [
        (source, destination)
        for source, row in zip(sources, steps, strict=True)
        for destination, step in zip(destinations, row, strict=True)
        if np.isfinite(step)  # igraph warns about a pair without a path
    ]
    paths = (view.get_shortest_path(*pair, mode="out", output="vpath") for pair in pairs)
    return Ragged([graph.vids[path].tolist() for path in paths])


def _jaccard(graph: Graph, p: _Parameters) -> Result:
    view = _simple(graph, p)
    others = _find_all(graph, p["ids2"]) if p["ids2"] else range(view.vcount())
    pairs = [(one, other) for one in _find_all(graph, p["ids1"]) for other in others if one != other]
    values = np.asarray(view.similarity_jaccard(pairs=pairs, loops=False), dtype=float)
    ends = np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
    return Columns(graph.vids[ends[:, 0]], graph.vids[ends[:, 1]], values)


def _find_all(graph: Graph, vids: str) -> list[int]:
    return [graph.find(vid.strip()) for vid in vids.split(",")]


def _triangles(graph: Graph, p: _Parameters) -> Result:
    triangles = np.asarray(_simple(graph, p).list_triangles(), dtype=np.int64).reshape(-1, 3)
    if p["opt"] == 1:
        return Columns(_one(len(triangles)))
    if p["opt"] == 2:  # noqa: PLR2004 - the published options are 1, 2 and 3
        return _per_vertex(graph, np.bincount(triangles.ravel(), minlength=len(graph.vids)))
    return Columns(*graph.vids[np.sort(triangles, axis=1).T])


def _average_distance(graph: Graph, _: _Parameters) -> Result:
    return Columns(_one(graph.view().average_path_length(directed=True, unconn=True)))


def _tree_statistics(graph: Graph, p: _Parameters) -> Result:
    levels = _levels(graph, p["root"])
    statistics = {"width": int(np.bincount(levels).max()), "depth": int(levels.max())}
    asked = [name.strip() for name in p["stat"].split(",")]
    if not set(asked) <= set(statistics):
        raise ValueError(f"stat must contain only {' and '.join(statistics)}, got {p['stat']!r}")
    return Columns(*(_one(statistics[name]) for name in asked))


def _fail(_graph: Graph, _: _Parameters) -> Result:
    raise RuntimeError("a task of the algorithm Fail always fails")


_DIRECTED: Mapping[str, Default] = {"iterations": 10, "is_directed": True}
_MODULARITY: Mapping[str, Default] = {
    "is_calc_modularity": False,
    "is_output_modularity": False,
    "is_stat_community": False,
}
_SIMPLE: Mapping[str, Default] = {"removed_self_edge": True, "removed_duplication_edge": True}
_DEGREE = Algorithm(_degree, {"is_directed": True, "step": 3, "bits": 6, "type": OneOf("both", "out", "in")})
_WCC = Algorithm(_components, _MODULARITY)

# Names, parameters and defaults are as published, except for Query and Fail.
ALGORITHMS: Mapping[str, Algorithm] = {
    "APSP": Algorithm(_apsp, {}),
    "BFS": Algorithm(_bfs, {"is_directed": True, "root": ""}),
    "BetweennessCentrality": Algorithm(_betweenness, {**_DIRECTED, "chosen": -1, "constant": 2}),
    "ClosenessCentrality": Algorithm(_closeness, {"is_directed": True, "num_samples": 10}),
    "ClusteringCoefficient": Algorithm(_clustering, {"type": OneOf("local", "global"), **_SIMPLE}),
    "ConnectedComponent": _WCC,
    "DegreeCentrality": _DEGREE,
    "Fail": Algorithm(_fail, {}),
    "HyperANF": Algorithm(_average_distance, {"bits": 6}),
    "InfoMap": Algorithm(
        _infomap,
        {
            "pagerank_iter": 10,
            "pagerank_threshold": 0.0001,
            "teleport_prob": 0.15,
            "inner_iter": 3,
            "outer_iter": 2,
            "comm_info_num": 100,
        },
    ),
    "Jaccard": Algorithm(_jaccard, {"ids1": "", "ids2": "", "removed_self_edge": True}),
    "KCore": Algorithm(_k_core, {"type": OneOf("vertex", "subgraph"), "kmin": 1, "kmax": 1000000}),
    "LPA": Algorithm(_label_propagation, {**_DIRECTED, **_MODULARITY}),
    "Louvain": Algorithm(_louvain, {"outer_iteration": 20, "inner_iteration": 10, "is_directed": True, **_MODULARITY}),
    "NStepDegree": _DEGREE,
    "PageRank": Algorithm(_pagerank, {**_DIRECTED, "eps": 0.0001, "damping": 0.85}),
    QUERY: Algorithm(run_query, {"limit": -1, "columns": ""}),
    "SSSP": Algorithm(_sssp, {"root": ""}),
    "ShortestPath": Algorithm(_shortest_path, {"src": "", "dst": ""}),
    "Tree_stat": Algorithm(_tree_statistics, {"root": "", "stat": "width,depth"}),
    "TriangleCount": Algorithm(_triangles, {"opt": OneOf(3, 1, 2), **_SIMPLE}),
    "WCC": _WCC,
}
