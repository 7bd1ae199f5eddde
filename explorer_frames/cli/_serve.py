"""Define the ``demo`` and ``sandbox`` commands."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from explorer_frames.cli._out import flush, write


def demo(
    ctx: typer.Context,  # noqa: ARG001 (all commands take it)
    folder: Annotated[Path, typer.Option(help="Folder to write the files to.")] = Path("explorer-frames-demo"),
) -> None:
    """Run a demo on an embedded Explorer.

    The demo runs a workflow, reads its results, and writes them to Parquet and Feather files.
    """
    from explorer_frames.cli import _demo

    _demo.run(folder)


def sandbox(
    ctx: typer.Context,  # noqa: ARG001
    port: Annotated[int, typer.Option(help="Port to listen on. 0 selects a free port.", min=0, max=65535)] = 7002,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run an embedded Explorer until you press Ctrl-C."""
    from explorer_frames.sandbox import Sandbox

    server = Sandbox(port=port, host=host).start()
    try:
        for name, value in server.environment.items():
            write(f"export {name}={shlex.quote(value)}\n")
        write(f"# workflows: {', '.join(f'{name} {number}' for name, number in server.workflows.items())}\n")
        write("# Press Ctrl-C to stop\n")
        flush()
        while True:  # on Windows, Ctrl-C does not interrupt waiting for an event or a lock
            time.sleep(3600)
    except KeyboardInterrupt:
        write("\n")
    finally:
        server.stop()
