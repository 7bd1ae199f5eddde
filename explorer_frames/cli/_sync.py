"""Define the ``sync`` command."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explorer_frames._errors import plural
from explorer_frames.cli._exit import PARTLY, for_command_line
from explorer_frames.cli._options import (
    CreatedAfterOption,
    FormatWord,
    JsonFlag,
    LimitOption,
    PartFlag,
    SchemaOption,
    StorageFile,
    StorageOption,
    VidTypeOption,
    WorkflowArgument,
    schema_of,
    storage_options,
)
from explorer_frames.cli._out import error_line, hint_line, note
from explorer_frames.cli._show import show_json, show_table
from explorer_frames.cli._text import Column
from explorer_frames.errors import SyncError

if TYPE_CHECKING:
    from explorer_frames import SyncReport

_SHOWN = 20  # maximum number of failures to list


def sync(
    ctx: typer.Context,
    workflow: WorkflowArgument,
    path: Annotated[str, typer.Argument(metavar="PATH", help="Local path or fsspec URL of the data lake.")],
    task: Annotated[
        list[str] | None,
        typer.Option(help="Sync only the task with this id or name. Repeat --task to sync several tasks."),
    ] = None,
    created_after: CreatedAfterOption = None,
    limit: LimitOption = "all",
    schema: SchemaOption = "auto",
    vid_type: VidTypeOption = "string",
    format: Annotated[FormatWord, typer.Option(help="File format.")] = "parquet",  # noqa: A002
    allow_incomplete: PartFlag = False,
    partition_by: Annotated[
        list[str] | None,
        typer.Option(
            help="Column to partition by: job_id, task_id or end_date. Repeat --partition-by for several columns."
        ),
    ] = None,
    server_name: Annotated[
        str | None, typer.Option(help="Server name to record in the data lake. Default: the URL without its scheme.")
    ] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Verify the content hashes of existing files.")] = False,
    make_parents: Annotated[
        bool, typer.Option("--make-parents", help="Create missing parent folders of PATH.")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="Number of results to export in parallel.")] = 4,
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print only warnings and errors.")] = False,
    json: JsonFlag = False,
) -> None:
    """Sync the results of a workflow to a data lake.

    The command exports the results of successful jobs that are missing from the data lake. You can run it repeatedly.
    If no results are missing, stdout is empty unless you pass --json.
    """
    try:
        report = ctx.obj.explorer.sync_workflow(
            workflow,
            path,
            tasks=task or None,
            created_after=created_after,
            limit=limit,
            schema=schema_of(schema),
            vid_type=vid_type,
            format=format,
            allow_incomplete=allow_incomplete,
            partition_by=partition_by or None,
            server_name=server_name,
            verify=verify,
            make_parents=make_parents,
            storage_options=storage_options(storage_option, storage_options_file),
            workers=workers,
            progress=False if quiet else None,
        )
        failure = None
    except SyncError as error:
        report, failure = error.report, error
    if json:
        _show_json(report)
        if failure:
            raise failure
    elif not quiet:
        _show(report)
    if failure:
        _tell_failures(report, for_command_line(failure.hint or ""))
        raise typer.Exit(PARTLY.number)


def _show_json(report: SyncReport) -> None:
    known = report.to_dict()
    results = known.pop("results")
    show_json(known, {"results": results})


def _show(report: SyncReport) -> None:
    from explorer_frames._sync.report import summary

    if report.written or report.failed:
        _show_by_task(report.to_dict()["results"])
    note(f"{report.path}: {summary(report)}")


def _show_by_task(results: list[dict[str, Any]]) -> None:
    from explorer_frames._sync.report import STATES

    counts = Counter((one["task_name"], one["state"]) for one in results)
    tasks = sorted({one["task_name"] for one in results}, key=str)
    columns = [Column("task_name", ["(job)" if task is None else task for task in tasks])]
    columns += [Column(state, [counts[task, state] for task in tasks], numbers=True) for state in STATES]
    rows = Counter({task: sum(one["rows"] or 0 for one in results if one["task_name"] == task) for task in tasks})
    show_table([*columns, Column("rows", [rows[task] for task in tasks], numbers=True)])


def _tell_failures(report: SyncReport, hint: str) -> None:
    count = f"{len(report.failed)} {plural(len(report.failed), 'result')}"
    error_line(f"failed to export {count} of workflow {report.workflow_id} [{report.path}]")
    for failure in report.failed[:_SHOWN]:
        hint_line(f"  {failure}")
    if len(report.failed) > _SHOWN:
        hint_line(f"  {len(report.failed) - _SHOWN} more failures are not shown. Pass --json to see all of them.")
    if report.pending:
        hint_line(f"  not attempted: {report.pending} {plural(report.pending, 'result')}")
    hint_line(hint)
