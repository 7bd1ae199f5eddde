from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from cases import each
from faults.rawserver import RawServer, answer, envelope
from limits import PROCESS
from platforms import needs_posix_signals

from explorer_frames import Provenance, errors
from explorer_frames._errors import StickyErrorIterator, api_error, escaped, printable
from explorer_frames.errors import ApiError, DecodeError, ExplorerFramesError

CLASSES = [
    cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, ExplorerFramesError | Warning)
]


def test_every_error_pickles_whole():
    for cls in CLASSES:
        if issubclass(cls, ExplorerFramesError):
            error = cls("what", where="job 1", hint="do this", row=3, code=7)
            copy = pickle.loads(pickle.dumps(error))
            assert type(copy) is cls
            assert str(copy) == str(error) == "what [job 1]\ndo this"
            assert vars(copy) == vars(error)


def test_the_tree_in_the_docstring_names_every_class():
    for cls in CLASSES:
        assert cls.__name__ in errors.__doc__, cls


PACKAGE = Path(errors.__file__).parent
RAISED = {cls.__name__ for cls in CLASSES if issubclass(cls, ExplorerFramesError)} - {"ConfigError"}


def test_errors_have_hints_except_argument_errors():
    made, without = 0, {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
                made += 1
                if not any(keyword.arg in ("hint", None) for keyword in node.keywords):
                    without[f"{path.relative_to(PACKAGE)}:{node.lineno}"] = ast.unparse(node)
    assert without == {}
    assert made > 50


def test_every_class_is_a_typed_error_and_says_when_in_its_docstring():
    for cls in CLASSES:
        assert cls.__doc__
        assert issubclass(cls, ExplorerFramesError | UserWarning)


@each(
    ("code", "status", "cls"),
    [
        (40004000, 200, errors.BadRequestError),
        (40004001, 200, errors.BadRequestError),
        (40104000, 200, errors.UnauthorizedError),
        (40104001, 200, errors.SessionExpiredError),
        (40304000, 200, errors.ForbiddenError),
        (40404000, 200, errors.NotFoundError),
        (50004000, 200, errors.ServerError),
        (50004001, 200, errors.ServerError),
        (50004002, 200, errors.ServerError),
        (50004003, 200, errors.LicenseError),
        (90004000, 200, errors.ServerError),
        # not published: by family
        (40404999, 200, errors.NotFoundError),
        (40109999, 200, errors.UnauthorizedError),
        (40309999, 500, errors.ForbiddenError),
        (77700000, 404, errors.ServerError),
        (7, 404, errors.NotFoundError),
        (-1, 200, errors.ServerError),
        # no code at all: by status
        (None, 401, errors.UnauthorizedError),
        (None, 403, errors.ForbiddenError),
        (None, 404, errors.NotFoundError),
        (None, 400, errors.BadRequestError),
        (None, 503, errors.ServerError),
        (None, 418, errors.ServerError),
    ],
)
def test_code_decides_the_class_then_the_status(code, status, cls):
    error = api_error(code, status, "no", "00-abc-01")
    assert type(error) is cls
    assert isinstance(error, ApiError)
    assert (error.code, error.http_status, error.server_message, error.trace_id) == (code, status, "no", "00-abc-01")
    assert str(code if code is not None else status) in str(error)
    assert "trace 00-abc-01" in str(error)
    assert error.hint in str(error)


def test_text_of_servers_is_shortened_and_escaped():
    assert escaped("a\x1b[31m\nб" + "x" * 500, 40) == r"a\x1b[31m\n\u0431" + "x" * 20 + "..."
    assert len(escaped("\U0001f600" * 1000)) == 200
    assert escaped("plain") == "plain"


def test_one_bad_character_leaves_the_others_readable():
    assert printable("雪 é\x1b[2J\n\ud800") == r"雪 é\x1b[2J\n\ud800"
    assert printable(Path("a\tb")) == r"a\tb"
    assert repr(Provenance(task_name="雪\a", job_id="1", rows=1234)) == (
        "<Provenance 雪\\x07, job 1, 1,234 rows, may be incomplete>"
    )
    assert str(Provenance(task_name="雪\a", library=None)) == "task_name  雪\\x07\ncomplete   unknown"


def test_message_may_be_anything():
    for message in (None, 17, {"a": 1}, ["x"], "й" * 5000):
        assert len(str(api_error(40404000, 200, message, None))) < 600


def test_a_number_of_too_many_digits_is_shown_by_its_type():
    assert escaped(10**5000) == "<int>"


@pytest.mark.parametrize("raised", [DecodeError("no row"), KeyboardInterrupt(), MemoryError()])
def test_failure_is_not_reported_as_success(raised):
    def items():
        yield 1
        raise raised

    enduring = StickyErrorIterator(items())
    assert next(enduring) == 1
    for _ in range(3):
        with pytest.raises(type(raised)) as caught:
            next(enduring)
        assert str(caught.value) == str(raised)
    assert list(StickyErrorIterator(iter([1, 2]))) == [1, 2]


class SoftLimitError(Exception):
    """Cannot be copied: it is made of other arguments than it has."""

    def __init__(self, task, seconds):
        super().__init__(f"{task} took over {seconds} s")


def test_an_error_that_cannot_be_copied_comes_out_once_as_it_is():
    def items():
        raise SoftLimitError("etl", 3)
        yield

    enduring = StickyErrorIterator(items())
    with pytest.raises(SoftLimitError, match="etl took over 3 s"):
        next(enduring)
    # Where tblib is installed, such as for Dask, it can be copied.
    with pytest.raises((ExplorerFramesError, SoftLimitError), match=r"SoftLimitError|etl took over"):
        next(enduring)


WITHOUT_FILES = """
import os, resource, sys
import explorer_frames as ef
folder, url = sys.argv[1:]
rows = ef.read_output_arrow(f"{folder}/part", schema="pagerank")
explorer = ef.Explorer(url, token="t", retries=0)
calls = {
    "read": lambda: explorer.read_sample_result(1, "a", schema=None),
    "export": lambda: explorer.export_sample_result(1, "a", f"{folder}/a.parquet", schema=None),
    "sync": lambda: explorer.sync_workflow(7, f"{folder}/lake", progress=False),
    "write": lambda: ef.write_feather(rows, f"{folder}/a.feather"),
    "output": lambda: ef.read_output(f"{folder}/part", schema="pagerank"),
    "verify": lambda: ef.verify_file(f"{folder}/part.parquet"),
    "remote": lambda: ef.read_output(f"{url}/x.csv", schema="pagerank"),
}
names = [getattr(ef, name) for name in ef.__all__]
resource.setrlimit(resource.RLIMIT_NOFILE, (os.dup(0), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for name, call in calls.items():
    try:
        call()
    except ef.ExplorerFramesError as error:
        print(name, "Too many open files" in str(error))
"""


@needs_posix_signals  # and limits
def test_errors_are_typed_when_too_many_files_are_open(tmp_path):
    (tmp_path / "part").write_text("a,1\n")
    with RawServer(lambda *_: answer(envelope())) as server:
        child = [sys.executable, "-c", WITHOUT_FILES, str(tmp_path), server.url]
        said = subprocess.run(child, capture_output=True, text=True, timeout=PROCESS, check=True)
    names = ("read", "export", "sync", "write", "output", "verify", "remote")
    assert said.stdout.split("\n")[:-1] == [f"{name} True" for name in names]
