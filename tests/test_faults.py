"""Every named fault of a server, against our client: right rows or a typed error, and nothing lost, left or leaked.

What needs a process of its own (bombs, full disks, crashes, memory, forks) is tried by `benchmarks/faultbench`.
"""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import oracle
import pandas as pd
import pytest
from faults import JOB, TASK, WORKFLOW, bodies, judge, wires
from faults.records import GOLDEN, RAISES, Fault
from faults.server import FaultServer, Seen

from explorer_frames import Explorer, ExplorerFramesError

FAULTS = [*bodies.faults(), *wires.faults(), *wires.submits()]
TOKEN = "c4naryT0ken"  # where it shows, a secret would
OLD = b"old file"
pytestmark = pytest.mark.filterwarnings("ignore::explorer_frames.errors.TruncatedResultWarning")  # 100 rows of 100
APART = {"bomb", "disk"}  # for processes of their own
ALIKE = {"body", "id", "score", "number", "status"}
ENDLESS = {"hang", "drip", "endless", "submit"}  # only a deadline ends some of them
BOUND = 60.0  # seconds: far more than any call needs on a busy machine, and less than none
CALLERS = {Path(__file__), Path(judge.__file__).parent}
# Rows that are right though the record wants an error first, for the reason that it gives.
BY_RIGHT = {*(f"length {name}" for name in wires.JUNK_LENGTHS), "gzip without its checksum", "gzip with junk behind"}


class Trial:
    """One call under one fault: its result or error, and its failures."""

    def __init__(self, server, number, mode):
        self.fault, self.mode, self.run = FAULTS[number], mode, f"{number}/{mode}"
        url = f"{server.urls[0]}/{self.run}"
        self.url = url.replace("http:", "https:") if self.fault.secure else url
        self.frame = self.error = None

    def __call__(self, call):
        ends_by_deadline = self.fault.group in ENDLESS and self.fault.name != "submit: accepted"
        deadline = 1.0 if ends_by_deadline else BOUND
        begun = time.monotonic()
        with Explorer(self.url, token=TOKEN, deadline=deadline) as explorer:
            for _ in range(self.fault.calls):  # the last one counts
                self.frame = self.error = None
                try:
                    self.frame = call(explorer, self.fault.limit)
                except BaseException as error:  # noqa: BLE001 (judged below)
                    self.error = error
        self.seconds = time.monotonic() - begun
        return self

    def failures(self, seen):
        run = seen.get(self.run, Seen())
        found = ["hang"] * (self.seconds > BOUND) + ["token sent to another host"] * run.strayed
        found += ["double submit"] * (run.posts > 1)
        if self.error is not None:
            documented = (ExplorerFramesError,)
            found += ["untyped"] * (not judge.told(self.error, documented, lambda error: error.hint))
            found += [f"token in {sink}" for sink in judge.leaks(self.error, TOKEN, CALLERS)]
        if self.mode != "run":
            verdict = judge.verdict(self.fault, self.frame if self.error is None else None)
            found += [verdict] * (verdict == "wrong" or (verdict == "refused" and RAISES not in self.fault.also))
            found += ["right only by its reason"] * (
                verdict == "by right" and self.error is None and self.fault.name not in BY_RIGHT
            )
        if self.frame is not None:
            found += ["token in attrs"] * (TOKEN in repr(self.frame.attrs))
        return found


@pytest.fixture
def replay():
    """Call the client under many faults in parallel; return the trials and their failures."""
    with FaultServer(FAULTS, TOKEN) as server, ThreadPoolExecutor(32) as pool, judge.logs() as lines:

        def trials(mode, call, numbers):
            made = list(pool.map(lambda number: Trial(server, number, mode)(lambda *of: call(number, *of)), numbers))
            seen = server.seen_so_far()
            wrong = {
                f"{trial.fault.group}: {trial.fault.name}": (failures, trial.error if trial.frame is None else "rows")
                for trial in made
                if (failures := trial.failures(seen))
            }
            assert not [line for line in lines if TOKEN in line]
            return made, wrong

        yield trials


def numbers_of(wanted):
    # Those that end only by a deadline begin first: the others run while they wait.
    numbers = [number for number, fault in enumerate(FAULTS) if wanted(fault)]
    return sorted(numbers, key=lambda number: FAULTS[number].group not in ENDLESS)


@pytest.mark.parametrize("part", [9, pytest.param(1, marks=pytest.mark.slow)], ids=["each ninth", "all"])
def test_a_read_gives_the_right_rows_or_a_typed_error(replay, part):
    numbers = numbers_of(lambda fault: fault.group not in {*APART, "submit"})
    numbers = [number for number in numbers if number % part == 0 or FAULTS[number].group not in ALIKE]
    trials, wrong = replay("read", lambda _, explorer, limit: explorer.read_sample_result(JOB, TASK, limit), numbers)
    assert wrong == {}
    assert len(trials) >= 630 // part
    assert sum(trial.error is not None for trial in trials) >= 430 // part
    assert sum(trial.error is None for trial in trials) >= 140 // part


