"""Errors show the user's lines and the message; with EXPLORER_FRAMES_DEBUG=1 also our frames, without variables."""

from __future__ import annotations

import inspect
import logging
import pdb  # noqa: T100 (as after an error)
import pickle
import re
import socket
import sys
import threading
import traceback
from contextlib import contextmanager
from types import FunctionType

import pyarrow as pa
import pytest
from cases import each

import explorer_frames
from explorer_frames import Explorer, compare, dask, provenance, read_lake, read_output, schemas, write_parquet
from explorer_frames._extras import require
from explorer_frames._private import private
from explorer_frames.errors import ConfigError, ExplorerFramesError, JobError, SyncError
from explorer_frames.sandbox import Sandbox

NAMES = [f"v{number}" for number in range(30_000)]


def frames(error):
    return [frame.name for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.endswith(".pxi")]


def variables(error):
    summary = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=True)
    return {frame.name: frame.locals for frame in summary}


def module(name, source, **more):
    """Return the function `call` of a module with this name."""
    namespace = {"__name__": name, **more}
    exec(source, namespace)
    return namespace["call"]


@pytest.fixture(scope="module")
def served():
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer:
        rows = [["1"] * len(NAMES)] * 2
        job = explorer.job(server.add_result([NAMES, [*rows[0][1:], "x"]], "PageRank")[0])
        yield explorer, job


def read_to_the_end(explorer, job):
    with explorer.open_sample_result(job, schema="pagerank") as reader:
        for _ in reader:
            pass


def read_all(_explorer, job):
    with job.tasks[0].open(schema="pagerank") as reader:
        reader.read_all()


def open_only(path):
    with explorer_frames.open_output(path):
        pass


CALLS = {
    "constructor": lambda *_: Explorer("ftp://host"),
    "context manager": lambda *_: open_only("/nonexistent"),
    "conversion": lambda *_: write_parquet(pa.table({"a": pa.array([1, "x"], pa.int64())}), "x.parquet"),
    "driver": lambda *_: write_parquet(pa.table({"a": [1]}), "/nonexistent/folder/x.parquet"),
    "function": lambda *_: compare(1, 2),
    "iteration": read_to_the_end,
    "lake": lambda *_: read_lake("/nonexistent", "PageRank"),
    "lookup": lambda explorer, job: job["Louvain"],
    "method": lambda explorer, job: explorer.job("nope"),
    "method of a method": lambda explorer, job: job.tasks[0].read(schema="pagerank"),
    "no server": lambda *_: Explorer("http://127.0.0.1:9", token="t", retries=0).list_jobs(),
    "no url": lambda *_: Explorer(),
    "operator": lambda explorer, job: bool(compare(*[pa.table({"id": ["a"], "score": [1.0]})] * 2)),
    "parallel": lambda explorer, job: job.read(schema="pagerank"),
    "pickle": lambda explorer, job: pickle.dumps(explorer),
    "reader": read_all,
    "schema": lambda *_: schemas.named("x"),
    "without parentheses": lambda *_: read_output("/nonexistent", schema=1),
    "wrong keyword": lambda explorer, job: explorer.job(1, nope=2),
    "wrong option": lambda explorer, job: explorer.export_sample_result(1, "a", "x.parquet", nope=2),
    "wrong type": lambda *_: provenance(1),
}


@each("name", CALLS)
def test_only_the_users_lines_are_in_a_traceback(name, served, monkeypatch):
    monkeypatch.delenv("EXPLORER_FRAMES_URL", raising=False)
    with pytest.raises((ExplorerFramesError, TypeError, pa.ArrowInvalid)) as caught:
        CALLS[name](*served)
    below = traceback.extract_tb(caught.value.__traceback__)[1:]
    assert [frame for frame in below if frame.filename not in (__file__, "") and ".pxi" not in frame.filename] == []
    text = "".join(traceback.format_exception(caught.value))
    assert "The above exception" not in text
    assert "During handling" not in text


def test_threads_of_the_user_show_the_users_lines():
    caught = []

    def fails():
        try:
            Explorer("ftp://host")
        except ConfigError as error:
            caught.append(error)

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()
    assert frames(caught[0]) == ["fails"]


