"""Define the ``inspect`` and ``verify`` commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from explorer_frames.cli._options import FileArgument, JsonFlag, StorageFile, StorageOption, storage_options
from explorer_frames.cli._show import show_facts, show_json

if TYPE_CHECKING:
    from explorer_frames import Provenance


def inspect(
    ctx: typer.Context,  # noqa: ARG001 (all commands take it)
    path: FileArgument,
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
) -> None:
    """Show the provenance of an exported file."""
    from explorer_frames import read_provenance

    known = read_provenance(path, storage_options=storage_options(storage_option, storage_options_file))
    if json:
        show_json(known.to_dict())
    else:
        show_facts(_shown(known))


def verify(
    ctx: typer.Context,  # noqa: ARG001
    path: FileArgument,
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
) -> None:
    """Verify that an exported file is unchanged.

    The command reads the whole file. It exits with code 6 if any byte has changed.
    """
    from explorer_frames import verify_file

    known = verify_file(path, storage_options=storage_options(storage_option, storage_options_file))
    if json:
        show_json({"verified": True, "provenance": known.to_dict()})
    else:
        show_facts({"verified": "yes", **_shown(known)})


def _shown(known: Provenance) -> dict[str, object]:
    """Return ``complete`` and all other provenance fields that are set."""
    facts = {name: getattr(known, name) for name in known.to_dict()}
    facts["complete"] = "unknown" if known.complete is None else known.complete
    return {name: value for name, value in facts.items() if value is not None}
