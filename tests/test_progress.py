"""Progress bars: which calls show them, where, and that they never disturb the call."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from faults.rawserver import RawServer, answer, envelope
from limits import HANG, PROCESS

from explorer_frames import Explorer, Job, _progress, export_output, read_output
from explorer_frames._progress import Bar, Done, progress_bar
from explorer_frames.errors import ConfigError, JobError
from explorer_frames.sandbox import Graph, Sandbox

ROWS = 1234


class Screen(io.StringIO):
    """A stream that is a terminal, and tells when something is written to it."""

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()
        self.writes = 0

    def isatty(self):
        return not super().isatty()  # which raises once it is closed

    def write(self, text):
        count = super().write(text)
        self.writes += bool(text)
        self.written.set()
        return count

    @property
    def lines(self):
        return [line.rstrip() for line in self.getvalue().removesuffix("\r").split("\r") if line]


@pytest.fixture
def screen(monkeypatch):
    screen = Screen()
    # Not `sys.stderr` itself, which pytest replaces before each test.
    monkeypatch.setattr(_progress, "sys", SimpleNamespace(stderr=screen, modules=sys.modules))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    return screen


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Sandbox() as server:
        job, task = server.add_result([[f"v{number}" for number in range(ROWS)], ["0.5"] * ROWS], "PageRank")
        server.add_result([["a", "b"], ["1", "2"]], "Louvain", job_id=job)
        server.ids = job, task
        yield server


def explorer_of(server, **options):
    return Explorer(server.url, token=server.token, **options)


# --- which calls show one


CALLS = {
    "wait": (lambda call: call.job.wait(), "job {job} success |", "2/2 tasks, 0:00:0"),
    "Job.read": (lambda call: call.job.read(), "job {job} |", "2/2 results, 1,236 rows, 0:00:0"),
    "history": (
        lambda call: call.explorer.history(call.workflow),
        "workflow {workflow} |",
        "1/1 job, 1,236 rows, 0:00:0",
    ),
    "sync": (
        lambda call: call.explorer.sync_workflow(call.workflow, call.folder / "lake"),
        "workflow {workflow} |",
        "2/2 results, 1,236 rows, 0:00:0",
    ),
    "read": (lambda call: call.explorer.read_sample_result(*call.ids), "job {job}, PageRank: ", "1,234 rows"),
    "export": (
        lambda call: call.explorer.export_sample_result(*call.ids, call.folder / "a.parquet"),
        "job {job}, PageRank: ",
        "1,234 rows",
    ),
    "read_output": (
        lambda call: read_output(call.output),
        "analytics_pagerank_1 |#######",
        "#| 2,468 rows, 0:00:0",
    ),
    "export_output": (
        lambda call: export_output(call.output, call.folder / "a.parquet"),
        "analytics_pagerank_1 |#######",
        "#| 2,468 rows, 0:00:0",
    ),
}


class Call:
    def __init__(self, server, folder):
        self.ids, self.workflow, self.folder = server.ids, server.workflows["results"], folder
        self.output = folder / "analytics_pagerank_1"
        self.output.mkdir()
        for part in range(2):
            (self.output / f"{part}.csv").write_text("vertex,0.5\n" * ROWS)
        self.explorer = explorer_of(server, progress=True)
        self.job: Job = self.explorer.job(server.ids[0])


@pytest.mark.parametrize("name", CALLS)
def test_long_calls_show_one_bar_and_remove_it(name, server, screen, tmp_path, monkeypatch):
    call, label, text = CALLS[name]
    monkeypatch.setenv("EXPLORER_FRAMES_PROGRESS", "1")
    call(Call(server, tmp_path))
    *_, last, cleared = screen.lines
    assert last.startswith(label.format(job=server.ids[0], workflow=server.workflows["results"]))
    assert text in last
    assert cleared == ""
    assert "\n" not in screen.getvalue()


def test_progress_bar_appears_for_long_calls(screen, monkeypatch):
    monkeypatch.setattr(_progress, "_DELAY", 0.0)

    def serve(number, request):
        assert screen.written.wait(HANG)
        return answer(envelope())

    with RawServer(serve) as slow:
        assert len(Explorer(slow.url, token="t", retries=0).read_sample_result(1, 2, schema=None)) == 2
    assert screen.lines[0].startswith("job 1, task 2: 0:00:0")
    assert screen.lines[-1] == ""


def test_short_call_shows_no_progress_bar(server, screen, monkeypatch):
    monkeypatch.setattr(_progress, "_DELAY", HANG)
    explorer_of(server).job(server.ids[0]).read()
    assert screen.writes == 0


def test_rows_of_a_failed_attempt_are_not_counted(screen):
    items = ",".join('["a","1"]' for _ in range(123_456))
    body = envelope(f"[{items}]")

    def serve(number, request):
        return (
            answer(body[: -len(body) // 3], length=len(body), headers="Connection: close\r\n")
            if number == 0
            else answer(body)
        )

    with RawServer(serve) as broken:
        Explorer(broken.url, token="t", progress=True).read_sample_result(1, 2, schema=None)
    assert len(broken.requests) == 2
    assert "123,456 rows" in screen.lines[-2]


# --- where none is shown


def _in_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join(HANG)


SILENT = {
    "a pipe": lambda patch, screen: patch.setattr(Screen, "isatty", lambda _: False),
    "no stream": lambda patch, screen: patch.setattr(_progress.sys, "stderr", None),
    "another object": lambda patch, screen: patch.setattr(_progress.sys, "stderr", object()),
    "a closed stream": lambda patch, screen: screen.close(),
    "a dumb terminal": lambda patch, screen: patch.setenv("TERM", "dumb"),
    "0": lambda patch, screen: patch.setenv("EXPLORER_FRAMES_PROGRESS", "0"),
    "off": lambda patch, screen: patch.setenv("EXPLORER_FRAMES_PROGRESS", " Off"),
}


@pytest.mark.parametrize("case", SILENT)
def test_no_progress_bar_and_no_thread_without_a_terminal(case, server, screen, monkeypatch):
    SILENT[case](monkeypatch, screen)
    monkeypatch.setattr(_progress, "run_alongside", None)
    job = explorer_of(server).job(server.ids[0])
    assert len(job.read()) == 2
    job.wait()
    assert screen.writes == 0


def test_progress_bar_is_hidden_in_other_threads_or_if_disabled(server, screen, monkeypatch):
    monkeypatch.setattr(_progress, "run_alongside", None)
    job = explorer_of(server).job(server.ids[0])
    _in_thread(job.read)
    job.wait(progress=False)
    job.wait(progress=lambda _: None)
    quiet = explorer_of(server, progress=False)
    monkeypatch.setenv("EXPLORER_FRAMES_PROGRESS", "1")
    assert len(quiet.job(job.job_id).read(workers=1)) == 2
    quiet.job(job.job_id).wait()
    with progress_bar(progress=False, state=Done("")):
        assert len(job.read(workers=1)) == 2
    assert screen.writes == 0


def test_a_wrong_setting_is_an_error(server, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_PROGRESS", "maybe")
    with pytest.raises(ConfigError, match=r"EXPLORER_FRAMES_PROGRESS must be .*'maybe'"):
        explorer_of(server).read_sample_result(*server.ids)
    with pytest.raises(ConfigError, match="progress must be True or False, got 'yes'"):
        explorer_of(server, progress="yes")


# --- it never disturbs the call


@pytest.mark.parametrize("fault", [OSError("gone"), ValueError("I/O operation on closed file"), KeyError("bug")])
def test_progress_bar_is_omitted_if_it_cannot_be_drawn(fault, server, screen, monkeypatch):
    def write(_, text):
        raise fault

    monkeypatch.setattr(Screen, "write", write)
    assert len(explorer_of(server, progress=True).read_sample_result(*server.ids)) == ROWS


def test_counting_does_not_draw_and_loses_no_counts(screen, monkeypatch):
    monkeypatch.setattr(_progress, "_PAUSE", HANG)

    def count(bar):
        for _ in range(10_000):
            bar.count(rows=1)

    with progress_bar(progress=True, state=Done("many")) as bar:
        threads = [threading.Thread(target=count, args=[bar]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert screen.writes <= 3
    assert "40,000 rows" in screen.lines[-2]


def test_a_stream_that_blocks_does_not_hold_the_call(server, screen, monkeypatch):
    resumed = threading.Event()
    monkeypatch.setattr(Screen, "write", lambda _, text: resumed.wait(HANG))
    try:
        assert len(explorer_of(server, progress=True).read_sample_result(*server.ids)) == ROWS
    finally:
        resumed.set()


# --- how it looks


STATES = [
    Done("job 107 running (1 running)", "task", 8, 25),
    Done("job 107 running (17 running, 2 failed)", "task", 8, 25),
    Done("job {1} unknown({}) (1 unknown({}))", "task", 8, 25),
    Done("workflow 1002 (3 failed)", "result", 12, 400),
    Done("job 107, 社区发现", "result", 1, 3),
    Done("job 107 preparing", "task", 0, 0),
    Done("job 107, PageRank"),
    Done("a" * 30, "", 1_200_000_000, 3_400_000_000),
]


@pytest.mark.parametrize("columns", [20, 39, 58, 59, 79, 100])
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.label[:12])
def test_progress_line_fits_the_terminal_and_keeps_label(state, columns):
    bar = Bar(state)
    bar.is_drawn = True
    bar.count(rows=12_345_678)
    line = _progress._line(bar, columns)
    assert _progress._width(line) <= columns
    if columns >= 39:
        assert line.startswith(state.label)
        assert ("12,345" in line) == ("12,345,678 rows" in line)
    if columns >= 58:
        assert ("|" in line) == bool(state.total)
        assert state.unit != "task" or not state.total or "8/25 tasks" in line


def test_numbers_have_the_right_unit():
    def text(*state):
        return Bar(Done("", *state)).details()[3][0]

    assert text("result", 1, 1) == "1/1 result"
    assert text("result", 1, 4000) == "1/4,000 results"


@pytest.mark.parametrize("error", [KeyboardInterrupt, ConfigError])
def test_progress_bar_of_a_failed_call_remains_on_a_separate_line(error, screen):
    def fail():
        with progress_bar(progress=True, state=Done("job 1", "task", 1, 2)):
            assert screen.written.wait(HANG)
            screen.write("^C")  # as a terminal shows the key
            raise error

    with pytest.raises(error):
        fail()
    assert screen.getvalue().endswith("\r\n")
    assert screen.lines[-2].startswith("job 1 |####")
    assert len(screen.lines[-2]) == len(screen.lines[0]), "it overwrites the ^C"


def test_the_bar_of_a_failed_job_stays(screen):
    with Sandbox() as server:
        workflow = server.add_workflow("doomed", Graph.karate(), {"a": ("PageRank", {}), "b": ("Fail", {})})
        with pytest.raises(JobError):
            explorer_of(server).run_workflow(workflow).wait(progress=True)
    assert screen.lines[-2].startswith("job 1 failed (1 failed) |####")
    assert screen.lines[-1] == ""
    assert screen.getvalue().endswith("\n")


# --- in a notebook


KERNEL = """
import sys
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

