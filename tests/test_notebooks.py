"""Every notebook runs from top to bottom, with the assertions in it; none has outputs in git."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs_in_git(path):
    import nbformat

    for cell in nbformat.read(path, as_version=4).cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


RUN = """
import sys
import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

# The kernel of this very Python, whatever kernels the machine has.
manager = AsyncKernelManager(kernel_name="python3")
manager._kernel_spec = KernelSpec(
    argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python"
)
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, km=manager, timeout=120).execute()
assert any(cell.get("outputs") for cell in notebook.cells)
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    # In a process of its own: Jupyter's packages warn about each other and leave sockets behind.
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "agg"},
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
