"""The embedded Explorer, asked over real sockets for everything that is published about the real one."""

import base64
import doctest
import gc
import itertools
import json
import multiprocessing
import re
import socket
import sys
import threading
import time
import tracemalloc
import warnings
from datetime import datetime, timedelta

import numpy as np
import pytest
import requests
import uvicorn
from limits import HANG, Clock
from platforms import needs_fork

from explorer_frames.errors import ConfigError
from explorer_frames.sandbox import Graph, Sandbox, _server
from explorer_frames.sandbox._jobs import Job
from explorer_frames.sandbox._results import Columns, pieces

FINAL = {2, 3, 4}
TRIANGLE = Graph.from_edges([(1, 2), (2, 3), (3, 1)], vid_type="int64")


class Client:
    """The usual code: one session, and the token as a cookie."""

    def __init__(self, server, token=None):
        self.base = f"{server.url}/api-open/v1"
        self.session = requests.Session()
        self.cookies = {"explorer_token": server.token if token is None else token}

    def call(self, method, path, **options):
        options.setdefault("timeout", HANG)
        return self.session.request(method, f"{self.base}/{path}", cookies=self.cookies, **options)

    def ask(self, method, path, **options):
        answer = self.call(method, path, **options).json()
        assert (answer["code"], answer["message"]) == (0, "Success")
        return answer["data"]

    def code(self, method, path, **options):
        answer = self.call(method, path, **options).json()
        assert answer["message"]
        assert "data" not in answer
        return answer["code"]

    def rows(self, job, task, **query):
        return self.ask("GET", f"jobs/{job}/tasks/{task}/sample_result", params=query)["items"]

    def run(self, workflow, **inputs):
        body = {"json": {"input": inputs}} if inputs else {}
        return self.ask("POST", f"workflows/{workflow}/jobs", **body)["id"]

    def wait(self, job, until=frozenset(FINAL)):
        end = time.monotonic() + HANG
        while (detail := self.ask("GET", f"jobs/{job}"))["status"] not in until:
            assert time.monotonic() < end
            time.sleep(0.005)
        return detail


@pytest.fixture(scope="module")
def server():
    with Sandbox() as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    client = Client(server)
    with client.session:
        yield client


@pytest.fixture
def make():
    """Start sandboxes with options of their own."""
    running, clients = [], []

    def start(**options):
        running.append(Sandbox(**options).start())
        clients.append(Client(running[-1]))
        return running[-1], clients[-1]

    yield start
    for client in clients:
        client.session.close()
    for server in running:
        server.stop()


def log_in(server, credentials='["root","nebula"]', *, scheme="Bearer", body=None, **options):
    headers = {"Authorization": f"{scheme} {base64.b64encode(credentials.encode()).decode()}"}
    if not options:
        options["json"] = {"address": "127.0.0.1", "port": 9669} if body is None else body
    return requests.post(f"{server.url}/api-open/v1/connect", headers=headers, timeout=HANG, **options)


# Connecting


def test_its_text_has_the_address_and_the_workflows():
    sandbox = Sandbox()
    ids = "{" + ", ".join(f"{name!r}: {number}" for name, number in sandbox.workflows.items()) + "}"
    assert repr(sandbox) == f"<Sandbox not running, workflows {ids}>"
    with sandbox:
        assert repr(sandbox) == f"<Sandbox {sandbox.url}, workflows {ids}>"


@pytest.mark.parametrize("credentials", ['["root","nebula"]', "root:nebula"])
def test_both_encodings_log_in_and_the_cookie_works(server, credentials):
    answer = log_in(server, credentials)
    assert answer.text == '{"code":0,"data":{"success":true},"message":"Success"}'
    cookie = re.fullmatch(r"explorer_token=([\w-]+); Path=/; Max-Age=259200; HttpOnly", answer.headers["Set-Cookie"])
    assert Client(server, cookie[1]).ask("GET", "jobs")["Page"] == 1


@pytest.mark.parametrize(
    ("encoding", "accepted", "refused"),
    [("json", '["root","a:b"]', "root:a:b"), ("colon", "root:a:b", '["root","a:b"]')],
)
def test_an_encoding_can_be_the_only_one(make, encoding, accepted, refused):
    server, _ = make(auth_encoding=encoding, password="a:b")
    assert log_in(server, accepted).json()["code"] == 0
    assert log_in(server, refused).json()["code"] == 40104000


