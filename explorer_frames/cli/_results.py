"""Results of tasks: read to stdout, or exported to a file."""

from __future__ import annotations

import json as jsonlib
import sys
import tempfile
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from explorer_frames._arguments import EVERYTHING
from explorer_frames.cli._exit import INCOMPLETE, tell_warning
from explorer_frames.cli._options import (
    FormatWord,
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
from explorer_frames.cli._out import write_bytes
from explorer_frames.cli._say import hint_line
from explorer_frames.cli._show import show_csv, show_json, show_lines, show_receipt, show_receipt_on_stderr, show_table
from explorer_frames.cli._text import Column, is_terminal
from explorer_frames.errors import TruncatedResultWarning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa

    from explorer_frames._files.write import Receipt
    from explorer_frames._storage.paths import Destination


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
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV to stdout, with a header.")] = False,
) -> None:
    r"""Read a task's result to stdout: a table, JSON or CSV.

    A table that does not go to a terminal is tab-separated lines, where backslash, tab, line ends and control
    characters stand as \\, \t, \n, \r and \xNN; --csv and --json are exact.

    If the rows may be incomplete although --limit asks for more, they are written with a warning and exit code 3, or
    without both with --allow-incomplete.
    """
    if json and csv:
        raise typer.BadParameter("--json and --csv exclude each other.")
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
        hint_line(f"These are the first {_PREVIEW_ROWS} rows. --limit all shows every row.")
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
    format: Annotated[  # noqa: A002 (as pandas and pyarrow call it)
        FormatWord | None, typer.Option(help="Where the URL's suffix does not say.")
    ] = None,
    mode: ModeOption = "overwrite",
    make_parents: ParentsFlag = False,
    compression: Annotated[
        str, typer.Option(help="zstd, lz4 or none; for Parquet also snappy, gzip, brotli.")
    ] = "zstd",
    allow_incomplete: PartFlag = False,
    storage_option: StorageOption = None,
    storage_options_file: StorageFile = None,
    json: JsonFlag = False,
) -> None:
    """Export a task's result to a Parquet or Feather file.

    It is written whole or not at all: what stood there stays until then.
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
    """Write a file and show its receipt; ``-`` is stdout, and then the receipt goes to stderr."""
    if path != STDOUT:
        show_receipt(write(path), json=json)
        return
    if is_terminal(sys.stdout):
        raise typer.BadParameter("A terminal cannot show this file. Redirect stdout, or pass a path.")
    with tempfile.TemporaryFile() as file:
        receipt = write(file)
        file.seek(0)
        while piece := file.read(_PIECE):
            write_bytes(piece)
    show_receipt_on_stderr(replace(receipt, path=STDOUT), json=json)


def _write(table: pa.Table, *, json: bool, csv: bool) -> None:
    names = table.column_names
    if json:
        document = {"provenance": _provenance(table), "columns": _columns(table.schema)}
        show_json(document, {"rows": (dict(zip(names, row, strict=True)) for row in _rows(table))})
    elif csv:
        show_csv(names, _rows(table))
    elif not is_terminal(sys.stdout):
        show_lines(names, _rows(_with_bools_as_text(table)))
    else:
        table = _with_bools_as_text(table)
        show_table(
            [
                Column(name, column.to_pylist(), numbers=str(column.type) in {"int64", "double", "float"})
                for name, column in zip(names, table.columns, strict=True)
            ]
        )


def _with_bools_as_text(table: pa.Table) -> pa.Table:
    """Return the table with `true` and `false`, as cells have them; facts about a result are `yes` and `no`."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_boolean(kind):
            table = table.set_column(place, field.name, table.column(place).cast(kind).cast(pa.string()))
    return table


def _rows(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """Rows as Python values, made of one batch at a time."""
    for batch in table.to_batches(max_chunksize=65_536):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _columns(schema: pa.Schema) -> list[dict[str, str]]:
    return [{"name": field.name, "type": str(field.type)} for field in schema]


def _provenance(table: pa.Table) -> dict[str, Any]:
    known: dict[str, Any] = jsonlib.loads(table.schema.metadata[b"explorer_frames"])
    return known
