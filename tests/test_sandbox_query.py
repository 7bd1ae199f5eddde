"""The embedded Explorer's Query component: its rows, its parameters, and the algorithms that run on its rows."""

import csv
import gzip
import json
import re
import time
from datetime import date, timedelta
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
import requests
from limits import HANG

from explorer_frames.sandbox import Graph, Sandbox

SERIAL = 2**53 + 1
NOTES = 7
WIDTHS = {"karate": 7, "lesmis": 8}
PATH = Graph.from_edges([("a", "b", 2), ("b", "c", 4), ("c", "d", 8), ("d", "e", 16)])
MESSY = {
    "directed": (True, [("b", "a", 1), ("a", "b", 2), ("a", "a", 4), ("c", "a", 8)]),
    "undirected": (False, [("b", "a", 1), ("a", "b", 2), ("a", "a", 4), ("c", "a", 8)]),
}


class Client:
    def __init__(self, server):
        self.server = server
        self.session = requests.Session()

    def ask(self, method, path, **options):
        url, cookies = f"{self.server.url}/api-open/v1/{path}", {"explorer_token": self.server.token}
        return self.session.request(method, url, cookies=cookies, timeout=HANG, **options).json()

    def run(self, workflow, **inputs):
        """Run a workflow; return its job's detail."""
        job = self.ask("POST", f"workflows/{workflow}/jobs", json={"input": inputs})["data"]["id"]
        end = time.monotonic() + HANG
        while (detail := self.ask("GET", f"jobs/{job}")["data"])["status"] < 2:
            assert time.monotonic() < end
            time.sleep(0.005)
        return detail

    def result(self, detail, number):
        task = detail["tasks"][number]["id"]
        return self.ask("GET", f"jobs/{detail['id']}/tasks/{task}/sample_result", params={"limit": 100_000})

    def rows(self, workflow, **inputs):
        """Run a workflow; return the rows of its tasks."""
        detail = self.run(workflow, **inputs)
        assert detail["status"] == 2
        return [self.result(detail, number)["data"]["items"] for number in range(len(detail["tasks"]))]


@pytest.fixture(scope="module")
def server():
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    client = Client(server)
    with client.session:
        yield client


@pytest.fixture(scope="module")
def query_rows(server, client):
    """The rows of the first task of both workflows."""
    return {
        name: client.result(client.run(server.workflows[name]), 0)["data"]["items"] for name in ("karate", "lesmis")
    }


# Rows


def test_the_first_task_of_both_workflows_is_a_query(server, client):
    for name in WIDTHS:
        tasks = client.run(server.workflows[name])["tasks"]
        assert [task["name"] for task in tasks[:2]] == ["Query", "PageRank"]
        assert len(tasks) == 26


@pytest.mark.parametrize(
    ("workflow", "shipped"), [("karate", nx.karate_club_graph()), ("lesmis", nx.les_miserables_graph())]
)
def test_rows_are_the_edges_of_the_graph_with_their_properties(query_rows, workflow, shipped):
    rows = query_rows[workflow]
    assert {len(row) for row in rows} == {WIDTHS[workflow]}
    assert all(type(cell) is str for row in rows for cell in row)
    vids = {str(vid): vid for vid in shipped}
    edges = [(vids[row[0]], vids[row[1]]) for row in rows]
    assert {frozenset(edge) for edge in edges} == {frozenset(edge) for edge in shipped.edges}
    assert len(edges) == shipped.number_of_edges()
    assert [int(row[2]) for row in rows] == [SERIAL + number for number in range(len(rows))]
    assert [float(row[3]) for row in rows] == [1 / shipped.degree(source) for source, _ in edges]
    assert {row[4] for row in rows} == {"true", "false"}
    days = [date.fromisoformat(row[5]) for row in rows]
    assert days == [date(2022, 7, 12) + timedelta(number) for number in range(len(rows))]
    if workflow == "lesmis":
        assert [float(row[7]) for row in rows] == [shipped.edges[edge]["weight"] for edge in edges]


def test_cells_are_spelled_as_a_graph_query_returns_them(query_rows):
    assert query_rows["lesmis"][1] == [
        *("Myriel", "MlleBaptistine", "9007199254740994", "0.1", "true", "2022-07-13"),
        *('says "hello", then leaves', "8.0"),
    ]
    assert query_rows["karate"][0] == ["0", "1", "9007199254740993", "0.0625", "true", "2022-07-12", "plain"]
    kinds = [r"\d+", r"\d+", r"\d{16}", r"0\.\d+|1\.0", "true|false", r"\d{4}-\d\d-\d\d", ".*"]
    for row in query_rows["karate"]:
        for cell, kind in zip(row, kinds, strict=True):
            assert re.fullmatch(kind, cell), cell