@pytest.mark.parametrize(
    "credentials", ['["root","wrong"]', '["root"]', '["root", 1]', "root:wrong", "root", "", "{}", "\udcff", "1" * 5000]
)
def test_wrong_credentials(server, credentials):
    encoded = credentials.encode(errors="surrogateescape").decode("latin-1")
    answer = log_in(server, encoded)
    assert answer.json()["code"] == 40104000
    assert "Set-Cookie" not in answer.headers


def test_authorization_must_be_bearer_and_base64(server):
    assert log_in(server, scheme="Basic").json()["code"] == 40104000
    url = f"{server.url}/api-open/v1/connect"
    assert requests.post(url, headers={"Authorization": "Bearer !"}, timeout=HANG).json()["code"] == 40104000
    assert requests.post(url, timeout=HANG).json()["code"] == 40104000


@pytest.mark.parametrize("body", [{}, {"address": "10.0.0.1", "port": 9669}, {"address": "127.0.0.1", "port": "9669"}])
def test_wrong_graphd_address(server, body):
    assert log_in(server, body=body).json()["code"] == 40004001


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b"\xff", b"[" * 100_000, b'{"port":' + b"1" * 5000 + b"}"], ids=lambda data: data[:10]
)
def test_broken_bodies(server, client, data):
    assert log_in(server, data=data).json()["code"] == 40004000
    assert client.code("POST", f"workflows/{server.workflows['karate']}/jobs", data=data) == 40004000


# Tokens


@pytest.mark.parametrize("token", ["", "unknown"])
def test_missing_and_unknown_tokens(server, token):
    stranger = Client(server, token)
    job, task = server.add_result([["a"], ["1"]])
    for method, path in [
        ("GET", "jobs"),
        ("GET", f"jobs/{job}"),
        ("GET", f"jobs/{job}/tasks/{task}/sample_result"),
        ("GET", f"workflows/{server.workflows['karate']}/jobs"),
        ("POST", f"workflows/{server.workflows['karate']}/jobs"),
        ("PUT", f"jobs/{job}/cancel"),
    ]:
        assert stranger.code(method, path) == 40104000


def test_a_token_expires(make, monkeypatch):
    clock = Clock(running=False)
    monkeypatch.setattr("explorer_frames.sandbox._sessions.time", clock)
    server, client = make(token_life=0.3)
    assert "Max-Age=1;" in log_in(server).headers["Set-Cookie"]
    old = server.token
    assert Client(server, old).ask("GET", "jobs")["total"] == 0
    clock.advance(0.3)
    assert client.code("GET", "jobs") == 40104001
    assert server.token != old
    assert Client(server).ask("GET", "jobs")["total"] == 0


def test_sandbox_can_expire_all_tokens(make):
    server, client = make()
    server.expire_tokens()
    assert client.code("GET", "jobs") == 40104001


@pytest.mark.parametrize(("single", "code"), [(True, 40104001), (False, 0)])
def test_new_token_can_invalidate_the_old_token(make, single, code):
    server, client = make(one_token_per_user=single)
    log_in(server)
    assert client.call("GET", "jobs").json()["code"] == code


# Results


def test_rows_come_as_they_were_added(server, client):
    columns = [["player110", 'quo"te', "back\\slash", "Füße 图", "\n\x01", ""], ["1", "", "], [", "<&>", "%s", "💡"]]
    job, task = server.add_result(columns)
    assert client.rows(job, task) == [list(row) for row in zip(*columns, strict=True)]


def test_the_published_sample(server, client):
    job, task = server.add_result([["player110", "team219", "player121"], ["0.150000", "0.452126", "0.262148"]])
    answer = client.call("GET", f"jobs/{job}/tasks/{task}/sample_result?limit=10")
    assert answer.content == (
        b'{"code":0,"data":{"items":[["player110","0.150000"],["team219","0.452126"],'
        b'["player121","0.262148"]]},"message":"Success"}'
    )
    assert answer.headers["Transfer-Encoding"] == "chunked"


def test_numbers_are_formatted(server, client):
    job, task = server.add_result(
        [np.array([7, -(2**63), 2**63 - 1]), np.array([0.15, np.inf, np.nan]), ["a", "b", "c"]]
    )
    assert client.rows(job, task) == [
        ["7", "0.150000", "a"],
        ["-9223372036854775808", "inf", "b"],
        ["9223372036854775807", "nan", "c"],
    ]


