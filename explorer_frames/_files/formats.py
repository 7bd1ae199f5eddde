"""Options and writers of the file formats, and verification of written files."""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from explorer_frames._arguments import checked_count
from explorer_frames._errors import escaped
from explorer_frames._storage.address import FORMATS, named_format, shown_url
from explorer_frames.errors import ConfigError, UnsupportedFormatError, WriteError

Format = Literal["parquet", "feather"]

ROWS = 262_144  # default number of rows per row group or record batch

_FORMATS: dict[str | None, Format] = {"parquet": "parquet", "feather": "feather"}
_SUFFIXES = [suffix for suffix, name in FORMATS.items() if name in _FORMATS]
_CODECS: dict[str, tuple[str, ...]] = {
    "parquet": ("zstd", "snappy", "gzip", "brotli", "lz4"),
    "feather": ("zstd", "lz4"),
}
PARQUET, ARROW = b"PAR1", b"ARROW1"  # magic bytes at the start and the end of files
_TEXT = {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}
_SAMPLE = 10_000  # values at the start of a column that are checked for repetition
_WHOLE_DICTIONARY = 2**30  # bytes; above the limit (1 MiB by default), pyarrow stops dictionary encoding


@dataclass(frozen=True, slots=True)
class Options:
    """Format, compression and row group size of a file."""

    format: Format
    compression: str | None = "zstd"  # None for no compression
    level: int | None = None  # None for the codec's default
    rows: int = ROWS  # per row group or record batch

    @classmethod
    def of(cls, format: Format, compression: object, level: object, rows: object) -> Options:  # noqa: A002
        """Validate the options and normalize the name of the codec."""
        codec = compression.lower() if isinstance(compression, str) else compression
        if codec is None or codec == "none":
            codec = None
        elif codec not in _CODECS[format]:
            hint = f"Pass compression= with one of {', '.join(_CODECS[format])}, or none."
            raise ConfigError(f"unsupported compression {escaped(repr(compression), 60)} for {format}", hint=hint)
        return cls(format, codec, _checked_level(codec, level), checked_count("row_group_size", rows, most=2**31 - 1))


def _checked_level(codec: str | None, level: object) -> int | None:
    if level is None:
        return None
    if codec is None or not pa.Codec.supports_compression_level(codec):
        raise ConfigError(
            f"compression {codec} does not support compression_level", hint="Do not pass a compression level."
        )
    least = pa.Codec.minimum_compression_level(codec)
    most = pa.Codec.maximum_compression_level(codec)
    if not isinstance(level, Integral) or isinstance(level, bool) or not least <= level <= most:
        got = escaped(repr(level), 60)
        raise ConfigError(f"compression_level must be an integer from {least} to {most} for {codec}, got {got}")
    return int(level)


def format_of(url: object, format: str | None = None) -> Format:  # noqa: A002
    """Return the format of an output file, by default that of its extension."""
    text = os.fspath(url) if isinstance(url, str | os.PathLike) else ""
    shown = shown_url(text) if isinstance(text, str) else ""
    suffix = os.path.splitext(shown)[1]  # noqa: PTH122 (a URL)
    named = named_format(shown)
    wanted = _FORMATS.get(format.lower()) if isinstance(format, str) else None
    if wanted and named not in {wanted, None}:
        names = ", ".join(name for name in _SUFFIXES if FORMATS[name] == wanted)
        what = f"file extension {escaped(suffix)!r} does not match format {wanted!r}"
        raise UnsupportedFormatError(what, where=shown, hint=f"Use the extension {names}, or none.")
    if wanted or (format is None and named in _FORMATS):
        return wanted or _FORMATS[named]
    what = f"file extension {escaped(suffix)!r}" if format is None else f"format {escaped(repr(format), 60)}"
    hint = f'Use the extension {", ".join(_SUFFIXES)}, or pass format="parquet" or format="feather".'
    raise UnsupportedFormatError(f"unsupported {what}", where=shown, hint=hint)


def by_magic(start: bytes) -> Format | None:
    """Detect the format of a file by its first bytes."""
    if start.startswith(ARROW):
        return "feather"
    return "parquet" if start.startswith(PARQUET) else None


