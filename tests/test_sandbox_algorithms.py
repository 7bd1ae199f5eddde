"""What the embedded Explorer computes: the documented columns, and truths known from elsewhere."""

import collections
import json
import math
import random
import re
import time

import igraph
import networkx as nx
import numpy as np
import pytest
import requests
from cases import each
from limits import HANG

from explorer_frames.sandbox import Graph, Sandbox, _algorithms
from explorer_frames.sandbox._results import pieces

INT, DOUBLE, NAME = r"\d+", r"\d+\.\d{6}", r"[A-Z][A-Za-z0-9]+"

# Every task of the two workflows: the kinds of its columns ("v" for a vertex id), and its rows in karate and lesmis.
SHAPES = {
    "Query": (["v", "v", INT, r"\d\.\d+", "true|false", r"\d{4}-\d\d-\d\d", ".*"], 78, 254),
    "PageRank": (["v", DOUBLE], 34, 77),
    "BetweennessCentrality": (["v", DOUBLE], 34, 77),
    "ClosenessCentrality": (["v", DOUBLE], 34, 77),
    "ClusteringCoefficient": (["v", DOUBLE], 34, 77),
    "ClusteringCoefficient global": (["v", DOUBLE], 1, 1),
    "KCore": (["v", INT], 34, 77),
    "KCore subgraph kmin=2": (["v", "v"], 154, 472),
    "DegreeCentrality": (["v", INT, INT, INT], 34, 77),
    "DegreeCentrality step=1 out": (["v", INT], 34, 77),
    "DegreeCentrality step=1 in": (["v", INT], 34, 77),
    "LPA": (["v", "v"], 34, 77),
    "WCC": (["v", "v"], 34, 77),
    "Louvain": (["v", "v"], 34, 77),
    "Louvain is_output_modularity=true": (["v", "v", DOUBLE], 34, 77),
    "InfoMap": (["v", "v"], 34, 77),
    "SSSP": (["v", DOUBLE], 34, 77),
    "BFS": (["v", INT], 1, 1),
    "APSP": (["v", "v", DOUBLE], 34 * 33, 77 * 76),
    "ShortestPath": (["v", "v", "v"], 1, 1),
    "Jaccard": (["v", "v", DOUBLE], 33, 76),
    "TriangleCount": (["v", "v", "v"], 45, 467),
    "TriangleCount opt=1": ([INT], 1, 1),
    "TriangleCount opt=2": (["v", INT], 34, 77),
    "HyperANF": ([DOUBLE], 1, 1),
    "Tree_stat": ([INT, INT], 1, 1),
}


@pytest.fixture(scope="module")
def results():
    """All results of both workflows by workflow and task name, as they came over HTTP."""
    with Sandbox() as server, requests.Session() as session:
        return {name: _run(session, server, workflow) for name, workflow in server.workflows.items()}


def _run(session, server, workflow):
    def ask(method, path):
        url = f"{server.url}/api-open/v1/{path}"
        answer = session.request(method, url, cookies={"explorer_token": server.token}, timeout=HANG)
        return answer.json()["data"]

    job = ask("POST", f"workflows/{workflow}/jobs")["id"]
    while (detail := ask("GET", f"jobs/{job}"))["status"] < 2:
        time.sleep(0.01)
    path = f"jobs/{job}/tasks/{{}}/sample_result?limit=100000"
    return {task["name"]: ask("GET", path.format(task["id"]))["items"] for task in detail["tasks"]}


@pytest.fixture(scope="module")
def karate(results):
    return results["karate"]


@pytest.fixture(scope="module")
def lesmis(results):
    return results["lesmis"]


def compute(name, graph, **parameters):
    """Compute without a server."""
    result = _algorithms.run(name, graph, parameters)
    return json.loads(b"".join(pieces(result, len(result))))["data"]["items"]


def floats(rows, column=1):
    return {row[0]: float(row[column]) for row in rows}


def groups(rows):
    """The communities as a set of sets."""
    members = collections.defaultdict(set)
    for vid, label, *_ in rows:
        members[label].add(vid)
    assert all(label in group for label, group in members.items())
    return {frozenset(group) for group in members.values()}


# Shapes


