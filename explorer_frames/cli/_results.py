"""Define the ``read``, ``export`` and ``output`` commands."""

from __future__ import annotations

import json as jsonlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from explorer_frames._arguments import EVERYTHING
from explorer_frames.cli._exit import INCOMPLETE, tell_warning
from explorer_frames.cli._options import (
    CompressionOption,
    FormatOption,
    JobArgument,
    JsonFlag,
    LimitOption,
    ModeOption,
    ParentsFlag,
    PartFlag,
    ReadLimitOption,
    SchemaOption,
    StorageFile,
    StorageOption,
    TargetArgument,
    TaskArgument,
    VidTypeOption,
    schema_of,
    storage_options,
)
from explorer_frames.cli._out import OutputError, hint_line, note, write_bytes
from explorer_frames.cli._show import show_csv, show_json, show_lines, show_receipt, show_table
from explorer_frames.cli._text import Column, is_terminal
from explorer_frames.errors import TruncatedResultWarning

if TYPE_CHECKING:
    import pyarrow as pa

    from explorer_frames._files.write import Receipt
    from explorer_frames._storage.paths import Destination

QuotingWord = Literal["minimal", "none"]
HeaderWord = Literal["auto", "yes", "no"]
_HEADER = {"auto": None, "yes": True, "no": False}
STDOUT = "-"
_PREVIEW_ROWS = 20
_PIECE = 1 << 20  # bytes


def read(
    ctx: typer.Context,
    job: JobArgument,
    task: TaskArgument,
    limit: ReadLimitOption = None,
    schema: SchemaOption = "auto",
    vid_type: VidTypeOption = "string",
    allow_incomplete: PartFlag = False,
    json: JsonFlag = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header to stdout.")] = False,
) -> None:
    r"""Print a task's result as a table, JSON or CSV.

    If stdout is not a terminal, the columns are separated by tabs. In this format, backslashes and control characters
    are escaped as \\, \t, \n, \r and \xNN. --csv and --json print the exact values.

    If the result may be incomplete, the command prints the rows and a warning, and exits with code 3. To accept an
    incomplete result, pass --allow-incomplete.
    """
    if json and csv:
        raise typer.BadParameter("--json and --csv are mutually exclusive.")
    wanted = schema_of(schema)
    found = ctx.obj.task(job, task)
    is_preview = limit is None and not (json or csv) and is_terminal(sys.stdout)
    asked = _PREVIEW_ROWS + 1 if is_preview else limit or EVERYTHING
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = found.read_arrow(asked, schema=wanted, vid_type=vid_type)
    _write(table.slice(0, _PREVIEW_ROWS) if is_preview else table, json=json, csv=csv)
    is_cut = table.num_rows == asked and _provenance(table)["status"] in (None, "success")
    for one in caught:
        if not (issubclass(one.category, TruncatedResultWarning) and (is_cut or allow_incomplete)):
            tell_warning(one.message)
    if is_cut and is_preview:
        hint_line(f"Only the first {_PREVIEW_ROWS} rows are shown. Pass --limit all to show all rows.")
    if not (is_cut or allow_incomplete or _provenance(table)["complete"]):
        raise typer.Exit(INCOMPLETE.number)


def export(
    ctx: typer.Context,
    job: JobArgument,
    task: TaskArgument,
    path: TargetArgument,
    limit: LimitOption = "all",
    schema: SchemaOption = "auto",
    vid_type: VidTypeOption = "string",
    format: FormatOption = None,  # noqa: A002 (as pandas and pyarrow call it)
    mode: ModeOption = "overwrite",
    make_parents: ParentsFlag = False,
    compression: CompressionOption = "zstd",
    allow_incomplete: PartFlag = False,
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
) -> None:
    """Export a task's result to a Parquet or Feather file.

    The file is written atomically unless you pass --mode in_place.
    """
    wanted = schema_of(schema)
    options = storage_options(storage_option, storage_options_file)
    found = ctx.obj.task(job, task)

    def write(target: Destination) -> Receipt:
        receipt: Receipt = found.export(
            target,
            limit,
            schema=wanted,
            vid_type=vid_type,
            allow_incomplete=allow_incomplete,
            format=format,
            mode=mode,
            compression=compression,
            make_parents=make_parents,
            storage_options=None if path == STDOUT else options,
        )
        return receipt

    write_target(path, write, json=json)