@pytest.mark.parametrize(("rows", "limit", "served"), [(25, None, 10), (25, 7, 7), (25, 25, 25), (25, 10**30, 25)])
def test_limit(server, client, rows, limit, served):
    job, task = server.add_result([[str(row) for row in range(rows)]])
    query = {} if limit is None else {"limit": limit}
    assert client.rows(job, task, **query) == [[str(row)] for row in range(served)]


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "ten", "", "1_0", "\uff11"])
def test_invalid_limits(server, client, limit):
    job, task = server.add_result([["a"], ["1"]])
    path = f"jobs/{job}/tasks/{task}/sample_result"
    assert client.code("GET", path, params={"limit": limit}) == 40004001


def test_the_server_may_cap_the_limit(make):
    server, client = make(limit_cap=3)
    job, task = server.add_result([list("abcde")])
    assert client.rows(job, task, limit=5) == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("pretty", [False, True])
def test_pieces_join_to_the_document(make, pretty):
    server, client = make(pretty=pretty)
    layout = {"indent": 4} if pretty else {"separators": (",", ":")}
    for rows in (0, 1, 8191, 8192, 8193, 20_000):
        names = [f"v{row}" for row in range(rows)]
        job, task = server.add_result([names, names])
        answer = client.call("GET", f"jobs/{job}/tasks/{task}/sample_result", params={"limit": 50_000})
        document = {"code": 0, "data": {"items": [[name, name] for name in names]}, "message": "Success"}
        assert answer.text == json.dumps(document, **layout)


def test_every_answer_can_be_pretty(make):
    _, client = make(pretty=True)
    assert '\n    "code": 0' in client.call("GET", "jobs").text