@each("name", SHAPES)
@each(("workflow", "vid"), [("karate", INT), ("lesmis", NAME)])
def test_documented_columns(results, workflow, vid, name):
    kinds, *sizes = SHAPES[name]
    rows = results[workflow][name]
    assert len(rows) == sizes[workflow == "lesmis"]
    if name == "ShortestPath":
        kinds = kinds[:1] * len(rows[0])
    if (name, workflow) == ("Query", "lesmis"):
        kinds = [*kinds, r"\d+\.0"]  # the weight
    for row in rows:
        assert len(row) == len(kinds)
        for cell, kind in zip(row, kinds, strict=True):
            assert re.fullmatch(vid if kind == "v" else kind, cell)


def test_every_task_is_covered(results):
    assert set(results["karate"]) == set(results["lesmis"]) == set(SHAPES)


def test_every_algorithm_is_in_the_workflows_or_another_name():
    used = {name for name, _ in _algorithms.everything("", "").values()}
    assert set(_algorithms.ALGORITHMS) - used == {"ConnectedComponent", "NStepDegree", "Fail"}


# Truths about the karate club


def test_karate_pagerank(karate):
    ranks = floats(karate["PageRank"])
    assert ranks["33"] == max(ranks.values()) == pytest.approx(0.1009, abs=1e-4)
    assert sum(ranks.values()) == pytest.approx(1, abs=1e-4)


def pagerank(graph):
    """By power iteration; that of networkx wants scipy."""
    ranks = dict.fromkeys(graph, 1 / len(graph))
    for _ in range(200):
        shares = {vid: 0.85 * rank / graph.degree(vid) for vid, rank in ranks.items()}
        ranks = {vid: 0.15 / len(graph) + sum(shares[other] for other in graph[vid]) for vid in graph}
    return ranks


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("PageRank", pagerank),
        ("BetweennessCentrality", lambda g: nx.betweenness_centrality(g, normalized=False)),
        ("ClosenessCentrality", nx.closeness_centrality),
        ("ClusteringCoefficient", nx.clustering),
        ("KCore", nx.core_number),
        ("DegreeCentrality", lambda g: dict(g.degree())),
        ("TriangleCount opt=2", nx.triangles),
    ],
)
def test_scores_agree_with_networkx(results, name, oracle):
    for workflow, shipped in [("karate", nx.karate_club_graph()), ("lesmis", nx.les_miserables_graph())]:
        expected = {str(vid): value for vid, value in oracle(shipped).items()}
        assert floats(results[workflow][name]) == pytest.approx(expected, abs=1e-5)


def test_distances_agree_with_networkx(karate, lesmis):
    expected = nx.single_source_dijkstra_path_length(nx.les_miserables_graph(), "Valjean")
    assert floats(lesmis["SSSP"]) == expected
    pairs = dict(nx.all_pairs_dijkstra_path_length(nx.les_miserables_graph()))
    assert {(a, b): float(d) for a, b, d in lesmis["APSP"]} == {
        (a, b): d for a, row in pairs.items() for b, d in row.items() if a != b
    }
    steps = nx.single_source_shortest_path_length(nx.karate_club_graph(), 33)
    assert floats(karate["SSSP"]) == {str(vid): step for vid, step in steps.items()}


def test_karate_numbers(karate):
    assert karate["TriangleCount opt=1"] == [["45"]]
    assert floats(karate["ClusteringCoefficient global"]) == {"0": pytest.approx(0.255682)}
    assert karate["HyperANF"] == [["2.408200"]]
    assert karate["BFS"] == [["33", "34"]]
    assert karate["Tree_stat"] == [["17", "4"]]


def test_triangles_are_triangles(karate):
    shipped = nx.karate_club_graph()
    triangles = {tuple(map(int, row)) for row in karate["TriangleCount"]}
    assert len(triangles) == 45
    for a, b, c in triangles:
        assert a < b < c
        assert shipped.has_edge(a, b)
        assert shipped.has_edge(b, c)
        assert shipped.has_edge(a, c)


def test_a_path_leads_from_its_source_to_its_destination(karate, lesmis):
    (path,) = karate["ShortestPath"]
    assert (path[0], path[-1], len(path)) == ("33", "16", 5)
    assert nx.is_path(nx.karate_club_graph(), list(map(int, path)))
    assert lesmis["ShortestPath"] == [["Valjean", "Gavroche", "Child1"]]


@pytest.mark.parametrize("name", ["WCC", "LPA", "Louvain", "InfoMap"])
def test_communities(results, name):
    for workflow, shipped in [("karate", nx.karate_club_graph()), ("lesmis", nx.les_miserables_graph())]:
        found = groups(results[workflow][name])
        assert sum(map(len, found)) == len(shipped)
        assert (len(found) == 1) == (name == "WCC")