def test_ten_rows_have_every_kind_of_text(query_rows):
    notes = {row[6] for row in query_rows["karate"][:10]}
    assert len(notes) == NOTES
    assert {"", "007", "null"} <= notes
    assert any('"' in note and "," in note for note in notes)
    assert any(note != note.strip() for note in notes)
    assert any(max(note, default="") > "\uffff" for note in notes)


def test_an_integer_and_a_double_are_lost_by_a_reader_that_is_not_exact(query_rows):
    assert any(int(float(row[2])) != int(row[2]) for row in query_rows["karate"])
    assert any(Fraction(f"{float(row[3]):.6f}") != Fraction(row[3]) for row in query_rows["karate"])


def test_dates_stay_within_a_few_years_in_large_graphs(server, client):
    workflow = server.add_workflow("large", Graph.power_law(20_000, seed=1), {"query_1": ("Query", {})})
    (rows,) = client.rows(workflow)
    assert len(rows) == 59_994
    assert {row[5][:4] for row in rows} == {"2022", "2023", "2024", "2025"}
    assert rows[-1][2] == str(SERIAL + 59_993)


# Parameters

FOUR = [
    ["a", "b", "9007199254740993", "1.0", "true", "2022-07-12", "plain", "2.0"],
    ["b", "c", "9007199254740994", "0.5", "true", "2022-07-13", 'says "hello", then leaves', "4.0"],
    ["c", "d", "9007199254740995", "0.5", "false", "2022-07-14", "Füße, 雪 and 💡", "8.0"],
    ["d", "e", "9007199254740996", "0.5", "true", "2022-07-15", "", "16.0"],
]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"limit": 2, "columns": "src,dst"}, [["a", "b"], ["b", "c"]]),
        ({"LIMIT": "1", "Columns": "dst, weight ,dst"}, [["b", "2.0", "b"]]),
        ({"limit": 4, "columns": "serial"}, [[str(SERIAL + number)] for number in range(4)]),
        ({"limit": 99, "columns": "weight"}, [["2.0"], ["4.0"], ["8.0"], ["16.0"]]),
        ({"limit": -1, "columns": "src"}, [["a"], ["b"], ["c"], ["d"]]),
        ({"limit": 0}, []),
        ({"limit": 1}, FOUR[:1]),
        ({"columns": None, "limit": None}, FOUR),  # the defaults
        ({}, FOUR[:3]),  # as saved
    ],
)
def test_the_input_chooses_rows_and_columns(server, client, given, expected):
    workflow = server.add_workflow("path", PATH, {"query_1": ("Query", {"limit": 3})})
    assert client.rows(workflow, query_1=given) == [expected]


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"columns": "src,name"}, "unknown column 'name'; known: src, dst, serial, share, active, since, note"),
        ({"columns": "src,,dst"}, "unknown column ''"),
        ({"columns": "weight"}, "unknown column 'weight'"),  # the graph is not weighted
        ({"columns": ["src"]}, "columns must be a string"),
        ({"limit": "many"}, "limit must be an integer"),
        ({"limit": 1.5}, "limit must be an integer"),
        ({"ngql": "MATCH (v) RETURN v"}, "unknown parameter ngql; known: limit, columns"),
    ],
)
def test_a_failed_query_interrupts_the_tasks_after_it(server, client, given, why):
    tasks = {"wcc_1": ("WCC", {}), "query_1": ("Query", {}), "wcc_2": ("WCC", {}), "pagerank_1": ("PageRank", {})}
    detail = client.run(server.add_workflow("failing", Graph.karate(), tasks), query_1=given)
    assert [detail["status"], *(task["status"] for task in detail["tasks"])] == [3, 2, 3, 4, 4]
    assert why in client.result(detail, 1)["message"]
    assert client.result(detail, 2)["code"] == 40004000


def test_one_parameter_in_two_spellings_is_a_parameter_error(server, client):
    body = {"input": {"query_1": {"limit": 1, "LIMIT": 2}}}
    assert client.ask("POST", f"workflows/{server.workflows['karate']}/jobs", json=body)["code"] == 40004001


# The algorithms after it


def with_query(*algorithms):
    tasks = {f"t_{number}": (name, given) for number, (name, given) in enumerate(algorithms)}
    return {"query_1": ("Query", {}), **tasks}


def test_algorithms_run_on_the_rows_of_the_query(server, client):
    algorithms = [("WCC", {}), ("PageRank", {}), ("SSSP", {"root": "b"})]
    workflow = server.add_workflow("path", PATH, with_query(*algorithms))
    rows, wcc, ranks, distances = client.rows(workflow, query_1={"limit": 2})
    assert [row[:2] for row in rows] == [["a", "b"], ["b", "c"]]
    assert wcc == [["a", "a"], ["b", "a"], ["c", "a"]]
    assert [row[0] for row in ranks] == ["a", "b", "c"]
    assert distances == [["a", "inf"], ["b", "0.000000"], ["c", "4.000000"]]
    assert [len(result) for result in client.rows(workflow)] == [4, 5, 5, 5]