def test_answers_can_be_compressed(make):
    server, client = make(gzip=True)
    job, task = server.add_result([[str(row) for row in range(20_000)]])
    path = f"jobs/{job}/tasks/{task}/sample_result?limit=20000"
    packed = client.call("GET", path)
    plain = client.call("GET", path, headers={"Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.json() == plain.json()


@pytest.mark.parametrize(
    ("columns", "error"),
    [
        ([], ValueError),
        ([["a"], ["a", "b"]], ValueError),
        ([[1, 2]], TypeError),
        ([["\ud800"]], UnicodeEncodeError),
    ],
)
def test_results_that_cannot_be_served_are_refused(server, columns, error):
    with pytest.raises(error):
        server.add_result(columns)


def test_unknown_jobs_and_tasks(server, client):
    job, task = server.add_result([["a"], ["1"]])
    other, _ = server.add_result([["a"], ["1"]])
    for path in [
        f"jobs/999999/tasks/{task}",
        f"jobs/{job}/tasks/unknown",
        f"jobs/{other}/tasks/{task}",
        "jobs/x/tasks/y",
    ]:
        assert client.code("GET", f"{path}/sample_result") == 40404000
    assert client.code("GET", "jobs/999999") == 40404000
    assert client.code("PUT", "jobs/999999/cancel") == 40404000
    assert client.code("GET", f"jobs/{'9' * 9999}") == 40404000


def test_many_rows_stream_without_a_call_for_each(server, client):
    count, calls = 300_000, 0
    columns = [np.arange(count), np.linspace(0, 1, count)]
    job, task = server.add_result(columns)
    with client.call("GET", f"jobs/{job}/tasks/{task}/sample_result?limit={count}", stream=True) as answer:
        size = sum(map(len, answer.raw.stream(1 << 20)))
    assert size > 6_000_000

    def counted(_frame, event, _argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    rendered, before = pieces(Columns(*columns), count), sys.getprofile()
    sys.setprofile(counted)
    try:
        again = sum(map(len, rendered))
    finally:
        sys.setprofile(before)
    assert again == size
    assert calls < count / 100  # some 1,000: a few for each piece of 8,192 rows


def test_other_requests_are_answered_while_a_result_streams(server, client):
    count = 1_000_000
    job, task = server.add_result([np.arange(count), np.linspace(0, 1, count)])
    with requests.get(
        f"{client.base}/jobs/{job}/tasks/{task}/sample_result?limit={count}",
        cookies=client.cookies,
        stream=True,
        timeout=HANG,
    ) as stalled:
        stalled.raw.read(10)
        assert client.ask("GET", f"jobs/{job}")["id"] == job
    assert client.ask("GET", f"jobs/{job}")["id"] == job  # and after that client has hung up


# Jobs


def test_a_job_runs_and_shows_its_tasks(server, client):
    workflow = server.workflows["karate"]
    before = time.time() * 1000
    job = client.run(workflow)
    detail = client.wait(job)
    tasks = detail.pop("tasks")
    created, begin, end = (detail.pop(key) for key in ("createTime", "runBeginTime", "runEndTime"))
    assert detail == {
        "id": int(job),
        "name": f"karate_{job}",
        "workflowId": str(workflow),
        "workflowName": "karate",
        "status": 2,
    }
    assert before - 1000 < created <= begin <= end
    names = [task["name"] for task in tasks]
    assert len(set(names)) == len(names) == 26
    for task in tasks:
        assert set(task) == {"id", "name", "runBeginTime", "runEndTime", "status"}
        assert re.fullmatch("[0-9a-f]{32}", task["id"])
        assert task["status"] == 2
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00", task["runBeginTime"])
        begun, ended = (datetime.fromisoformat(task[key]) for key in ("runBeginTime", "runEndTime"))
        assert begin // 1000 <= begun.timestamp() <= ended.timestamp() <= end / 1000
        assert begun.utcoffset() == timedelta(hours=8)


def test_rerunning_makes_a_new_job_with_the_same_results(server, client):
    results = []
    for job in [client.run(server.workflows["lesmis"]) for _ in range(2)]:
        tasks = client.wait(job)["tasks"]
        results.append({task["name"]: client.rows(job, task["id"], limit=10_000) for task in tasks})
    assert results[0] == results[1]


@pytest.mark.parametrize(("id_type", "kind"), [("string", str), ("number", int)])
def test_the_new_id_is_a_string_or_a_number(make, id_type, kind):
    server, client = make(id_type=id_type)
    assert isinstance(client.run(server.workflows["karate"]), kind)


def test_input_overrides_workflow_parameters(server, client):
    workflow = server.add_workflow("bfs", TRIANGLE, {"bfs_1": ("BFS", {"root": 1, "is_directed": False})})
    for inputs, root in [({}, "1"), ({"bfs_1": {"root": 2}}, "2"), ({"bfs_1": {"root": "3"}}, "3")]:
        job = client.run(workflow, **inputs)
        task = client.wait(job)["tasks"][0]
        assert client.rows(job, task["id"]) == [[root, "3"]]


@pytest.mark.parametrize("body", [{}, {"input": {}}, {"input": None}])
def test_input_is_optional(server, client, body):
    path = f"workflows/{server.workflows['karate']}/jobs"
    assert client.wait(client.ask("POST", path, json=body)["id"])["status"] == 2


@pytest.mark.parametrize("body", [{"input": []}, {"input": {"bfs_1": 1}}, {"inputs": {}}])
def test_malformed_input(server, client, body):
    assert client.code("POST", f"workflows/{server.workflows['karate']}/jobs", json=body) == 40004001


SPELLINGS = [("root", "is_directed"), ("ROOT", "IS_DIRECTED"), ("Root", "Is_Directed"), ("root", "IS_DIRECTED")]


@pytest.mark.parametrize("saved", SPELLINGS)
@pytest.mark.parametrize("given", SPELLINGS)
def test_parameter_names_match_in_any_case(server, client, saved, given):
    directed = Graph.from_edges([(1, 2), (2, 3)], vid_type="int64")
    parameters = dict(zip(saved, (1, True), strict=True))
    workflow = server.add_workflow("bfs", directed, {"bfs_1": ("BFS", parameters)})
    for values, row in [((), ["1", "3"]), ((3,), ["3", "1"]), ((3, "false"), ["3", "3"])]:
        job = client.run(workflow, bfs_1=dict(zip(given, values, strict=False)))
        assert client.rows(job, client.wait(job)["tasks"][0]["id"]) == [row]


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"bfs_1": {"root": 1, "ROOT": 1}}, "input of bfs_1: root and ROOT are the same parameter"),
        ({"bfs_1": {"Root": 1, "is_directed": True, "rOOT": 2}}, "input of bfs_1: Root and rOOT are the same"),
        ({"other_1": {}, "bfs_1": {"UNKNOWN": 1, "unknown": 1}}, "input of bfs_1: UNKNOWN and unknown are the same"),
        ({"unknown_1": {"eps": 1, "Eps": 1}}, "input of unknown_1: eps and Eps are the same parameter"),
    ],
)
def test_one_parameter_in_two_spellings_is_a_parameter_error_and_makes_no_job(make, inputs, why):
    server, client = make()
    workflow = server.add_workflow("bfs", TRIANGLE, {"bfs_1": ("BFS", {"root": 1})})
    answer = client.call("POST", f"workflows/{workflow}/jobs", json={"input": inputs}).json()
    assert answer["code"] == 40004001
    assert why in answer["message"]
    assert client.ask("GET", "jobs")["total"] == 0


