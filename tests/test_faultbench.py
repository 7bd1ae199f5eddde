"""Seven zeros for ours; and that the bench can see each of them broken."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from functools import cache

import oracle
import pandas as pd
import pytest
from faultbench import bodies, wires
from faultbench.__main__ import NAIVE, OURS, named
from faultbench.faults import GOLDEN, RAISES, Fault
from faultbench.judge import same, verdict
from faultbench.report import ZEROS

FAULTS = named()


def bench(folder, *arguments, **options):
    """Run it as a stranger does, in a process of its own: it forks, which this one with its threads should not."""
    path = folder / "results.json"
    command = [sys.executable, "-m", "faultbench", *arguments, "--show", "0", "--json", str(path)]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment(), check=False, **options
    )
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text())


@cache
def environment():
    import os
    from pathlib import Path

    here = Path(__file__).parent
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")]),
    }


def assert_zeros(found):
    assert found["faulty"] == []
    assert {name: found[name][0] for name in (*ZEROS, "refused")} == dict.fromkeys((*ZEROS, "refused"), 0)


def test_ours_has_seven_zeros_over_all_named_faults(tmp_path, record_property):
    results = bench(tmp_path, OURS)
    record_property("faultbench", results["table"])
    [found] = results["clients"].values()
    assert_zeros(found)
    tried = {name: found[name][1] for name in ZEROS}
    assert tried["silent-wrong"] >= 600
    assert tried["partial"] >= 600
    assert tried["double-submit"] >= 20
    assert tried["untyped"] >= 900
    assert tried["crash/crossing"] >= tried["leak"] + 1000
    assert found["refused"][1] >= 140
    # Where we are laxer than the record wants, the record says why: these, and no more. By chance, two: another try
    # may not fit into the bench's short deadline.
    by_chance = {"an empty reply, then an answer", "half an answer, then another"}
    assert set(found["by right"]) - by_chance == {
        *(f"length {name}" for name in wires.JUNK_LENGTHS),
        "gzip without its checksum",
        "gzip with junk behind",
    }


@pytest.mark.slow
def test_ours_has_zeros_wherever_an_answer_is_cut(tmp_path, record_property):
    results = bench(tmp_path, f"{OURS}:read_once", "--only", "^cuts:", "--cuts", "1")
    record_property("faultbench", results["table"])
    [found] = results["clients"].values()
    assert_zeros(found)
    assert found["silent-wrong"][1] >= 5000


@pytest.mark.slow
def test_the_usual_code_has_not(tmp_path, record_property):
    results = bench(tmp_path, *NAIVE)
    record_property("faultbench", results["table"])
    clients = results["clients"]
    assert len(clients) == len(NAIVE)
    for name, found in clients.items():
        for zero in ("silent-wrong", "partial", "leak", "hang", "untyped"):
            assert found[zero][0] > 0, (name, zero)
    for zero in ZEROS:
        assert sum(found[zero][0] for found in clients.values()) > 0, zero


BAD = """
import logging, os, signal, time
from pathlib import Path
import pandas as pd, requests

def good(url, token, limit):
    answer = requests.get(f"{url}/api-open/v1/jobs/1/tasks/t/sample_result", params={"limit": limit}, timeout=5)
    return pd.DataFrame(answer.json()["data"]["items"], columns=["id", "score"]).astype({"score": float})

def hooked(name, bad):
    def read(url, token, limit):
        return bad(url, token, limit) if "/read" in url else good(url, token, limit)
    globals()[name] = read

