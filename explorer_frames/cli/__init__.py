"""The command ``explorer-frames``."""

import sys

try:
    from explorer_frames.cli._app import main
except ModuleNotFoundError as error:  # pragma: no cover (the tests have it)
    if error.name not in {"typer", "rich"}:
        raise
    sys.exit("The command line needs more packages: pip install 'explorer-frames[demo]'")

__all__ = ["main"]
