"""Execute the notebooks and store their outputs: ``python notebooks/execute.py [--check] [NOTEBOOK ...]``.

With ``--check``, nothing is stored. The outputs must equal the stored outputs, except for ids, times, sizes and
addresses. Requires the dependency group `notebooks` and the requirements of each notebook.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

# Text that differs between runs.
CHANGING = re.compile(
    r"\b[0-9a-f]{7,64}\b"  # ids and hashes
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?( UTC|Z|[+-]\d\d:?\d\d)?"
    r"|datetime\.datetime\([^)]*\)|(under )?\d+(\.\d+)? s\b"
    r"|\d[\d,]*(?= bytes)|127\.0\.0\.1:\d+|/tmp/\w+|version=\S+|\s+"
)


def execute(path: Path) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of a new run."""
    notebook = nbformat.read(path, as_version=4)
    # Use this Python as the kernel, even if other kernels are installed.
    manager = AsyncKernelManager(kernel_name="python3")
    manager._kernel_spec = KernelSpec(  # noqa: SLF001 (has no public name)
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python"
    )
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook, km=manager, timeout=600, record_timing=False, resources={"metadata": {"path": folder}}
        )
        client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            # Warnings and output of servers must not be stored in a notebook.
            assert output.get("name") != "stderr", output.text
            output.pop("metadata", None) if output.output_type == "stream" else None
    notebook.metadata = {"kernelspec": notebook.metadata.get("kernelspec", {}), "language_info": {"name": "python"}}
    return notebook


def shown(notebook: nbformat.NotebookNode) -> list[list[tuple[list[str], str]]]:
    """Return the outputs of each cell: MIME types, and text without the changing parts."""
    return [
        [
            (
                sorted(output.get("data", {"text": None})),
                CHANGING.sub("~", output.get("text") or output.get("data", {}).get("text/plain", "")),
            )
            for output in cell.get("outputs", [])
        ]
        for cell in notebook.cells
    ]


def main(arguments: list[str]) -> None:
    """Execute the notebooks in `arguments`, or all notebooks."""
    os.environ["EXPLORER_FRAMES_PROGRESS"] = "0"  # a progress bar would be stored as an empty output
    check = "--check" in arguments
    names = [argument for argument in arguments if argument != "--check"]
    for path in map(Path, names) if names else sorted(Path(__file__).parent.glob("*.ipynb")):
        executed = execute(path)
        if check:
            stored = shown(nbformat.read(path, as_version=4))
            for number, (found, expected) in enumerate(zip(shown(executed), stored, strict=True), 1):
                assert found == expected, f"{path.name}, cell {number} returned\n{found}\nexpected\n{expected}"
        else:
            nbformat.write(executed, path)
        print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