def open_writer(file: pa.NativeFile, sample: pa.Table, options: Options) -> Any:
    """Return a writer whose column encodings depend on the values of `sample`."""
    if options.format == "feather":
        codec = pa.Codec(options.compression, options.level) if options.compression else None
        # In an Arrow file, deltas can extend the dictionary of a column, but they cannot replace it.
        layout = pa.ipc.IpcWriteOptions(compression=codec, emit_dictionary_deltas=True)
        return pa.ipc.new_file(file, sample.schema, options=layout)
    import pyarrow.parquet as pq  # noqa: PLC0415 (the import takes 30 ms)

    lists_of_text = _lists_of_text(sample.schema)
    return pq.ParquetWriter(
        file,
        sample.schema.remove_metadata(),
        compression=options.compression or "none",
        compression_level=options.level,
        use_dictionary=[*_repeating(sample), *lists_of_text],
        dictionary_pagesize_limit=_WHOLE_DICTIONARY if lists_of_text else None,
        write_page_checksum=True,
        store_schema=False,  # `footer` adds the schema at the end, when its metadata is known
    )


def footer(schema: pa.Schema) -> dict[str | bytes, bytes]:
    """Return the key-value metadata that pyarrow would write for a schema."""
    return {**(schema.metadata or {}), "ARROW:schema": base64.b64encode(schema.serialize())}


def _repeating(table: pa.Table) -> list[str]:
    """Return the columns with repeated values, which are dictionary-encoded."""
    names = []
    for name, column in zip(table.column_names, table.slice(0, _SAMPLE).columns, strict=True):
        if pa.types.is_dictionary(column.type):
            names.append(name)
        elif not pa.types.is_nested(column.type):
            with suppress(pa.ArrowNotImplementedError):
                if pc.count_distinct(column).as_py() * 2 <= len(column):
                    names.append(name)
    return names


def _lists_of_text(schema: pa.Schema) -> list[str]:
    """Return the string columns in lists, for which fastparquet requires dictionaries."""
    if not any(pa.types.is_nested(kind) for kind in schema.types):
        return []
    columns = _empty_parquet(schema).schema
    nested = [columns.column(place) for place in range(len(columns.names))]
    return [column.path for column in nested if column.max_repetition_level and column.physical_type == "BYTE_ARRAY"]


def check_file(path: str, expected: pa.Schema, rows: int, options: Options, where: str) -> pa.Schema:
    """Verify the row count and schema of the finished file, and return the schema."""
    counted, stored = _read_back(path, options)
    metadata = {key: value for key, value in (stored.metadata or {}).items() if key in (expected.metadata or {})}
    stored = stored.with_metadata(metadata)  # excludes the checksum
    if counted == rows and stored.equals(expected, check_metadata=True):
        return stored
    what = f"{counted} of {rows} rows" if counted != rows else "a different schema"
    hint = "Retry. If the error persists, check the local disk and memory."
    raise WriteError(f"the new file failed verification ({what}) and was not published", where=where, hint=hint)


def _read_back(path: str, options: Options) -> tuple[int, pa.Schema]:
    if options.format == "feather":
        with pa.OSFile(path) as file:  # a memory map would count as memory of this process
            reader = pa.ipc.open_file(file)
            return sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches)), reader.schema
    import pyarrow.parquet as pq  # noqa: PLC0415 (see open_writer)

    with pq.ParquetFile(path) as parquet:
        return parquet.metadata.num_rows, parquet.schema_arrow


def roundtrip_schema(schema: pa.Schema, options: Options) -> pa.Schema:
    """Return the schema after a round trip through the file format."""
    for field in schema:
        if pa.types.is_dictionary(field.type) and not _is_plain(field.type.value_type):
            raise _type_error(field, options)
    if options.format == "feather":
        return schema
    # Parquet restores only dictionaries of strings and binary values.
    for place, field in enumerate(schema):
        if pa.types.is_dictionary(field.type) and field.type.value_type not in _TEXT:
            schema = schema.set(place, field.with_type(field.type.value_type))
    try:
        return _empty_parquet(schema).schema_arrow
    except pa.ArrowException as error:
        for field in schema:
            try:
                _empty_parquet(pa.schema([field]))
            except pa.ArrowException:
                raise _type_error(field, options) from error
        raise


def _is_plain(kind: pa.DataType) -> bool:
    return not (pa.types.is_nested(kind) or pa.types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType))


def _type_error(field: pa.Field, options: Options) -> ConfigError:
    what = f"column {escaped(field.name, 60)!r} of type {escaped(field.type)} cannot be written to {options.format}"
    return ConfigError(what, hint="Convert the column first, for example to strings.")


def _empty_parquet(schema: pa.Schema) -> Any:
    """Write an empty Parquet file in memory and open it."""
    import pyarrow.parquet as pq  # noqa: PLC0415 (see open_writer)

    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_batches([], schema), sink)  # `empty_table` does not support tensors
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))