def test_a_saved_parameter_in_two_spellings_is_refused(server):
    with pytest.raises(ValueError, match="root and ROOT are the same parameter"):
        server.add_workflow("twice", TRIANGLE, {"bfs_1": ("BFS", {"root": 1, "ROOT": 2})})
    assert "twice" not in server.workflows


@pytest.mark.parametrize("workflow", ["1", "karate"])
def test_unknown_workflows(client, workflow):
    assert client.code("POST", f"workflows/{workflow}/jobs") == 40404000
    assert client.code("GET", f"workflows/{workflow}/jobs") == 40404000


@pytest.mark.parametrize(
    ("algorithm", "parameters", "why"),
    [
        ("Fail", {}, "always fails"),
        ("Unknown", {}, "unknown algorithm"),
        ("PageRank", {"root": 1}, "unknown parameter root"),
        ("PageRank", {"Root": 1}, "unknown parameter Root; known: iterations, is_directed, eps, damping"),
        ("PageRank", {"DAMPING": "high"}, "DAMPING must be a number"),
        ("KCore", {"Type": "edge"}, "Type must be one of"),
        ("PageRank", {"damping": "high"}, "damping must be a number"),
        ("PageRank", {"damping": float("inf")}, "damping must be a number"),
        ("PageRank", {"iterations": 1.5}, "iterations must be an integer"),
        ("PageRank", {"is_directed": "maybe"}, "is_directed must be true or false"),
        ("KCore", {"type": "edge"}, "type must be one of"),
        ("TriangleCount", {"opt": 4}, "opt must be one of"),
        ("SSSP", {"root": 99}, "vertex '99' is not in the graph"),
        ("SSSP", {"root": True}, "root must be a string"),
        ("SSSP", {}, "vertex '' is not in the graph"),
        ("Tree_stat", {"root": 1, "stat": "height"}, "stat must contain only width and depth"),
    ],
)
def test_a_failing_task_fails_its_job_and_no_other_task(server, client, algorithm, parameters, why):
    tasks = {"bad_1": (algorithm, parameters), "good_1": ("WCC", {})}
    job = client.run(server.add_workflow("failing", TRIANGLE, tasks))
    detail = client.wait(job)
    bad, good = detail["tasks"]
    assert (detail["status"], bad["status"], good["status"]) == (3, 3, 2)
    answer = client.call("GET", f"jobs/{job}/tasks/{bad['id']}/sample_result").json()
    assert answer["code"] == 40004000
    assert why in answer["message"]
    assert client.rows(job, good["id"]) == [["1", "1"], ["2", "1"], ["3", "1"]]


def test_input_for_an_unknown_task_fails_the_job(server, client):
    job = client.run(server.workflows["karate"], unknown_1={"root": 1})
    detail = client.wait(job)
    assert detail["status"] == 3
    assert {task["status"] for task in detail["tasks"]} == {4}


def test_slow_jobs_go_through_every_state(make):
    server, client = make(task_seconds=0.15)
    release = threading.Event()

    def build():
        release.wait(HANG)
        return TRIANGLE.topology, TRIANGLE.vids

    workflow = server.add_workflow("slow", Graph(build), {"wcc_1": ("WCC", {}), "wcc_2": ("WCC", {})})
    job = client.run(workflow)
    while (detail := client.wait(job, until={1}))["tasks"][0]["status"] != 1:
        time.sleep(0.005)
    first, second = detail["tasks"]
    assert detail["runEndTime"] == 0
    assert (first["status"], second["status"]) == (1, 0)
    assert (second["runBeginTime"], second["runEndTime"]) == (None, None)
    assert client.code("GET", f"jobs/{job}/tasks/{first['id']}/sample_result") == 40004000
    release.set()
    detail = client.wait(job)
    assert detail["status"] == 2
    assert detail["runEndTime"] - detail["runBeginTime"] >= 300