def test_errors_that_are_kept_have_no_frames_of_ours(served, tmp_path):
    explorer, job = served
    with pytest.raises(JobError) as caught:
        job.read(schema="pagerank")
    assert [frames(error) for error in caught.value.errors.values()] == [[]]
    with pytest.raises(SyncError) as caught:
        explorer.sync_workflow(job.workflow_id, tmp_path, schema="pagerank", progress=False)
    assert [frames(failure.error) for failure in caught.value.report.failed] == [[]]


def test_frames_of_a_function_that_the_user_passes_stay(served):
    def show(_state):
        mine = "to be seen"  # noqa: F841 (in the frame)
        raise KeyError("of the user")

    with pytest.raises(KeyError) as caught:
        served[1].wait(progress=show)
    assert frames(caught.value)[1:] == ["show"]
    assert "mine" in variables(caught.value)["show"]
    assert not hasattr(caught.value, "__notes__")


def test_frames_of_an_installed_package_that_the_user_passes_stay(served):
    show = module("myco", "def call(_state):\n    raise KeyError", __file__="/lib/site-packages/myco.py")
    with pytest.raises(KeyError) as caught:
        served[1].wait(progress=show)
    assert frames(caught.value)[1:] == ["call"]


def test_explicit_exception_cause_is_preserved(served):
    def show(_state):
        raise ConfigError("of the user") from KeyError("the cause")

    with pytest.raises(ConfigError) as caught:
        served[1].wait(progress=show)
    assert isinstance(caught.value.__cause__, KeyError)


def test_unexpected_error_mentions_the_debug_variable():
    source = "def deeper():\n    1 / 0\n\ndef call():\n    deeper()"
    with pytest.raises(ZeroDivisionError) as caught:
        private(module("explorer_frames._new", source))()
    assert caught.value.__notes__ == ["Set EXPLORER_FRAMES_DEBUG=1 to see the full traceback."]


def test_debugging_keeps_our_frames_without_their_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_DEBUG", "1")
    with pytest.raises(ConfigError) as caught:
        write_parquet({"a": [1]}, tmp_path, storage_options={"key": "k3y"})
    shown = variables(caught.value)
    assert {"guarded", "write_parquet"} <= shown.keys()
    assert "k3y" not in repr({name: shown[name] for name in shown if not name.startswith("test_")})


def test_the_log_has_the_whole_traceback(caplog):
    with caplog.at_level(logging.DEBUG, "explorer_frames"), pytest.raises(ConfigError):
        Explorer("ftp://host")
    record = caplog.records[-1]
    assert "explorer_frames/_http/config.py" in record.getMessage().replace("\\", "/")
    assert record.exc_info is None, "it would hold the frames"


def test_a_debugger_sees_the_users_frame_and_its_variables():
    mine = "to be seen"  # noqa: F841 (in the frame)
    with pytest.raises(ConfigError) as caught:
        Explorer("ftp://host")
    stack, _ = pdb.Pdb().get_stack(None, caught.value.__traceback__)
    assert stack[-1][0].f_locals["mine"] == "to be seen"


@pytest.mark.parametrize(("raised", "kept"), [(KeyError("its own"), True), (KeyboardInterrupt(), False)])
def test_driver_frames_keep_variables_except_after_interrupt(raised, kept, monkeypatch):
    monkeypatch.setenv("EXPLORER_FRAMES_DEBUG", "1")

    source = "def call(raised):\n    mine = 'of a driver'\n    raise raised"
    driver = module("driver", source, __file__="/lib/site-packages/driver.py")
    with pytest.raises(type(raised)) as caught:
        private(driver)(raised)
    assert ("mine" in (variables(caught.value)["call"] or {})) is kept


def test_an_interrupt_shows_the_users_lines_only():
    with pytest.raises(KeyboardInterrupt) as caught:
        private(module("explorer_frames._new", "def call():\n    raise KeyboardInterrupt"))()
    assert frames(caught.value) == ["test_an_interrupt_shows_the_users_lines_only"]


def test_exception_of_an_instruction_without_a_line_number_is_kept():
    def interrupted():
        raise KeyboardInterrupt

    # CPython generates instructions that belong to no line, and an interrupt can arrive at any of them.
    interrupted.__code__ = interrupted.__code__.replace(co_linetable=b"")
    try:
        private(interrupted)()
    except BaseException as error:  # noqa: BLE001 (pytest cannot show a traceback without line numbers)
        raised = error
    assert type(raised) is KeyboardInterrupt
    assert raised.__traceback__.tb_next.tb_lineno is None


