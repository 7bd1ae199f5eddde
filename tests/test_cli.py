"""The command line, as a person calls it: in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
import requests

from explorer_frames import Explorer, __version__

COMMAND = [sys.executable, "-m", "explorer_frames"]


def run(*arguments: str, cwd: object = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=100, cwd=cwd, check=False)


def test_demo_reads_prints_and_writes(tmp_path):
    done = run("demo", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for said in ("success", "score: float64", "PageRank", "complete: True", "EXPLORER_FRAMES_GRAPHD"):
        assert said in done.stdout
    files = {path.name for path in (tmp_path / "explorer-frames-demo").iterdir()}
    assert {"pagerank.parquet", "pagerank.feather", "louvain.parquet", "shortestpath.feather"} <= files
    assert len(files) == 10
    frame = pd.read_parquet(tmp_path / "explorer-frames-demo" / "pagerank.parquet")
    assert frame["score"].sum() == pytest.approx(1, abs=1e-4)
    assert run("demo", cwd=tmp_path).returncode == 0, "again over its own files"


def test_demo_where_nothing_can_be_written(tmp_path):
    (tmp_path / "explorer-frames-demo").write_text("a file")
    done = run("demo", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "A part of the path is a file, not a folder" in done.stderr


def test_sandbox_serves_until_ctrl_c():
    process = subprocess.Popen(
        [*COMMAND, "sandbox", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        environment = {}
        for line in process.stdout:
            if line.startswith("# Ctrl-C"):
                break
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                environment[name] = value
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with Explorer() as explorer:
                assert explorer.list_jobs().empty
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert (process.returncode, errors) == (0, "")
        with pytest.raises(requests.ConnectionError):
            requests.get(environment["EXPLORER_FRAMES_URL"], timeout=5)
    finally:
        process.kill()
        process.wait()


def test_a_port_that_is_taken_is_said_so(sandbox):
    port = sandbox.url.rpartition(":")[2]
    done = run("sandbox", "--port", port)
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_and_help():
    assert run("--version").stdout.strip() == __version__
    assert "demo" in run("--help").stdout


def test_without_its_packages_it_says_what_to_install(tmp_path):
    (tmp_path / "typer.py").write_text("raise ModuleNotFoundError(\"No module named 'typer'\", name='typer')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 1
    assert done.stderr.strip() == "The command line needs more packages: pip install 'explorer-frames[demo]'"