def test_cancel(make):
    server, client = make(task_seconds=9 * HANG)
    workflow = server.add_workflow("slow", TRIANGLE, {"wcc_1": ("WCC", {}), "wcc_2": ("WCC", {})})
    job = client.run(workflow)
    client.wait(job, until={1})
    assert client.ask("PUT", f"jobs/{job}/cancel") == {"success": True}
    detail = client.wait(job)
    assert [detail["status"], *(task["status"] for task in detail["tasks"])] == [4, 4, 4]
    assert client.code("GET", f"jobs/{job}/tasks/{detail['tasks'][0]['id']}/sample_result") == 40004000
    assert client.code("PUT", f"jobs/{job}/cancel") == 40004000


def test_a_job_that_is_stopping_says_so(make):
    server, client = make()
    release = threading.Event()

    def build():
        release.wait(HANG)
        return TRIANGLE.topology, TRIANGLE.vids

    job = client.run(server.add_workflow("stuck", Graph(build), {"wcc_1": ("WCC", {})}))
    client.wait(job, until={1})
    client.ask("PUT", f"jobs/{job}/cancel")
    detail = client.ask("GET", f"jobs/{job}")
    release.set()
    assert (detail["status"], detail["tasks"][0]["status"]) == (5, 5)
    assert client.wait(job)["status"] == 4


def test_any_status_can_be_reported(server, client):
    job, task = server.add_result([["a"], ["1"]])
    server.set_status(job, 77)
    server.set_status(job, 78, task)
    detail = client.ask("GET", f"jobs/{job}")
    assert (detail["status"], detail["tasks"][0]["status"]) == (77, 78)
    assert client.code("GET", f"jobs/{job}/tasks/{task}/sample_result") == 40004000
    server.set_status(job, None)
    server.set_status(job, None, task)
    assert client.ask("GET", f"jobs/{job}")["status"] == 2
    assert client.rows(job, task) == [["a", "1"]]


def test_results_can_share_a_job(server, client):
    job, first = server.add_result([["a"], ["1"]])
    assert server.add_result([["b"], ["2"]], "Louvain", job_id=job)[0] == job
    tasks = client.ask("GET", f"jobs/{job}")["tasks"]
    assert [task["name"] for task in tasks] == ["PageRank", "Louvain"]
    assert [client.rows(job, task["id"]) for task in tasks] == [[["a", "1"]], [["b", "2"]]]
    assert tasks[0]["id"] == first


# Lists


@pytest.fixture(scope="module")
def many():
    with Sandbox() as server:
        ids = server.add_jobs(10_000)
        ids += server.add_jobs(5, status=3)
        client = Client(server)
        with client.session:
            client.wait(client.run(server.workflows["karate"]))
            yield server, client, ids


def listed(client, path="jobs", filter=None, **query):  # noqa: A002 - the API's word
    if filter is not None:
        query["filter"] = filter if isinstance(filter, str) else json.dumps(filter)
    return client.ask("GET", path, params=query)


def test_jobs_are_listed_newest_first_by_ten(many):
    _, client, ids = many
    page = listed(client)
    items = page.pop("items")
    assert page == {"total": 10_006, "Page": 1, "PageSize": 10}
    assert len(items) == 10
    assert [item["id"] for item in items[1:]] == ids[:-10:-1]
    assert set(items[0]) == {
        "id",
        "name",
        "workflowId",
        "workflowName",
        "status",
        "runBeginTime",
        "runEndTime",
        "createTime",
    }


def test_pages_cover_the_list_in_the_order_of_creation(many, monkeypatch):
    _, client, _ = many
    describe, described = Job.describe, []
    monkeypatch.setattr(Job, "describe", lambda job: described.append(job) or describe(job))
    pages = [listed(client, pageSize=1000, page=page)["items"] for page in range(1, 13)]
    assert len(described) == 10_006, "only those of a page are described"
    assert [len(page) for page in pages] == [1000] * 10 + [6, 0]
    times = [item["createTime"] for page in pages for item in page]
    assert all(later > earlier for later, earlier in itertools.pairwise(times))
    assert times[0] <= time.time() * 1000 + 1000