def write_target(path: str, write: Callable[[Destination], Receipt], *, json: bool) -> None:
    """Write a file and print a summary, to stderr if the file is written to stdout."""
    if path != STDOUT:
        show_receipt(write(path), json=json)
        return
    if is_terminal(sys.stdout):
        raise typer.BadParameter("Binary files cannot be written to a terminal. Redirect stdout, or pass a path.")
    with tempfile.TemporaryFile() as file:
        receipt = write(file)
        file.seek(0)
        while piece := file.read(_PIECE):
            write_bytes(piece)
    with redirect_stdout(sys.stderr), suppress(BrokenPipeError, OutputError):
        show_receipt(replace(receipt, path=STDOUT), json=json)


def output(
    ctx: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="Folder, file or glob pattern of the CSV files of the result, as a local path or fsspec URL. With "
            "--job-id, this is the root folder of the results of all jobs.",
        ),
    ],
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="TARGET", help="Parquet or Feather file to write. Use - for stdout, which requires --format."
        ),
    ] = None,
    job_id: Annotated[
        str | None, typer.Option(metavar="JOB", help="Id of the job whose result is read from SOURCE. Requires --task.")
    ] = None,
    task: Annotated[str | None, typer.Option(metavar="TASK", help="Task id or name. Requires --job-id.")] = None,
    component: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Component id of the task, such as analytics_sssp_1. Requires --job-id."),
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of the result, relative to SOURCE, such as '{job_id}/tasks/{component}'. Requires --job-id.",
        ),
    ] = None,
    schema: SchemaOption = "auto",
    vid_type: VidTypeOption = "string",
    header: Annotated[
        HeaderWord, typer.Option(help="Whether the first line contains column names. auto detects a header.")
    ] = "auto",
    quoting: Annotated[
        QuotingWord,
        typer.Option(help="Use none if quotes are part of the values, as in files from NebulaGraph Analytics."),
    ] = "minimal",
    format: FormatOption = None,  # noqa: A002 (as pandas and pyarrow call it)
    mode: ModeOption = "overwrite",
    make_parents: ParentsFlag = False,
    compression: CompressionOption = "zstd",
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header to stdout.")] = False,
) -> None:
    """Read or export a full result from CSV files.

    NebulaGraph Analytics writes the full result of a task to CSV files on NFS or HDFS. The row limit of the Explorer
    API does not apply to these files.

    SOURCE is the folder of one result, such as /mnt/analytics-data/107/tasks/analytics_pagerank_1. With --job-id and
    --task, SOURCE is the root folder of the results of all jobs, such as /mnt/analytics-data. In this case, the command
    requests the job from Explorer to find the folder of the task.

    Without TARGET, the command prints the result. In a terminal, it prints only the first 20 rows. With TARGET, it
    writes a Parquet or Feather file. If any of the CSV files cannot be read, the command does not print rows or write a
    file. Storage options apply to both SOURCE and TARGET.
    """
    if csv and (json or target):
        raise typer.BadParameter("--csv cannot be used with --json or TARGET.")
    if (job_id is None) != (task is None) or (job_id is None and (component or folder)):
        raise typer.BadParameter(
            "--job-id and --task must be used together. --component and --folder require --job-id."
        )
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
    from explorer_frames._outputs.full import Request, read_table

    table = read_table(Request.of(source, task=found, **where, **options))
    is_preview = not (json or csv) and is_terminal(sys.stdout) and table.num_rows > _PREVIEW_ROWS
    _write(table.slice(0, _PREVIEW_ROWS) if is_preview else table, json=json, csv=csv)
    if is_preview:
        note(
            f"Only the first {_PREVIEW_ROWS} of {table.num_rows} rows are shown. "
            "Pass --csv or --json to print all rows."
        )


def _write(table: pa.Table, *, json: bool, csv: bool) -> None:
    names = table.column_names
    if json:
        document = {"provenance": _provenance(table), "columns": _columns(table.schema)}
        show_json(document, {"rows": (dict(zip(names, row, strict=True)) for row in _rows(table))})
    elif csv:
        show_csv(names, _rows(table))
    elif not is_terminal(sys.stdout):
        show_lines(names, _rows(table))
    else:
        show_table(
            [
                Column(name, column.to_pylist(), numbers=str(column.type) in {"int64", "double", "float"})
                for name, column in zip(names, table.columns, strict=True)
            ]
        )


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Yield rows as tuples of Python values, one batch at a time."""
    for batch in table.to_batches(max_chunksize=65_536):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _columns(schema: pa.Schema) -> list[dict[str, str]]:
    return [{"name": field.name, "type": str(field.type)} for field in schema]


def _provenance(table: pa.Table) -> dict[str, Any]:
    known: dict[str, Any] = jsonlib.loads(table.schema.metadata[b"explorer_frames"])
    return known
