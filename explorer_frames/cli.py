"""The command ``explorer-frames``."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Annotated

try:
    import typer
except ModuleNotFoundError:  # pragma: no cover (the tests have it)
    sys.exit("The command line needs more packages: pip install 'explorer-frames[demo]'")

from explorer_frames import __version__
from explorer_frames.errors import ExplorerFramesError

app = typer.Typer(no_args_is_help=True, help="NebulaGraph Explorer results as data frames and files.")


def main() -> None:
    """Run the command line; errors go to stderr in two lines: what happened, and what to do."""
    try:
        app()
    except ExplorerFramesError as error:
        sys.exit(str(error))
    except ModuleNotFoundError as error:
        sys.exit(f"This command needs the package {error.name}: pip install 'explorer-frames[demo]'")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Say the version, and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where to write the files.")] = Path("explorer-frames-demo"),
) -> None:
    """Run a workflow on an embedded Explorer, read its results, write them to Parquet and Feather."""
    from explorer_frames import _demo

    _demo.run(folder)


@app.command()
def sandbox(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 7002,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve an embedded Explorer until Ctrl-C."""
    from explorer_frames.sandbox import Sandbox

    try:
        server = Sandbox(port=port, host=host).start()
    except OSError as error:
        sys.exit(f"Cannot listen on {host}:{port}: {error.strerror}\nPass another --port; 0 takes a free one.")
    try:
        for name, value in server.environment.items():
            typer.echo(f"export {name}={value}")
        typer.echo(f"# workflows: {', '.join(f'{name} {number}' for name, number in server.workflows.items())}")
        typer.echo("# Ctrl-C ends it")
        threading.Event().wait()
    except KeyboardInterrupt:
        typer.echo()
    finally:
        server.stop()