def test_filters(many):
    _, client, ids = many
    assert listed(client, filter={"status": 3})["total"] == 5
    assert listed(client, filter={"status": 77})["total"] == 0
    assert [item["name"] for item in listed(client, filter={"name": "karate"})["items"]] == [f"karate_{ids[-1] + 1}"]
    oldest = listed(client, filter={"orderByCreateTime": "asc"})["items"]
    assert [item["id"] for item in oldest] == ids[:10]
    assert listed(client, filter={"orderByCreateTime": "desc"})["items"][1]["id"] == ids[-1]
    begin, end = oldest[2]["createTime"], oldest[4]["createTime"]
    span = {"fromCreateTime": begin, "toCreateTime": end}
    assert [item["id"] for item in listed(client, filter=span)["items"]] == ids[4:1:-1]
    assert listed(client, filter={})["total"] == listed(client, filter="")["total"] == 10_006


def test_jobs_of_a_workflow(many):
    server, client, ids = many
    karate = listed(client, f"workflows/{server.workflows['karate']}/jobs")
    assert [item["id"] for item in karate["items"]] == [ids[-1] + 1]
    results = listed(client, f"workflows/{server.workflows['results']}/jobs", filter={"status": 3}, pageSize=2)
    assert (results["total"], results["PageSize"], len(results["items"])) == (5, 2, 2)
    assert listed(client, f"workflows/{server.workflows['lesmis']}/jobs")["total"] == 0


@pytest.mark.parametrize(
    "query",
    [
        {"filter": "{"},
        {"filter": "[]"},
        {"filter": "1" * 5000},
        {"filter": '{"unknown": 1}'},
        {"filter": '{"status": "2"}'},
        {"filter": '{"status": true}'},
        {"filter": '{"orderByCreateTime": "up"}'},
        {"pageSize": "0"},
        {"pageSize": "many"},
        {"page": "-1"},
    ],
)
def test_invalid_list_queries(client, query):
    assert client.code("GET", "jobs", params=query) == 40004001


# Envelope and frame


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "unknown"), ("DELETE", "jobs"), ("GET", "jobs/"), ("GET", "connect")]
)
def test_unknown_calls_have_an_envelope(client, method, path):
    assert client.code(method, path) == 40404000


def test_the_unexpected_has_an_envelope(make, monkeypatch):
    server, client = make(http_status_of_errors="mapped")
    monkeypatch.setattr(server._jobs, "all", lambda _: 1 / 0)
    answer = client.call("GET", "jobs")
    assert (answer.json()["code"], answer.status_code) == (50004000, 500)
    assert answer.json()["message"] == "ErrInternalServer: ZeroDivisionError"


def test_each_response_has_a_unique_trace_id(server, client):
    job, task = server.add_result([["a"], ["1"]])
    answers = [
        client.call("GET", path) for path in ("jobs", "unknown", "jobs/0", f"jobs/{job}/tasks/{task}/sample_result")
    ]
    answers.append(log_in(server, "wrong"))
    traces = {answer.headers["Traceparent"] for answer in answers}
    assert len(traces) == 5
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace) for trace in traces)


@pytest.mark.parametrize(("mode", "statuses"), [("200", [200, 200, 200]), ("mapped", [404, 400, 401])])
def test_http_status_of_errors(make, mode, statuses):
    server, client = make(http_status_of_errors=mode)
    answers = [
        client.call("GET", "jobs/0"),
        client.call("GET", "jobs?page=0"),
        Client(server, "unknown").call("GET", "jobs"),
    ]
    assert [answer.status_code for answer in answers] == statuses
    assert client.call("GET", "jobs").status_code == 200


def test_requests_are_recorded(make):
    server, client = make(http_status_of_errors="mapped")
    client.call("GET", "jobs?page=2&filter=%7B%7D")
    client.call("PUT", "jobs/0/cancel")
    assert server.requests == [
        ("GET", "/api-open/v1/jobs?page=2&filter=%7B%7D", 200),
        ("PUT", "/api-open/v1/jobs/0/cancel", 404),
    ]