def test_modularity_is_that_of_the_communities(karate, lesmis):
    for rows, shipped, weight in [
        (karate, nx.karate_club_graph(), None),
        (lesmis, nx.les_miserables_graph(), "weight"),
    ]:
        found = rows["Louvain is_output_modularity=true"]
        assert [row[:2] for row in found] == rows["Louvain"]
        names = {str(vid): vid for vid in shipped}
        communities = [{names[vid] for vid in group} for group in groups(found)]
        (modularity,) = {float(row[2]) for row in found}
        assert modularity > 0.4
        assert modularity == pytest.approx(nx.community.modularity(shipped, communities, weight=weight), abs=1e-6)


# Parameters, on a graph small enough to see through: a -> b -> c -> a, c -> d, and e -> f apart.


SMALL = Graph.from_edges([("a", "b", 1), ("b", "c", 2), ("c", "a", 4), ("c", "d", 8), ("e", "f", 16)], directed=True)


def test_a_directed_graph_can_be_read_either_way():
    assert compute("BFS", SMALL, root="d") == [["d", "1"]]
    assert compute("BFS", SMALL, root="d", is_directed="false") == [["d", "4"]]
    directed, undirected = (floats(compute("PageRank", SMALL, is_directed=way)) for way in (True, False))
    assert directed["f"] > directed["e"]
    assert undirected["f"] == undirected["e"]


def test_weighted_distances_and_unreachable_vertices():
    rows = [["a", "0.000000"], ["b", "1.000000"], ["c", "3.000000"], ["d", "11.000000"], ["e", "inf"], ["f", "inf"]]
    assert compute("SSSP", SMALL, root="a") == rows
    assert len(compute("APSP", SMALL)) == 30
    assert ["d", "a", "inf"] in compute("APSP", SMALL)


def test_a_score_without_a_value_is_nan():
    assert compute("ClosenessCentrality", SMALL)[3] == ["d", "nan"]
    assert compute("ClusteringCoefficient", Graph.from_edges([(1, 2)]), type="global") == [["1", "nan"]]


def test_degrees_within_steps():
    assert compute("DegreeCentrality", SMALL, step=1)[2] == ["c", "3", "2", "1"]
    assert compute("NStepDegree", SMALL, step="2", type="out")[0] == ["a", "2"]
    assert compute("NStepDegree", SMALL, step=-1, type="in")[3] == ["d", "3"]
    assert compute("DegreeCentrality", SMALL)[0] == ["a", "3", "3", "2"]
    assert compute("DegreeCentrality", SMALL, step=1, is_directed=False)[2] == ["c", "3", "3", "3"]


def test_k_core_bounds():
    assert compute("KCore", SMALL, kmin=2) == [["a", "2"], ["b", "2"], ["c", "2"]]
    assert compute("KCore", SMALL, kmax=1) == [[vid, "1"] for vid in "abcdef"]
    ends = [["a", "b"], ["a", "c"], ["b", "a"], ["b", "c"], ["c", "a"], ["c", "b"]]
    assert compute("KCore", SMALL, type="subgraph", kmin=2) == ends
    assert compute("KCore", SMALL, type="subgraph", kmin=3) == []


@pytest.mark.parametrize("name", ["WCC", "ConnectedComponent"])
def test_components_and_their_modularity(name):
    assert compute(name, SMALL) == [[vid, "a"] for vid in "abcd"] + [["e", "e"], ["f", "e"]]
    assert {row[2] for row in compute(name, SMALL, is_output_modularity=True)} == {"0.499480"}


@pytest.mark.parametrize("name", ["LPA", "Louvain", "InfoMap"])
def test_communities_of_a_directed_graph(name):
    found = groups(compute(name, SMALL))
    assert frozenset("ef") in found


def test_paths_between_all_pairs_that_have_one():
    assert compute("ShortestPath", SMALL, src="a, c", dst="d,b,e") == [
        ["a", "b", "c", "d"],
        ["a", "b"],
        ["c", "d"],
        ["c", "a", "b"],
    ]


def test_jaccard_between_all_pairs():
    assert compute("Jaccard", SMALL, ids1="a,b", ids2="b,d") == [
        ["a", "b", "0.333333"],
        ["a", "d", "0.500000"],
        ["b", "d", "0.500000"],
    ]
    assert [row[1] for row in compute("Jaccard", SMALL, ids1="b")] == list("acdef")
    assert compute("Jaccard", SMALL, ids1="a", ids2="a") == []