manager = KernelManager()
manager._kernel_spec = KernelSpec(
    argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python"
)
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready()
client.execute(sys.argv[1])
while True:
    message = client.get_iopub_msg()
    content = message["content"]
    if content.get("execution_state") == "idle":
        break
    if message["msg_type"] in ("display_data", "update_display_data"):
        print(message["msg_type"], content["data"])
    elif message["msg_type"] in ("stream", "error"):
        print(content)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""


def test_a_notebook_shows_a_bar_without_widgets_and_removes_it(server):
    pytest.importorskip("ipykernel")
    code = (
        f"from explorer_frames import Explorer\nexplorer = Explorer({server.url!r}, token={server.token!r}, progress=True)\n"
        f"frames = explorer.job({server.ids[0]}).read()"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KERNEL, code],
        capture_output=True,
        text=True,
        timeout=PROCESS,
        check=True,
        env={**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )
    first, *_, last = done.stdout.splitlines()
    assert first.startswith("display_data")
    assert "<progress value='2' max='2'" in done.stdout
    assert last == "update_display_data {'text/html': '', 'text/plain': ''}"
    assert "2/2 results" in done.stdout
    assert "'name': 'std" not in done.stdout


def test_a_label_is_text_in_a_notebook(monkeypatch):
    shown = []
    notebook = _progress._Notebook()
    monkeypatch.setattr(notebook, "_display", shown.append)
    notebook.show(Bar(Done("job 1, <b>")))
    assert "job 1, &lt;b&gt;" in shown[0]["text/html"]