hooked("lies", lambda *_: pd.DataFrame({"id": ["a", "b"], "score": [1.5, 2.0]}))
hooked("dies", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
hooked("hogs", lambda *_: bytearray(2**32))
hooked("sleeps", lambda *_: time.sleep(60))
hooked("tells", lambda _, token, __: logging.getLogger("any").debug("token is %s", token))

class Told(OSError):
    def __init__(self, token):
        super().__init__("no")
        self.token = token

def _raise(error):
    raise error

hooked("holds", lambda _, token, __: _raise(Told(token)))
hooked("untold", lambda *_: _raise(KeyError("data")))

def crosses(url, token, limit):
    limit = limit - limit % 2 if limit > 2 else limit
    return good(url, token, limit)

def export(url, token, limit, path):
    Path(path).write_bytes(b"PAR1")
    if url.endswith("export"):
        raise OSError("disk full")

def run(url, token):
    for _ in range(2):
        requests.post(f"{url}/api-open/v1/workflows/7/jobs", json={}, timeout=5)
"""


@pytest.mark.slow
def test_the_bench_sees_each_zero_broken(tmp_path):
    (tmp_path / "bad.py").write_text(BAD)
    names, only = (
        ("good", "lies", "dies", "hogs", "sleeps", "tells", "holds", "untold"),
        "status: status 200, code 0$|submit: accepted",
    )
    clients = bench(tmp_path, *(f"bad:{name}" for name in names), "--only", only)["clients"]
    clients |= bench(tmp_path, "bad:crosses", "--only", f"{only}|crossing")["clients"]
    bad = {name: {zero: clients[f"bad:{name}"][zero][0] for zero in ZEROS} for name in (*names, "crosses")}
    usual = {"partial": 1, "double-submit": 1}  # of all of them, by their export and run
    for name, broken in {
        "good": {},
        "lies": {"silent-wrong": 1},
        "dies": {"crash/crossing": 1},
        "hogs": {"crash/crossing": 1},
        "sleeps": {"hang": 1},
        "tells": {"leak": 1, "silent-wrong": 1},
        "holds": {"leak": 1},
        "untold": {"untyped": 1},
        "crosses": {"crash/crossing": 400 + 80},
    }.items():
        assert bad[name] == dict.fromkeys(ZEROS, 0) | usual | broken, name
    assert clients["bad:holds"]["refused"] == clients["bad:untold"]["refused"] == [1, 1]


# --- the records


def test_the_records_are_as_many_as_promised_and_each_has_a_name_of_its_own():
    assert max(Counter(fault.name for fault in FAULTS).values()) == 1
    groups = Counter(fault.group for fault in FAULTS)
    assert sum(groups[name] for name in ("body", "rows", "id", "score", "number")) >= 150
    assert groups["status"] >= 100
    assert (
        sum(groups[name] for name in ("odd", "wrong", "cut", "hang", "drip", "endless", "redirect", "kept", "bomb"))
        >= 40
    )
    assert sum(1 for _ in wires.cuts()) >= 5000


def test_what_differs_by_right_needs_a_reason():
    with pytest.raises(AssertionError, match="reason"):
        Fault(name="x", group="body", wire=b"", also=(GOLDEN,))
    assert all(fault.why for fault in FAULTS if fault.also)


BODIES = [f for f in FAULTS if f.group in ("body", "id", "score", "number") and len(f.wire) < 2**20]


@pytest.mark.parametrize("fault", BODIES, ids=lambda f: f.name)
def test_the_records_agree_with_the_oracle(fault):
    body = fault.wire.partition(b"\r\n\r\n")[2]
    try:
        rows = tuple(map(tuple, oracle.read(body, ["string", "double"])))
    except oracle.RefusedError:
        assert fault.rows is RAISES
    else:
        assert (
            verdict(fault, pd.DataFrame(rows, columns=["id", "score"]).astype({"id": object, "score": float}))
            == "right"
        )


@pytest.mark.parametrize(
    ("frame", "is_same"),
    [
        (pd.DataFrame({"x": ["a", "b"], "y": [1.5, 2.5]}), True),
        (pd.DataFrame({"x": ["a", "b"], "y": pd.array([1.5, 2.5], "Float64")}), True),
        (
            pd.DataFrame({"x": pd.array(["a", "b"], "string[pyarrow]"), "y": pd.array([1.5, 2.5], "double[pyarrow]")}),
            True,
        ),
        (pd.DataFrame({"x": ["a", "b"], "y": pd.array([1.5, 2.5], "float32")}), False),
        (pd.DataFrame({"x": ["a", "b"], "y": [1.5, 2.5000000000000004]}), False),
        (pd.DataFrame({"x": ["a", "b"], "y": ["1.5", "2.5"]}), False),
        (pd.DataFrame({"x": ["a", 2], "y": [1.5, 2.5]}), False),
        (pd.DataFrame({"x": ["b", "a"], "y": [2.5, 1.5]}), False),
        (pd.DataFrame({"x": ["a"], "y": [1.5]}), False),
        (pd.DataFrame({"x": ["a", "b"], "y": [1.5, 2.5], "z": [0, 0]}), False),
        ([["a", 1.5], ["b", 2.5]], False),
    ],
)
def test_a_frame_is_the_right_one_by_values_and_types(frame, is_same):
    assert same(frame, GOLDEN) is is_same


def test_zeros_have_signs_and_missing_is_not_zero():
    assert not same(pd.DataFrame({"x": ["a"], "y": [0.0]}), (("a", -0.0),))
    assert not same(pd.DataFrame({"x": ["a"], "y": [0.0]}), (("a", None),))
    assert same(pd.DataFrame({"x": ["a"], "y": [float("nan")]}), (("a", None),))
    assert not same(pd.DataFrame({"x": ["nan"], "y": [0.5]}), ((None, 0.5),))


def test_names_of_the_bodies_are_those_of_the_records():
    assert set(bodies.LAX) <= set(bodies.INVALID)
