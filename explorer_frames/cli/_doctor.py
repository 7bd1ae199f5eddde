"""Define the ``doctor`` command."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from explorer_frames._arguments import EVERYTHING
from explorer_frames.cli._exit import FAILED, for_command_line
from explorer_frames.cli._options import JsonFlag, StorageFile, StorageOption, storage_options
from explorer_frames.cli._out import write
from explorer_frames.cli._show import show_finding, show_json

if TYPE_CHECKING:
    from explorer_frames._doctor.finding import Finding


def doctor(
    ctx: typer.Context,
    path: Annotated[
        str | None,
        typer.Argument(metavar="PATH", help="Folder to check for write access. For a file, its folder is checked."),
    ] = None,
    job_id: Annotated[
        str | None, typer.Option(help="Id of a job whose result is used to check the row limit. Requires --task-id.")
    ] = None,
    task_id: Annotated[str | None, typer.Option(help="Task id or name. Requires --job-id.")] = None,
    limit: Annotated[
        int, typer.Option(min=2, max=10_000_000, help="Maximum number of rows to request in the row limit check.")
    ] = 100_000,
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
) -> None:
    """Check the settings, the connection and the server.

    The checks include the login, the license and the row limit. If you pass PATH, the command also writes a small test
    file to this folder, reads it, and deletes it. The command does not start jobs or print secrets.
    """
    if (job_id is None) != (task_id is None):
        raise typer.BadParameter("--job-id and --task-id must be used together.")
    from explorer_frames import Explorer
    from explorer_frames._doctor.examination import Setup, examine
    from explorer_frames._doctor.finding import Diagnosis
    from explorer_frames._doctor.server import QUICK

    arguments = ctx.obj.arguments()
    setup = Setup.of(arguments)
    is_valid = setup.settings is not None and setup.credentials is not None
    findings: list[Finding] = []
    for found in examine(
        setup,
        Explorer(**{**QUICK, **arguments, "row_cap": EVERYTHING}) if is_valid else None,
        task=None if job_id is None or task_id is None else (job_id, task_id),
        limit=limit,
        path=path,
        storage_options=storage_options(storage_option, storage_options_file),
    ):
        findings.append(dataclasses.replace(found, hint=found.hint and for_command_line(found.hint)))
        if not json:
            show_finding(findings[-1])
    diagnosis = Diagnosis(setup.settings.url if setup.settings else "", tuple(findings))
    if json:
        show_json(diagnosis.to_dict())
    else:
        write(f"\n{diagnosis.summary}\n")
    if diagnosis.problems:
        raise typer.Exit(FAILED.number)