# The server itself


def test_sandbox_url_is_available(server):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)
    assert server.environment == {
        "EXPLORER_FRAMES_URL": server.url,
        "EXPLORER_FRAMES_USER": "root",
        "EXPLORER_FRAMES_PASSWORD": "nebula",
        "EXPLORER_FRAMES_GRAPHD": "127.0.0.1:9669",
    }


def test_it_serves_an_ipv6_address():
    with Sandbox(host="::1") as server:
        assert log_in(server).json()["code"] == 0


@pytest.mark.parametrize("logged_in", [False, True])
def test_large_bodies_are_not_held_in_memory(server, logged_in):
    """Without a login, none is read; else, not more than a limit."""
    body = (b" " * 2**20 for _ in range(64))
    tracemalloc.start()
    try:
        answer = log_in(server, '["root","nebula"]' if logged_in else "", data=body)
        assert answer.json()["code"] == (40004000 if logged_in else 40104000)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_stopping_the_sandbox_leaves_no_threads_or_sockets(capfd):
    before = set(threading.enumerate())
    with Sandbox(task_seconds=9 * HANG) as server:
        client = Client(server)
        job, task = server.add_result([np.arange(1_000_000)])
        client.wait(client.run(server.workflows["karate"]), until={1})
        # Two connections that are open when the server stops: one idle, one in the middle of an answer.
        with requests.Session() as other:
            path = f"{client.base}/jobs/{job}/tasks/{task}/sample_result?limit=1000000"
            stalled = other.get(path, cookies=client.cookies, stream=True, timeout=HANG)
            stalled.raw.read(10)
            server.stop()
            with pytest.raises(requests.ConnectionError):
                requests.get(server.url, timeout=HANG)
            stalled.close()
    client.session.close()
    gc.collect()
    assert set(threading.enumerate()) <= before  # threads of earlier tests may have ended meanwhile
    assert capfd.readouterr() == ("", "")


def test_sandbox_can_be_restarted_with_its_jobs(make):
    server, client = make()
    job, task = server.add_result([["a"], ["1"]])
    server.stop()
    server.stop()
    server.start()
    with pytest.raises(RuntimeError, match="already running"):
        server.start()
    again = Client(server, client.cookies["explorer_token"])
    assert again.rows(job, task) == [["a", "1"]]


def test_sandbox_port_can_be_fixed_or_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .*in use"):
            Sandbox(port).start()
    with Sandbox(port) as server:
        assert server.url == f"http://127.0.0.1:{port}"


def test_there_is_no_address_before_the_start():
    with pytest.raises(RuntimeError, match="before start"):
        Sandbox().url  # noqa: B018 - reading it raises


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_cannot_start_says_so(monkeypatch):
    async def startup(*_):
        raise ArithmeticError

    monkeypatch.setattr(uvicorn.Server, "startup", startup)
    with pytest.raises(RuntimeError, match="cannot start"):
        Sandbox().start()


@pytest.mark.parametrize("option", ["auth_encoding", "id_type", "http_status_of_errors", "output_style"])
def test_options_are_checked(option):
    with pytest.raises(ValueError, match=f"{option} must be one of"):
        Sandbox(**{option: "other"})


@pytest.mark.parametrize(
    ("option", "value"),
    [("limit_cap", "x"), ("limit_cap", -1), ("task_seconds", "x"), ("token_life", -1), ("output_parts", 0)],
)
def test_numbers_are_checked(option, value):
    with pytest.raises(ValueError, match=f"{option} must be at least [01], got {value!r}"):
        Sandbox(**{option: value})


def _ask_in_child(url, cookies):
    answer = requests.get(f"{url}/api-open/v1/jobs", cookies=cookies, timeout=HANG)
    sys.exit(answer.json()["code"])


@needs_fork
def test_a_forked_child_is_a_client_like_any_other(server, client):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: forking a process with threads
        child = multiprocessing.get_context("fork").Process(target=_ask_in_child, args=(server.url, client.cookies))
        child.start()
    child.join(HANG)
    assert child.exitcode == 0
    child.close()
    assert client.ask("GET", "jobs")["Page"] == 1


def test_the_example_runs():
    failed, tried = doctest.testmod(_server)
    assert failed == 0
    assert tried > 0