def test_an_export_leaves_the_old_file_or_the_whole_new_one(replay, tmp_path):
    numbers = numbers_of(lambda fault: fault.group not in {*APART, "submit"} and fault.calls == 1)
    # Reads try every body: to leave files alone, each ninth of those that only differ in it is enough.
    numbers = [number for number in numbers if number % 9 == 0 or FAULTS[number].group not in ALIKE]
    path = {number: tmp_path / str(number) / "out.parquet" for number in numbers}
    for each in path.values():
        each.parent.mkdir()
        each.write_bytes(OLD)

    def export(number, explorer, limit):
        explorer.export_sample_result(JOB, TASK, path[number], limit, allow_incomplete=True)
        assert TOKEN.encode() not in path[number].read_bytes()
        return pd.read_parquet(path[number])

    trials, wrong = replay("export", export, numbers)
    assert wrong == {}
    left = {
        trial.fault.name: list(path[number].parent.iterdir()) for number, trial in zip(numbers, trials, strict=True)
    }
    assert {name: files for name, files in left.items() if [file.name for file in files] != ["out.parquet"]} == {}
    kept = [number for number, trial in zip(numbers, trials, strict=True) if trial.error is not None]
    assert [FAULTS[number].name for number in kept if path[number].read_bytes() != OLD] == []
    assert len(kept) >= 130
    assert len(trials) - len(kept) >= 40


def test_a_run_submits_once(replay):
    numbers = numbers_of(lambda fault: fault.group == "submit")
    trials, wrong = replay("run", lambda _, explorer, __: explorer.run_workflow(WORKFLOW) and None, numbers)
    assert wrong == {}
    assert [trial.fault.name for trial in trials if trial.error is None] == ["submit: accepted"]
    assert len(trials) >= 20


# The records


def test_fault_names_are_unique():
    assert max(Counter(fault.name for fault in FAULTS).values()) == 1
    groups = Counter(fault.group for fault in FAULTS)
    assert sum(groups[name] for name in ("body", "rows", "id", "score", "number")) >= 150
    assert groups["status"] >= 100
    on_the_wire = ("odd", "wrong", "cut", "hang", "drip", "endless", "redirect", "kept", "bomb")
    assert sum(groups[name] for name in on_the_wire) >= 40
    assert sum(1 for _ in wires.cuts()) >= 5000
    assert set(bodies.LAX) <= set(bodies.INVALID)


def test_a_record_with_two_right_answers_gives_a_reason():
    with pytest.raises(AssertionError, match="reason"):
        Fault(name="x", group="body", wire=b"", also=(GOLDEN,))
    assert all(fault.why for fault in FAULTS if fault.also)


def test_the_records_agree_with_the_oracle():
    differ, read = {}, 0
    for fault in FAULTS:
        if fault.group not in {"body", "id", "score", "number"} or len(fault.wire) >= 2**20:
            continue
        try:
            rows = oracle.read(fault.wire.partition(b"\r\n\r\n")[2], ["string", "double"])
        except oracle.RefusedError as error:
            if fault.rows is not RAISES:
                differ[fault.name] = error
            continue
        read += 1
        frame = pd.DataFrame([*map(tuple, rows)], columns=["id", "score"]).astype({"id": object, "score": float})
        if judge.verdict(fault, frame) != "right":
            differ[fault.name] = frame
    assert differ == {}
    assert read >= 100


def test_the_judge_compares_values_and_types():
    x, y = ["a", "b"], [1.5, 2.5]
    right = [
        {"x": x, "y": y},
        {"x": x, "y": pd.array(y, "Float64")},
        {"x": pd.array(x, "string[pyarrow]"), "y": pd.array(y, "double[pyarrow]")},
    ]
    wrong = [
        {"x": x, "y": pd.array(y, "float32")},
        {"x": x, "y": [1.5, 2.5000000000000004]},
        {"x": x, "y": ["1.5", "2.5"]},
        {"x": ["a", 2], "y": y},
        {"x": x[::-1], "y": y[::-1]},
        {"x": x[:1], "y": y[:1]},
        {"x": x, "y": y, "z": [0, 0]},
    ]
    assert all(judge.same(pd.DataFrame(columns), GOLDEN) for columns in right)
    assert not any(judge.same(pd.DataFrame(columns), GOLDEN) for columns in wrong)
    assert not judge.same([["a", 1.5], ["b", 2.5]], GOLDEN)
    assert not judge.same(pd.DataFrame({"x": ["a"], "y": [0.0]}), (("a", -0.0),))
    assert not judge.same(pd.DataFrame({"x": ["a"], "y": [0.0]}), (("a", None),))
    assert judge.same(pd.DataFrame({"x": ["a"], "y": [float("nan")]}), (("a", None),))
    assert not judge.same(pd.DataFrame({"x": ["nan"], "y": [0.5]}), ((None, 0.5),))


def test_judge_detects_wrong_results():
    def raised(error, **attributes):
        try:
            hidden = attributes.pop("hidden", "")  # noqa: F841 (a local of a frame that is not among the callers)
            vars(error).update(attributes)
            raise error
        except type(error):
            return error

    for error, sink in [
        (raised(OSError(TOKEN)), "text"),
        (raised(OSError("x"), token=TOKEN), "attributes"),
        (raised(OSError("x"), hidden=TOKEN), "locals"),
        (raised(OSError("x"), __notes__=[TOKEN]), "notes"),
    ]:
        assert sink in judge.leaks(error, TOKEN, ())
    assert judge.leaks(raised(OSError("x"), hidden=TOKEN), TOKEN, CALLERS) == []
    assert not judge.told(KeyError("data"), (ExplorerFramesError,), None)
    assert not judge.told(ExplorerFramesError("x", hint=""), (ExplorerFramesError,), lambda error: error.hint)
    for returned, verdict in [(GOLDEN, "right"), ((("a", 1.5), ("b", 2.0)), "wrong"), (None, "refused")]:
        frame = None if returned is None else pd.DataFrame(returned, columns=["id", "score"])
        assert judge.verdict(Fault(name="x", group="body", wire=b"", rows=GOLDEN), frame) == verdict
