"""Every notebook runs from top to bottom, with the assertions in it; none has outputs in git."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from limits import PROCESS

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

pytestmark = pytest.mark.slow  # needs the group `notebooks`


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs_in_git(path):
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert not cell.get("execution_count")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_is_of_the_embedded_explorer_is_marked_and_can_be_left_out(path):
    import nbformat

    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    mark = "# The embedded Explorer of this notebook: not with a server of your own.\n"
    names = {
        marked: {
            node.id if isinstance(node, ast.Name) else (node.asname or node.name)
            for source in cells
            if source.startswith(mark) == marked
            for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.Name | ast.alias)
        }
        for marked in (True, False)
    }
    given = {"workflow_id", "outputs"}  # as the text above the cell says
    assert "server" in names[True]
    assert names[True] & names[False] <= given


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
NotebookClient(notebook, km=manager, timeout=600).execute()
outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
assert outputs
assert not [output.text for output in outputs if output.get("name") == "stderr"]  # warnings, and what servers print
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
        timeout=PROCESS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