def test_an_error_that_the_user_handles_stays_as_it_is():
    def broken():
        mine = "to be seen"  # noqa: F841 (in the frame)
        raise KeyError

    def handles():
        try:
            broken()
        except KeyError:
            Explorer("ftp://host")

    with pytest.raises(ConfigError) as caught:
        handles()
    assert "mine" in variables(caught.value.__context__)["broken"]
    assert "During handling" in "".join(traceback.format_exception(caught.value))


def test_an_error_in_the_body_of_a_context_manager_stays_as_it_is(served):
    def fails():
        raise KeyError

    with pytest.raises(KeyError) as caught, served[0].open_sample_result(served[1], schema="query"):
        fails()
    assert frames(caught.value)[1:] == ["fails"]


def test_circular_exception_causes_do_not_loop():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first

    def fails():
        raise first

    with pytest.raises(ValueError, match="a"):
        private(fails)()


def test_a_missing_extra_shows_the_import_of_the_user():
    source = "def call():\n    with require('x', extra='dask'):\n        import nowhere_at_all"
    with pytest.raises(ModuleNotFoundError, match="x requires the package nowhere_at_all") as caught:
        module("explorer_frames.x", source, require=require)()
    assert frames(caught.value) == ["test_a_missing_extra_shows_the_import_of_the_user"]


def test_a_function_keeps_its_name_and_its_signature():
    assert write_parquet.__name__ == "write_parquet"
    assert "compression" in inspect.signature(write_parquet).parameters


def is_private(function):
    return getattr(function, "__code__", None) is private(lambda: None).__code__


def test_every_public_function_and_method_is_private():
    modules = (explorer_frames, dask, schemas)
    public = {f"{module.__name__}.{name}": getattr(module, name) for module in modules for name in module.__all__}
    functions = {name: one for name, one in public.items() if callable(one) and not isinstance(one, type)}
    assert [name for name, function in functions.items() if not is_private(function)] == []
    methods = {
        f"{cls.__name__}.{name}": member.fget if isinstance(member, property) else member
        for cls in (explorer_frames.Explorer, explorer_frames.Job, explorer_frames.Task, explorer_frames.Comparison)
        for name, member in vars(cls).items()
        if isinstance(member, FunctionType | property) and not name.startswith("_")
    }
    assert [name for name, method in methods.items() if not is_private(method)] == []


# --- notebooks

CELL = """
from explorer_frames import schemas, write_parquet
import pandas as pd

def load(name):
    # A comment, for more lines around.
    found = schemas.named(name)
    return found

"""
CAUSE = "write_parquet(pd.DataFrame({'a': [1, 'x']}), 'x.parquet')"
CALLBACK = "pd.Series(['x']).map(schemas.named)"
CELLS = {  # and the line that is shown last
    "\n1 + 1\nschemas.named('x')\n2 + 2": "schemas.named('x')",
    "load('x')": "found = schemas.named(name)",
    "def outer(name):\n    return load(name)\n\nouter('x')": "found = schemas.named(name)",
    "try:\n    {}['key']\nexcept KeyError:\n    schemas.named('x')": "schemas.named('x')",
    CAUSE: CAUSE,
    CALLBACK: CALLBACK,
}


@contextmanager
def notebook():
    shells = pytest.importorskip("IPython.core.interactiveshell")
    shell = shells.InteractiveShell.instance()
    hooks = sys.displayhook, sys.excepthook
    try:
        shell.run_cell(CELL)
        yield shell
    finally:
        sys.displayhook, sys.excepthook = hooks
        shells.InteractiveShell.clear_instance()


def shown(shell, cell, capsys):
    capsys.readouterr()
    shell.run_cell(cell)
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out).strip().splitlines()


def test_an_error_has_at_most_12_lines_in_a_notebook(capsys, monkeypatch):
    sandbox = "sandbox.Sandbox(port).start()"
    with notebook() as shell, socket.create_server(("127.0.0.1", 0)) as taken:
        shell.user_ns["port"] = taken.getsockname()[1]
        for cell, line in (CELLS | {f"from explorer_frames import sandbox\n{sandbox}": sandbox}).items():
            lines = shown(shell, cell, capsys)
            assert len(lines) <= 12, lines
            assert lines[-3].strip() == line
            assert lines[-2].startswith("ConfigError: ")
        monkeypatch.setenv("EXPLORER_FRAMES_DEBUG", "1")
        assert any("_schemas.py" in line for line in shown(shell, "load('x')", capsys))
