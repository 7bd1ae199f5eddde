"""The commands that bring an Explorer of their own, and what is said where their packages are missing."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
import requests
from commandline import COMMAND
from limits import HANG, PROCESS
from platforms import needs_ctrl_c

from explorer_frames import Explorer


def test_demo_reads_prints_and_writes(cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = cli("demo")
    assert (done.code, done.err) == (0, "")
    for said in ("success", "score: float64", "PageRank", "complete: True", "EXPLORER_FRAMES_GRAPHD"):
        assert said in done.out
    files = {path.name for path in (tmp_path / "explorer-frames-demo").iterdir()}
    assert {"pagerank.parquet", "pagerank.feather", "louvain.parquet", "shortestpath.feather"} <= files
    assert len(files) == 10
    frame = pd.read_parquet(tmp_path / "explorer-frames-demo" / "pagerank.parquet")
    assert frame["score"].sum() == pytest.approx(1, abs=1e-4)
    assert cli("demo").code == 0, "again over its own files"


def test_demo_in_a_read_only_folder(cli, tmp_path):
    (tmp_path / "there").write_text("a file")
    done = cli("demo", "--folder", tmp_path / "there")
    assert done.code == 1
    assert done.is_short
    assert "is a file, not a folder" in done.err


@needs_ctrl_c
def test_sandbox_serves_until_ctrl_c():
    command = [*COMMAND, "sandbox", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        environment = {}
        for line in process.stdout:
            if line.startswith("# Press Ctrl-C"):
                break
            if exported := re.fullmatch(r"export (\w+)=(\S+)\n", line):
                environment[exported[1]] = exported[2]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            with Explorer() as explorer:
                assert explorer.list_jobs().empty
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=HANG)
        assert (process.returncode, errors) == (0, "")
        with pytest.raises(requests.ConnectionError):
            requests.get(environment["EXPLORER_FRAMES_URL"], timeout=HANG)
    finally:
        process.kill()
        process.wait()


def test_port_in_use_is_reported(cli, sandbox):
    port = sandbox.url.rpartition(":")[2]
    done = cli("sandbox", "--port", port)
    assert done.code == 2
    assert done.is_short
    assert f"cannot listen on 127.0.0.1:{port}" in done.err
    assert "Pass another --port" in done.err


@pytest.mark.parametrize(
    ("package", "command", "said"),
    [
        ("typer", [], "the command line requires the package typer; install the extra 'cli': pip install '"),
        (
            "igraph",
            ["sandbox"],
            "Error: this command requires the package igraph\ninstall the extra 'sandbox': pip install '",
        ),
    ],
)
def test_missing_packages_are_listed_with_the_extra(tmp_path, package, command, said):
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('No module', name={package!r})")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [*COMMAND, *command],
        capture_output=True,
        text=True,
        timeout=PROCESS,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(said)


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "explorer_frames", "-h"], capture_output=True, text=True, check=True, timeout=PROCESS
    )
    assert done.stdout.startswith("Usage: explorer-frames ")
