"""Define the ``compare`` command."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer

from explorer_frames.cli._exit import CHANGED
from explorer_frames.cli._options import (
    JsonFlag,
    PartFlag,
    StorageFile,
    StorageOption,
    VidTypeOption,
    storage_options,
)
from explorer_frames.cli._out import write
from explorer_frames.cli._show import show_json

_SIDE = "Job id, or the path or URL of a Parquet or Feather file."


def compare(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    b: Annotated[str, typer.Argument(metavar="B", help=_SIDE)],
    task: Annotated[str | None, typer.Option(help="Task id or name. Required if a job has several tasks.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Number of top-ranked vertices to compare.")] = 10,
    rel_tol: Annotated[float, typer.Option(help="Relative tolerance for comparing numbers.")] = 0.0,
    abs_tol: Annotated[float, typer.Option(help="Absolute tolerance for comparing numbers.")] = 0.0,
    vid_type: VidTypeOption = "string",
    allow_incomplete: PartFlag = False,
    allow_unrelated: Annotated[
        bool, typer.Option("--allow-unrelated", help="Compare results even if their workflows or algorithms differ.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help=f"Exit with code {CHANGED.number} if the results differ.")
    ] = False,
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
) -> None:
    """Compare two results.

    The command shows added and removed rows, and changes in scores, ranks and communities. A community is unchanged if
    it has the same members, even if its label is different. If a result may be incomplete, the command exits with code
    3, unless you pass --allow-incomplete.
    """
    from explorer_frames import compare as find_changes

    found = find_changes(
        _result(ctx, a),
        _result(ctx, b),
        task=task,
        top=top,
        rel_tol=rel_tol,
        abs_tol=abs_tol,
        vid_type=vid_type,
        allow_incomplete=allow_incomplete,
        allow_unrelated=allow_unrelated,
        storage_options=storage_options(storage_option, storage_options_file),
    )
    if json:
        show_json(found.to_dict())
    else:
        write(f"{found}\n")
    if exit_code and not found.same:
        raise typer.Exit(CHANGED.number)


def _result(ctx: typer.Context, text: str) -> Any:
    """Return the job if the text is a job id; otherwise return the text as a path."""
    return ctx.obj.explorer.job(text) if re.fullmatch("[0-9]+", text) else text
