"""Every notebook runs from top to bottom, with the assertions in it, and shows what is stored."""

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
def test_notebook_contains_outputs_and_is_small(path):
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [
        *range(1, 1 + sum(cell.cell_type == "code" for cell in notebook.cells))
    ]
    assert any(cell.get("outputs") for cell in notebook.cells)
    assert path.stat().st_size < 300_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_for_the_embedded_explorer_are_marked_and_optional(path):
    import nbformat

    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    mark = "# Embedded Explorer: skip this cell if you use your own server.\n"
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


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_outputs_match_the_stored_outputs(path, tmp_path):
    # In a process of its own: Jupyter's packages warn about each other and leave sockets behind.
    done = subprocess.run(
        [sys.executable, str(path.parent / "execute.py"), "--check", str(path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        # The pictures are inline ones, as in JupyterLab, whatever the tests use.
        env={name: value for name, value in os.environ.items() if name != "MPLBACKEND"},
        timeout=PROCESS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