def test_loops_and_parallel_edges():
    graph = Graph.from_edges([(1, 2), (2, 1), (2, 3), (3, 1), (3, 3)], vid_type="int64")
    for removed in (True, False):
        assert compute("TriangleCount", graph, removed_duplication_edge=removed) == [["1", "2", "3"]]
    assert compute("TriangleCount", graph, opt="2") == [["1", "1"], ["2", "1"], ["3", "1"]]
    assert compute("ClusteringCoefficient", graph) == [["1", "1.000000"], ["2", "1.000000"], ["3", "1.000000"]]
    assert compute("TriangleCount", SMALL, opt=1) == [["1"]]


def test_tree_statistics():
    assert compute("Tree_stat", SMALL, root="a") == [["1", "3"]]
    assert compute("Tree_stat", SMALL, root="a", stat="depth") == [["3"]]


def test_average_distance():
    expected = np.mean([1, 2, 3, 1, 2, 2, 1, 1, 2, 1])
    assert math.isclose(float(compute("HyperANF", SMALL)[0][0]), expected, abs_tol=1e-6)


@pytest.mark.parametrize("spelling", [str.lower, str.upper, str.title])
def test_every_published_parameter_is_accepted_as_text_in_any_case(spelling):
    graph = Graph.karate()
    needed = {"root": "1", "src": "1", "dst": "1", "ids1": "1"}
    for name, algorithm in _algorithms.ALGORITHMS.items():
        if name != "Fail":
            texts = {
                key: needed.get(key) or str(getattr(default, "options", [default])[0])
                for key, default in algorithm.parameters.items()
            }
            required = {key: texts[key] for key in needed if key in texts}
            spelt = {spelling(key): text for key, text in texts.items()}
            assert list(texts) == [key.lower() for key in texts]
            assert compute(name, graph, **spelt) == compute(name, graph, **required)


# Randomness


@pytest.mark.parametrize("name", ["LPA", "Louvain", "InfoMap"])
def test_results_do_not_depend_on_the_random_state(name):
    graph = Graph.power_law(500, seed=1)
    first = compute(name, graph)
    random.seed(99)
    igraph.Graph.Barabasi(50, 2)
    assert compute(name, graph) == compute(name, Graph.power_law(500, seed=1)) == first


def test_igraph_random_generator_is_restored():
    compute("Louvain", SMALL)
    random.seed(5)
    first = igraph.Graph.Barabasi(50, 2).get_edgelist()
    random.seed(5)
    assert igraph.Graph.Barabasi(50, 2).get_edgelist() == first


# Graphs


def test_les_miserables_and_the_karate_club_are_whole():
    assert (Graph.les_miserables().vertex_count, Graph.les_miserables().edge_count) == (77, 254)
    assert (Graph.karate().vertex_count, Graph.karate().edge_count) == (34, 78)


def test_power_law():
    graph = Graph.power_law(1000, edges_per_vertex=2, seed=3, vid_type="string")
    assert (graph.vertex_count, graph.edge_count) == (1000, 1997)
    assert list(graph.vids[:2]) == ["v0", "v1"]
    degrees = graph.topology.degree()
    assert max(degrees) > 10 * np.median(degrees)
    assert graph.topology.get_edgelist() == Graph.power_law(1000, edges_per_vertex=2, seed=3).topology.get_edgelist()


def test_vids_come_in_the_order_of_their_first_appearance():
    assert list(Graph.from_edges([(3, 1), (2, 3)]).vids) == ["3", "1", "2"]
    assert list(Graph.from_edges([("3", 1), (2, 3)], vid_type="int64").vids) == [3, 1, 2]


@pytest.mark.parametrize("edges", [[(1,)], [(1, 2), (1, 2, 3)], [(1, 2, 3, 4)]])
def test_invalid_edges_are_rejected(edges):
    with pytest.raises(ValueError, match="all of the same length"):
        Graph.from_edges(edges)


def test_all_algorithms_run_on_a_custom_graph(capfd):
    with Sandbox() as server, requests.Session() as session:
        results = _run(session, server, server.add_workflow("small", SMALL))
        assert set(results) == set(SHAPES)
        assert results["SSSP"][0] == ["a", "0.000000"]
        assert results["Jaccard"][0][:2] == ["a", "b"]
    assert capfd.readouterr() == ("", "")
