"""Entry point of the ``explorer-frames`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from explorer_frames._extras import install_hint

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command-line interface.

    Parameters
    ----------
    arguments
        Command-line arguments. Default: ``sys.argv[1:]``.
    """
    try:
        from explorer_frames.cli._app import main as run
    except ModuleNotFoundError as error:
        if error.name not in {"typer", "rich"}:
            raise
        sys.exit(f"the command line requires the package {error.name}; {install_hint('cli')}")
    run(arguments)
