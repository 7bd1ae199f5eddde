"""Options that several commands share, and parsers for their values."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from explorer_frames._arguments import EVERYTHING
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

# These types are copies, because importing the original types is slow. A test compares the values.
FormatWord = Literal["parquet", "feather"]
VidWord = Literal["string", "int64"]
ModeWord = Literal["overwrite", "create", "in_place"]
StatusWord = Literal["preparing", "running", "success", "failed", "interrupted", "stopping"]

STORAGE_VARIABLE = "EXPLORER_FRAMES_STORAGE_OPTIONS"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_OUTER = re.compile(r"(list|dictionary)<(.*)>")
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:, *(?:tz=)?([^],]+))?\]")
_DECIMAL = re.compile(r"(decimal128|decimal256|decimal)\(([0-9]{1,2})(?:, *([0-9]{1,2}))?\)")


def _schemas(incomplete: str) -> list[str]:
    from explorer_frames._schemas import ALGORITHMS

    names = ["auto", *(entry.name for entry in ALGORITHMS)]
    return [name for name in names if name.lower().startswith(incomplete.lower())]


def _limit(text: str | int) -> int:
    if str(text) == "all":
        return EVERYTHING
    if not re.fullmatch("[1-9][0-9]{0,9}", str(text)) or int(text) > EVERYTHING:
        raise typer.BadParameter(f"{text!r} is neither 'all' nor an integer from 1 to {EVERYTHING}.")
    return int(text)


def _since(text: str | datetime) -> datetime:
    """Parse a timestamp or a relative age, such as 7d, as a timezone-aware datetime."""
    if isinstance(text, datetime):
        return text
    ago = re.fullmatch(r"(\d+)([smhdw])", text)
    try:
        if ago:
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        time = datetime.fromisoformat(text)
        return time if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        hint = "Pass a time such as 2026-11-25 or 2026-11-25T08:30+01:00, or an age such as 3d, 12h or 30m."
        raise typer.BadParameter(f"{text!r} is not a valid time. {hint}") from None


JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Job id.")]
TaskArgument = Annotated[str, typer.Argument(metavar="TASK", help="Task id or name.")]
WorkflowArgument = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Workflow id.")]
FileArgument = Annotated[str, typer.Argument(metavar="PATH", help="Local path or fsspec URL of the file.")]
TargetArgument = Annotated[
    str, typer.Argument(metavar="PATH", help="Local path or fsspec URL. Use - for stdout, which requires --format.")
]
ModeOption = Annotated[
    ModeWord,
    typer.Option(
        help="overwrite replaces an existing file atomically. create fails if the file exists. in_place writes "
        "directly to the existing file and is not atomic."
    ),
]
FormatOption = Annotated[
    FormatWord | None, typer.Option(help="File format. Default: determined by the file extension.")
]
CompressionOption = Annotated[
    str, typer.Option(help="Compression: zstd, lz4 or none. Parquet also supports snappy, gzip and brotli.")
]
ParentsFlag = Annotated[bool, typer.Option("--make-parents", help="Create missing parent folders.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print a JSON document to stdout.")]
LimitOption = Annotated[
    Any,
    typer.Option(
        "--limit",
        metavar="N|all",
        parser=_limit,
        help="Number of rows to request, or all to request every row.",
        show_default=True,
    ),
]
ReadLimitOption = Annotated[
    Any,
    typer.Option(
        "--limit",
        metavar="N|all",
        parser=_limit,
        help="Number of rows to request, or all to request every row.",
        show_default="20 for a table in a terminal, otherwise all",
    ),
]
CreatedAfterOption = Annotated[
    Any,
    typer.Option(
        "--created-after",
        metavar="TIME",
        parser=_since,
        help="Include only jobs created after this time. Pass a date such as 2026-11-25 (UTC), or a relative age "
        "such as 3d, 12h or 30m.",
    ),
]
SchemaOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Column names and types. Pass the name of an algorithm, a list of columns such as id:string,score:double, "
        "or one of auto, query and none. With auto, the task's name determines the columns. If the name does not match "
        "an algorithm, only the number of columns is used. With none, the task's name is ignored. With query, all "
        "columns are read as text.",
        autocompletion=_schemas,
    ),
]
VidTypeOption = Annotated[VidWord, typer.Option("--vid-type", help="Type of the vertex ids in the graph space.")]
PartFlag = Annotated[bool, typer.Option("--allow-incomplete", help="Accept a result that may be incomplete.")]
StorageOption = Annotated[
    list[str] | None,
    typer.Option(
        "--storage-option",
        metavar="KEY=VALUE",
        help="Option for the storage driver. For numbers, booleans and objects, use KEY:=JSON. Repeat --storage-option "
        "to pass several options. Do not pass secrets here, because other users of this machine can see the command "
        "line. Pass them in a file or in the environment.",
    ),
]
StorageFile = Annotated[
    Path | None,
    typer.Option(
        "--storage-options-file",
        metavar="FILE",
        help=f"JSON file with options for the storage driver. Alternatively, set {STORAGE_VARIABLE} to a JSON string.",
    ),
]


def schema_of(text: str) -> str | pa.Schema | None:
    """Convert the value of ``--schema`` to a schema, a schema name, or None."""
    if text == "none":
        return None
    if ":" not in text:
        return text
    import pyarrow as pa

    from explorer_frames._types import NAMES as TYPE_NAMES

    try:
        return pa.schema([_column(part) for part in _parts(text)])
    except (ValueError, TypeError) as error:  # pyarrow raises TypeError if dictionary indices are not integers
        raise ConfigError(
            f"invalid columns {text!r}: {error}",
            hint="Pass NAME:TYPE pairs such as id:string,at:timestamp[ms, UTC],price:decimal128(10, 2). Supported "
            f"types: {TYPE_NAMES}, dictionary<string>, and list<string> for the last column.",
        ) from None


def _parts(text: str) -> list[str]:
    """Split text at commas that are not inside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "<([") - (letter in ">)]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _column(text: str) -> tuple[str, pa.DataType]:
    name, colon, kind = text.partition(":")
    if not name or not colon or re.search("[<>]", name):
        raise ValueError(f"{text!r} is not NAME:TYPE")
    return name, _arrow_type(kind.strip())


def _arrow_type(text: str) -> pa.DataType:
    """Parse an Arrow type, such as ``timestamp[ms, UTC]`` or ``dictionary<string>``."""
    import pyarrow as pa

    if outer := _OUTER.fullmatch(text):
        items = [re.sub(r"^(?:values=|item: *)", "", part) for part in _parts(outer[2])]
        if outer[1] == "list" and len(items) == 1:
            return pa.list_(_arrow_type(items[0]))
        rest = [part.removeprefix("indices=") for part in items[1:] if part != "ordered=0"]
        if outer[1] == "dictionary" and len(rest) <= 1:
            return pa.dictionary(_arrow_type(*rest) if rest else pa.int32(), _arrow_type(items[0]))
    if stamp := _TIMESTAMP.fullmatch(text):
        return pa.timestamp(stamp[1], stamp[2])
    if decimal := _DECIMAL.fullmatch(text):
        make = pa.decimal256 if decimal[1] == "decimal256" else pa.decimal128
        return make(int(decimal[2]), int(decimal[3] or 0))
    try:
        return pa.date32() if text == "date" else pa.type_for_alias(text)
    except ValueError:
        raise ValueError(f"unknown type {text!r}") from None


def pairs(texts: Iterable[str] | None, what: str) -> dict[str, Any]:
    """Parse ``name=text`` and ``name:=JSON`` pairs."""
    # Values can be secrets, so error messages do not contain them.
    read = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        hint = "Pass NAME=TEXT for a string, or NAME:=JSON for numbers, booleans and objects."
        if not equals or not name:
            raise ConfigError(f"{what} {name.partition(':')[0]!r} must have the form NAME=VALUE", hint=hint)
        try:
            read[name] = json.loads(value) if is_json else value
        except (ValueError, RecursionError):
            raise ConfigError(f"{what} {name!r}: the value after := is not valid JSON", hint=hint) from None
    return read


def storage_options(texts: Iterable[str] | None, file: Path | None) -> dict[str, Any] | None:
    """Merge storage options from the environment, the file and the command line."""
    known = {**_object(os.environ.get(STORAGE_VARIABLE), STORAGE_VARIABLE), **_object(_read(file), str(file))}
    given = pairs(texts, "storage option")
    words = {"true": True, "false": False}  # drivers require booleans instead of strings
    known |= {name: words.get(value, value) if isinstance(value, str) else value for name, value in given.items()}
    return known or None


def _read(file: Path | None) -> str | None:
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "the file is not UTF-8 text"
        hint = "Pass a file with a JSON object."
        raise ConfigError(f"cannot read {file}: {why}", hint=hint) from None


def _object(text: str | None, where: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise ConfigError(
            f"{where} is not a JSON object", hint='Pass an object such as {"key": "...", "secret": "..."}.'
        )
    return read
