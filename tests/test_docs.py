"""What the documents show is run: the examples of docstrings, the README, every page of the documentation."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import typing
from pathlib import Path

import fsspec
import pytest
from commandline import commands

import explorer_frames
from explorer_frames import Explorer
from explorer_frames.sandbox import Graph

ROOT = Path(__file__).parent.parent
MODULES = [
    module.name
    for module in pkgutil.walk_packages(explorer_frames.__path__, "explorer_frames.")
    if not module.name.endswith(("__main__", ".spark"))  # its examples run in test_spark.py
]
TASKS = {
    "query_1": ("Query", {}),
    "analytics_pagerank_1": ("PageRank", {}),
    "analytics_louvain_1": ("Louvain", {}),
    "analytics_sssp_1": ("SSSP", {"root": "Valjean"}),
}


@pytest.fixture(scope="module")
def finished(sandbox):
    """Return a job that has run, of a workflow with results of several kinds."""
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        workflow = sandbox.add_workflow("docs", Graph.les_miserables(), TASKS)
        return explorer.run_workflow(workflow).wait(progress=False)


@pytest.fixture
def world(sandbox, finished, monkeypatch):
    """What the examples take for granted: a server in the environment, a workflow, a job that has run, a bucket."""
    fsspec.filesystem("memory").makedirs("/lake", exist_ok=True)  # stands for a bucket, which has no folders
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    with Explorer() as explorer:
        yield {
            **{name: getattr(explorer_frames, name) for name in explorer_frames.__all__},
            "server": sandbox,
            "explorer": explorer,
            "workflow_id": int(finished.workflow_id),
            "job_id": finished.job_id,
            "task_id": finished.task("PageRank").task_id,
            "louvain_id": finished.task("Louvain").task_id,
        }


# Packages that the examples of a module need, and that the fast lane does without.
NEEDS = {"explorer_frames._tables.delta": "deltalake", "explorer_frames._tables.iceberg": "pyiceberg.catalog.sql"}


def examples_of(name, world):
    fsspec.filesystem("memory").store.clear()  # Methods and functions share examples.
    return doctest.testmod(importlib.import_module(name), extraglobs=world, optionflags=doctest.NORMALIZE_WHITESPACE)


def test_examples_in_docstrings(world):
    results = {name: examples_of(name, world) for name in MODULES if name not in NEEDS}
    assert {name: result for name, result in results.items() if result.failed} == {}
    assert sum(result.attempted for result in results.values()) > 100


@pytest.mark.lake
@pytest.mark.parametrize("name", NEEDS)
def test_examples_in_docstrings_that_need_more_packages(name, world):
    pytest.importorskip(NEEDS[name])
    assert examples_of(name, world).failed == 0


def test_public_functions_have_an_example():
    for name in explorer_frames.__all__:
        thing = getattr(explorer_frames, name)
        if callable(thing) and not (isinstance(thing, type) and issubclass(thing, Exception)) and name != "Task":
            assert "Examples\n" in thing.__doc__ or name.endswith("Receipt"), name


def test_readme_has_the_commands_that_ci_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for heading, program in {"Try it": "explorer-frames demo", "Run the tests": "python -m pytest"}.items():
        command = re.search(rf"^## {heading}\n.*?^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)[1]
        assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
        assert program in command


def test_readme_is_short():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 120
    assert [line for line in lines if len(line) > 120] == []


PAGES = {
    "README": ROOT / "README.md",
    **{path.relative_to(ROOT / "docs").with_suffix("").as_posix(): path for path in (ROOT / "docs").rglob("*.md")},
}
PAGES = {name: path for name, path in PAGES.items() if not name.startswith("zh/")}  # see test_translations.py
SLOW_PAGES = {"how-to/lake", "how-to/plot"}
FENCE = re.compile(r"^```(\S+)[^\n]*\n(.*?)^```$(?=(?:\n+(?:-->\n+)?^```text\n(.*?)^```$)?)", re.DOTALL | re.MULTILINE)
# A server's and a store's address in the text, and what stands there for it in the tests.
STORES = re.compile(r"(s3|gs|hdfs)://lake\b")
OUR_CALL = re.compile(r"^\| `[^|]+` \| `([^|]+)` \|$", re.MULTILINE)


def _runnable(code: str, server) -> str:
    for shown, real in {"http://explorer:7002": server.url, "graphd:9669": server.graphd}.items():
        code = code.replace(f'"{shown}"', f'"{real}"')
    return STORES.sub("memory://lake", code)


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page in SLOW_PAGES)) for page in sorted(PAGES)]
)
def test_a_page_runs_from_top_to_bottom(page, world, monkeypatch, tmp_path, capsys):
    """One namespace a page; what a block prints is what the text block right behind it shows."""
    fsspec.filesystem("memory").store.clear()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    server = world["server"]
    world |= {"ask_the_vault": lambda: server.password, "password": server.password, "__name__": "page"}
    checker = doctest.OutputChecker()
    text = PAGES[page].read_text(encoding="utf-8")
    for kind, code, shown in FENCE.findall(text):
        assert kind in {"python", "text", "console", "json", "toml", "ini", "sh"} or kind.startswith("{"), kind
        if kind == "python":
            exec(compile(_runnable(code, server), page, "exec"), world)
            printed = capsys.readouterr().out
            assert checker.check_output(shown, printed, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE), printed
        if kind == "toml":
            config = tmp_path / "explorer_frames" / "config.toml"
            config.parent.mkdir(exist_ok=True)
            config.write_text(_runnable(code, server), encoding="utf-8")
            config.chmod(0o600)
        if kind == "console":
            for line in code.splitlines():
                if line.startswith("$ explorer-frames "):
                    _parses(shlex.split(re.split(r" 2?[|>]", line)[0].removeprefix("$ explorer-frames ")))
    if page == "how-to/coming-from":
        calls = OUR_CALL.findall(text)
        assert len(calls) > 30
        for call in calls:
            exec(compile(_runnable(call, server), page, "exec"), world)


def test_the_choices_of_a_type_are_those_of_the_code():
    page = (ROOT / "docs/reference/types.md").read_text(encoding="utf-8")
    choices = re.findall(r"py:type:: (\w+)\n   :canonical: Literal\[(.*)\]", page)
    defined = {
        (name, typing.get_args(value))  # one name is of two types
        for module in map(importlib.import_module, MODULES)
        for name, value in vars(module).items()
        if typing.get_origin(value) is typing.Literal
    }
    assert len(choices) > 5
    assert {(name, eval(f"({choice},)")) for name, choice in choices} <= defined


def _parses(arguments: list[str]) -> None:
    """Have a command line read as far as it can be without doing what it says."""
    from explorer_frames.cli._app import app

    group = commands(app)
    with group.make_context("explorer-frames", list(arguments), resilient_parsing=True) as context:
        name, *rest = [*context._protected_args, *context.args]  # without the options of every command
        command = group.get_command(context, name)
        assert command is not None, arguments
        command.make_context(name, rest, parent=context)
