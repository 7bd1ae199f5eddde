"""Full results: read from their files to stdout, or exported to one file."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from explorer_frames.cli._options import (
    FormatWord,
    JsonFlag,
    ModeOption,
    ParentsFlag,
    SchemaOption,
    StorageFile,
    StorageOption,
    VidTypeOption,
    schema_of,
    storage_options,
)
from explorer_frames.cli._results import STDOUT, _write, write_target
from explorer_frames.cli._say import note
from explorer_frames.cli._text import is_terminal

if TYPE_CHECKING:
    from explorer_frames._files.write import Receipt
    from explorer_frames._storage.paths import Destination

QuotingWord = Literal["minimal", "none"]
HeaderWord = Literal["auto", "yes", "no"]
_HEADER = {"auto": None, "yes": True, "no": False}
_PREVIEW_ROWS = 20


def output(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder, file or pattern of CSV files: a local path or any fsspec URL. With --job-id, the folder of "
            "all full results.",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Argument(metavar="TARGET", help="Parquet or Feather file to write, or - for such a file on stdout."),
    ] = None,
    job_id: Annotated[
        str | None, typer.Option(metavar="JOB", help="Id of the job, to find its folder in SOURCE.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="TASK", help="Id or name of the task, with --job-id.")] = None,
    component: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Id of the task's component, such as analytics_sssp_1, with --job-id."),
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Folder of the result in SOURCE, such as '{job_id}/tasks/{component}'."),
    ] = None,
    schema: SchemaOption = "auto",
    vid_type: VidTypeOption = "string",
    header: Annotated[HeaderWord, typer.Option(help="Whether the first line contains column names.")] = "auto",
    quoting: Annotated[
        QuotingWord, typer.Option(help="none: quotes are part of the cells, as NebulaGraph Analytics writes them.")
    ] = "minimal",
    format: Annotated[  # noqa: A002 (as pandas and pyarrow call it)
        FormatWord | None, typer.Option(help="Format of TARGET, if its extension does not decide.")
    ] = None,
    mode: ModeOption = "overwrite",
    make_parents: ParentsFlag = False,
    compression: Annotated[
        str, typer.Option(help="zstd, lz4 or none; for Parquet also snappy, gzip, brotli.")
    ] = "zstd",
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV to stdout, with a header.")] = False,
) -> None:
    """Read or export a full result from its CSV files.

    Full results are on NFS by default: explorer-frames output /mnt/analytics-data/107/tasks/analytics_pagerank_1.
    In a terminal, the first 20 rows are shown. Nothing is written before all files are read without an error.

    With --job-id and --task, the job is looked up in Explorer, and SOURCE is the folder of all full results. Storage
    options apply to SOURCE and TARGET.
    """
    if csv and (json or target):
        raise typer.BadParameter("--csv excludes --json and TARGET.")
    if (job_id is None) != (task is None) or (job_id is None and (component or folder)):
        raise typer.BadParameter("--job-id and --task are used together; --component and --folder need both.")
    options: dict[str, Any] = {
        "schema": schema_of(schema),
        "vid_type": vid_type,
        "header": _HEADER[header],
        "quoting": quoting,
        "storage_options": storage_options(storage_option, storage_options_file),
    }
    found = None if job_id is None or task is None else ctx.obj.task(job_id, task)
    where: dict[str, Any] = {"component": component, "folder": folder} if found else {}
    if target is not None:
        from explorer_frames import export_output

        def write(file: Destination) -> Receipt:
            return (found.export_output if found else export_output)(
                source,
                file,
                **where,
                **options,
                target_storage_options=None if target == STDOUT else options["storage_options"],
                format=format,
                mode=mode,
                compression=compression,
                make_parents=make_parents,
            )

        write_target(target, write, json=json)
        return
    from explorer_frames._outputs.full import read_table
    from explorer_frames._outputs.output import read_output_arrow, task_request

    if found:
        table = read_table(task_request(found, source, **where, **options))
    else:
        table = read_output_arrow(source, **options)
    is_preview = not (json or csv) and is_terminal(sys.stdout) and table.num_rows > _PREVIEW_ROWS
    _write(table.slice(0, _PREVIEW_ROWS) if is_preview else table, json=json, csv=csv)
    if is_preview:
        note(f"These are the first {_PREVIEW_ROWS} of {table.num_rows} rows. --csv and --json write all.")