@pytest.mark.parametrize("kind", MESSY)
def test_the_graph_of_the_rows_is_that_of_a_client_that_reads_them(server, client, kind):
    """Loops, parallel edges and directions are kept; computed again from the served text, everything is equal."""
    directed, edges = MESSY[kind]
    graph = Graph.from_edges(edges, directed=directed)
    algorithms = [("DegreeCentrality", {"step": 1}), ("SSSP", {"root": "a"}), ("APSP", {}), ("PageRank", {})]
    rows, *results = client.rows(server.add_workflow("messy", graph, with_query(*algorithms)))
    read = Graph.from_edges([(row[0], row[1], row[7]) for row in rows], directed=directed)
    again = client.rows(server.add_workflow("read", read, with_query(*algorithms)))
    assert [sorted(result) for result in again[1:]] == [sorted(result) for result in results]
    assert len(results[0]) == 3


def test_a_query_without_the_weight_makes_a_graph_without_weights(server, client):
    workflow = server.add_workflow("path", PATH, with_query(("SSSP", {"root": "a"})))
    weighted, steps = (client.rows(workflow, query_1=given)[1] for given in ({}, {"columns": "dst,src"}))
    assert [float(row[1]) for row in weighted] == [0, 2, 6, 14, 30]
    assert [float(row[1]) for row in steps] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("columns", ["src", "dst,weight", "serial,since"])
def test_an_algorithm_needs_both_ends_of_an_edge(server, client, columns):
    workflow = server.add_workflow("path", PATH, with_query(("WCC", {}), ("Tree_stat", {"root": "a"})))
    detail = client.run(workflow, query_1={"columns": columns})
    assert [task["status"] for task in detail["tasks"]] == [2, 3, 3]
    assert len(client.result(detail, 0)["data"]["items"]) == 4
    for number in (1, 2):
        assert "require the columns src and dst" in client.result(detail, number)["message"]


def test_a_query_without_rows_makes_an_empty_graph(server, client):
    globally = ("ClusteringCoefficient", {"type": "global"})
    algorithms = [("WCC", {}), ("PageRank", {}), ("APSP", {}), ("Louvain", {}), ("TriangleCount", {}), globally]
    workflow = server.add_workflow("path", PATH, with_query(*algorithms))
    assert client.rows(workflow, query_1={"limit": 0}) == [[]] * 7


def test_each_query_reads_the_saved_graph_and_feeds_the_tasks_up_to_the_next(server, client):
    wcc = ("WCC", {})
    tasks = {"a": wcc, "b": ("Query", {"limit": 1}), "c": wcc, "d": wcc, "e": ("Query", {"limit": 3}), "f": wcc}
    results = client.rows(server.add_workflow("path", PATH, tasks))
    assert [len(rows) for rows in results] == [5, 1, 2, 2, 3, 4]


def test_vertices_without_an_edge_are_not_in_the_rows(server, client):
    topology = PATH.topology.copy()
    topology.add_vertices(1)
    graph = Graph(lambda: (topology, np.array([*"abcde", "alone"], dtype=object)))
    workflow = server.add_workflow("alone", graph, {"before": ("WCC", {}), **with_query(("WCC", {}))})
    before, rows, after = client.rows(workflow)
    assert (len(before), len(rows), len(after)) == (6, 4, 5)


# Full results


@pytest.mark.parametrize("header", [False, True])
def test_the_full_result_has_every_cell_of_the_sample(tmp_path, header):
    with Sandbox(outputs_dir=tmp_path, output_header=header) as server:
        client = Client(server)
        with client.session:
            for workflow in WIDTHS:
                detail = client.run(server.workflows[workflow])
                parts = sorted((tmp_path / str(detail["id"]) / detail["tasks"][0]["id"]).glob("part-*"))
                rows = []
                for part in parts:
                    with gzip.open(part, "rt", encoding="utf-8", newline="") as file:
                        rows += csv.reader(file)  # there is no documented header
                assert rows == client.result(detail, 0)["data"]["items"]
                assert len(parts) == 2


def test_answers_are_json_that_other_parsers_read(server, client):
    detail = client.run(server.workflows["karate"])
    path = f"jobs/{detail['id']}/tasks/{detail['tasks'][0]['id']}/sample_result?limit=3"
    url = f"{server.url}/api-open/v1/{path}"
    text = client.session.get(url, cookies={"explorer_token": server.token}, timeout=HANG).text
    assert json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")) == text
