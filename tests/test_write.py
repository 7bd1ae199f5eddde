from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from itertools import product

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from cases import each
from faults.rawserver import wait_until
from limits import PROCESS
from memory import memory_added
from nasty import NASTY
from platforms import WINDOWS, needs_proc_status, needs_resource, with_slashes

from explorer_frames import export_output, export_sample_result
from explorer_frames._files import formats as _formats, write as _write
from explorer_frames._files.data import to_reader
from explorer_frames._files.write import _groups, planned, write_feather, write_parquet
from explorer_frames.errors import (
    ConfigError,
    DecodeError,
    IncompleteResultError,
    TargetExistsError,
    TruncatedBodyError,
    UnsupportedFormatError,
    WriteError,
)

pytest_plugins = ["storage"]

WRITERS = {"parquet": write_parquet, "feather": write_feather}
READERS = {"parquet": pq.read_table, "feather": lambda source: pa.ipc.open_file(source).read_all()}
SCHEMA = pa.schema([("id", pa.string()), ("score", pa.float64())])
OLD = pa.table({"id": ["old"], "score": [1.0]}, schema=SCHEMA)
DOCUMENT = {"job": "1", "complete": True, "server": "http://h", "note": "gr\u00fc\u00dfe"}


@pytest.fixture(params=["parquet", "feather"])
def layout(request):
    return request.param


def listed(folder):
    return sorted(path.name for path in folder.iterdir())


def batches(count, rows=1000, schema=SCHEMA, end=None):
    def make():
        for number in range(count):
            ids = [f"player{number * rows + i}" for i in range(rows)]
            yield pa.record_batch([ids, np.arange(rows, dtype=float)], schema=schema)
        if end is not None:
            raise end

    return pa.RecordBatchReader.from_batches(schema, make())


def write(data, url, *, finish=None, **options):
    return _write.write(to_reader(data), planned(url, **options), finish)


def known(schema):
    """Return what the file says of itself, but for what every file says."""
    document = json.loads(schema.metadata[b"explorer_frames"])
    return {key: value for key, value in document.items() if key not in ("rows", "content_hash", "library")}


def load(store, name, layout):
    return READERS[layout](io.BytesIO(store.read(name)))


# What goes in comes out


class Stream:
    """Anything with the one method."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


TABLE = pa.table({"id": ["a", None, "c"], "score": [0.5, float("nan"), None]}, schema=SCHEMA)
KINDS = {
    "DataFrame": TABLE.to_pandas,
    "Table": lambda: TABLE,
    "chunked Table": lambda: pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]),
    "RecordBatch": lambda: TABLE.to_batches()[0],
    "RecordBatchReader": lambda: TABLE.to_reader(max_chunksize=1),
    "polars": lambda: pl.from_arrow(TABLE),
    "stream": lambda: Stream(TABLE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_gives_the_same_columns(tmp_path, layout, kind):
    receipt = WRITERS[layout](KINDS[kind](), tmp_path / "a")
    read = READERS[layout](tmp_path / "a")
    assert read.schema.types == receipt.schema.types == SCHEMA.types
    assert receipt.rows == 3
    assert receipt.bytes == (tmp_path / "a").stat().st_size
    assert receipt.complete is None
    assert read.column("id").to_pylist() == ["a", None, "c"]


def test_a_round_trip_on_each_store(store, layout):
    name = "a b 1.x" if re.search(store.refused, "a b#1.x") else "a b#1.x"
    receipt = WRITERS[layout](batches(5), store.url(name), storage_options=store.options)
    assert load(store, name, layout).equals(batches(5).read_all())
    assert store.names() == [name]
    assert receipt.rows == 5000
    assert with_slashes(receipt.path) == with_slashes(store.url(name))
    assert "canary" not in repr(receipt)


def test_nasty_ids_survive_byte_for_byte(tmp_path, layout):
    frame = pd.DataFrame({"id": NASTY, "score": np.arange(len(NASTY), dtype=float)})
    path = tmp_path / "a"
    WRITERS[layout](frame, path)
    assert READERS[layout](path).column("id").to_pylist() == NASTY
    assert {"parquet": pd.read_parquet, "feather": pd.read_feather}[layout](path)["id"].tolist() == NASTY
    assert {"parquet": pl.read_parquet, "feather": pl.read_ipc}[layout](path.read_bytes())["id"].to_list() == NASTY


def test_pandas_gets_its_dtypes_index_and_attrs_back(tmp_path, layout):
    frame = pd.DataFrame(
        {
            "id": ["a", None],
            "category": pd.Categorical(["u", "v"], ordered=True),
            "nullable": pd.array([1, None], dtype="Int64"),
            "arrow": pd.array([1, None], dtype=pd.ArrowDtype(pa.int32())),
            "when": pd.to_datetime(["2026-11-23", None], utc=True),
            "flag": [True, False],
        },
        index=pd.Index(["r1", "r2"], name="key"),
    )
    frame.attrs["explorer_frames"] = DOCUMENT
    WRITERS[layout](frame, tmp_path / "a")
    back = {"parquet": pd.read_parquet, "feather": pd.read_feather}[layout](tmp_path / "a")
    pd.testing.assert_frame_equal(back, frame)
    assert known(READERS[layout](tmp_path / "a").schema) == DOCUMENT
    if int(pa.__version__.partition(".")[0]) >= 20:  # older ones do not hand attrs back to pandas
        assert back.attrs == frame.attrs


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.string()),
        pa.struct([("a", pa.int64())]),
        pa.decimal128(5, 2),
        pa.timestamp("us", "UTC"),
        pa.date32(),
    ],
    ids=str,
)
def test_every_arrow_dtype_of_pandas_can_be_read_again_by_pandas(tmp_path, layout, kind):
    frame = pd.DataFrame({"x": pd.array([None], dtype=pd.ArrowDtype(kind))})
    WRITERS[layout](frame, tmp_path / "a")
    read = {"parquet": pd.read_parquet, "feather": pd.read_feather}[layout]
    assert read(tmp_path / "a")["x"].isna().tolist() == [True]
    assert read(tmp_path / "a", dtype_backend="pyarrow").dtypes.tolist() == frame.dtypes.tolist()


@pytest.mark.parametrize("complete", [True, False])
def test_attrs_become_schema_metadata(tmp_path, layout, complete):
    frame = pd.DataFrame({"id": ["a"]})
    frame.attrs["explorer_frames"] = DOCUMENT | {"complete": complete}
    receipt = WRITERS[layout](frame, tmp_path / "a")
    assert known(READERS[layout](tmp_path / "a").schema) == frame.attrs["explorer_frames"]
    assert receipt.complete is complete


def test_schema_metadata_is_kept(tmp_path, layout):
    metadata = {"explorer_frames": json.dumps(DOCUMENT), "other": "x"}
    receipt = WRITERS[layout](batches(2, schema=SCHEMA.with_metadata(metadata)), tmp_path / "a")
    assert known(receipt.schema) == DOCUMENT
    assert receipt.schema.metadata[b"other"] == b"x"
    assert receipt.complete is True


@pytest.mark.parametrize("document", ["", "[]", "{", '{"complete": "yes"}', "\xff"])
def test_foreign_metadata_leaves_completeness_unknown(tmp_path, layout, document):
    schema = SCHEMA.with_metadata({"explorer_frames": document.encode("latin-1")})
    assert WRITERS[layout](batches(1, schema=schema), tmp_path / "a").complete is None


def test_a_receipt_reads_well(tmp_path):
    table = pa.table({"<b>": ["a"] * 1000, "score": [0.5] * 1000})
    receipt = write_parquet(table, tmp_path / "x.parquet")
    told = f"parquet, 1,000 rows, {receipt.bytes:,} bytes"
    assert repr(receipt) == f"<Receipt {tmp_path / 'x.parquet'}: {told}>"
    shown = receipt._repr_html_()
    assert "&lt;b&gt;: string, score: double" in shown
    assert "<b>" not in shown
    assert receipt.content_hash in shown


@pytest.mark.parametrize("empty", [[], [0], [0, 0]])
def test_no_rows_make_a_file_with_the_schema(tmp_path, layout, empty):
    source = [pa.record_batch([[], []], schema=SCHEMA) for _ in empty]
    receipt = WRITERS[layout](pa.RecordBatchReader.from_batches(SCHEMA, source), tmp_path / "a")
    assert (receipt.rows, receipt.schema) == (0, SCHEMA)
    assert READERS[layout](tmp_path / "a").equals(SCHEMA.empty_table())


def test_types_that_parquet_keeps_otherwise_pass_the_check(tmp_path):
    fields = {"s": pa.timestamp("s"), "d": pa.date64(), "l": pa.list_(pa.string()), "v": pa.string_view()}
    schema = pa.schema([*fields.items(), ("c", pa.dictionary(pa.int8(), pa.string()))])
    write_parquet(schema.empty_table(), tmp_path / "a")
    assert pq.read_schema(tmp_path / "a").field("s").type == pa.timestamp("ms")


# What only the end of a stream can tell


def test_metadata_can_be_set_after_the_last_row(store, layout):
    schema = SCHEMA.with_metadata({"explorer_frames": '{"complete": null}', "other": "x"})
    url, reader = store.url(f"a.{layout}"), batches(5, schema=schema)

    def finish():
        assert next(iter(reader), None) is None
        assert f"a.{layout}" not in store.names()
        return {"complete": True}

    receipt = write(reader, url, finish=finish, row_group_size=2000, storage_options=store.options)
    read = load(store, f"a.{layout}", layout)
    assert known(read.schema) == {"complete": True}
    assert read.schema.metadata[b"other"] == b"x"
    assert read.equals(batches(5).read_all())
    assert read.schema.remove_metadata().equals(receipt.schema.remove_metadata(), check_metadata=True)
    assert receipt.schema.metadata.items() <= read.schema.metadata.items()
    assert (receipt.rows, receipt.complete) == (5000, True)
    assert store.names() == [f"a.{layout}"]


def test_error_after_the_last_row_cancels_the_write(store, layout):
    error = IncompleteResultError("cut off")

    def finish():
        raise error

    with pytest.raises(IncompleteResultError) as caught:
        write(batches(5), store.url(f"a.{layout}"), finish=finish, storage_options=store.options)
    assert caught.value is error
    assert store.names() == []


def test_every_parquet_reader_finds_the_metadata(tmp_path):
    schema = SCHEMA.with_metadata({"explorer_frames": json.dumps(DOCUMENT)})
    write_parquet(batches(1, schema=schema), tmp_path / "a")
    stored = json.loads(pq.read_metadata(tmp_path / "a").metadata[b"explorer_frames"])
    assert stored.items() >= DOCUMENT.items()
    assert json.loads(pl.read_parquet_metadata(tmp_path / "a")["explorer_frames"]) == stored


# How it is laid out


@pytest.mark.parametrize(("rows", "sizes"), [(70, [70, 70, 60]), (200, [200]), (201, [200]), (1, [1] * 200)])
@pytest.mark.parametrize("arriving", [7, 200])
def test_row_groups_have_the_requested_size(tmp_path, rows, sizes, arriving):
    table = batches(2, rows=100).read_all().combine_chunks()
    write_parquet(table.to_reader(max_chunksize=arriving), tmp_path / "a", row_group_size=rows)
    write_feather(table.to_reader(max_chunksize=arriving), tmp_path / "b", row_group_size=rows)
    footer, arrow = pq.read_metadata(tmp_path / "a"), pa.ipc.open_file(tmp_path / "b")
    assert [footer.row_group(i).num_rows for i in range(footer.num_row_groups)] == sizes
    assert [arrow.get_batch(i).num_rows for i in range(arrow.num_record_batches)] == sizes
    assert pq.read_table(tmp_path / "a").equals(table)


def test_no_more_rows_than_a_group_has_are_held():
    table = batches(2, rows=100).read_all().combine_chunks()
    for arriving in (7, 200):
        groups = _groups(table.to_reader(max_chunksize=arriving), 70)
        assert [group.num_rows for group in groups] == [70, 70, 60]


def test_dictionaries_where_values_repeat_and_statistics_everywhere(tmp_path):
    table = batches(20).read_all().append_column("community", pa.array(["c1", "c2"] * 10_000))
    write_parquet(table, tmp_path / "a")
    columns = pq.read_metadata(tmp_path / "a").row_group(0).to_dict()["columns"]
    encoded = {column["path_in_schema"]: "RLE_DICTIONARY" in column["encodings"] for column in columns}
    assert encoded == {"id": False, "score": True, "community": True}
    assert all(column["statistics"]["null_count"] == 0 for column in columns)
    assert {column["compression"] for column in columns} == {"ZSTD"}


@pytest.mark.parametrize("codec", ["zstd", "snappy", "gzip", "brotli", "lz4", None])
def test_parquet_codecs(tmp_path, codec):
    write_parquet(batches(1), tmp_path / "a", compression=codec)
    column = pq.read_metadata(tmp_path / "a").row_group(0).column(0)
    assert column.compression == (codec or "uncompressed").upper()


@pytest.mark.parametrize("codec", ["zstd", "lz4", None])
def test_feather_codecs(tmp_path, codec):
    sizes = [write_feather(batches(1), tmp_path / "a", compression=c).bytes for c in (codec, None)]
    assert (sizes[0] < sizes[1]) is (codec is not None)


def test_compression_level_changes_the_size(tmp_path, layout):
    sizes = [WRITERS[layout](batches(20), tmp_path / "a", compression_level=level).bytes for level in (1, 19)]
    assert sizes[0] > sizes[1]


def test_an_altered_byte_is_found(tmp_path):
    write_parquet(batches(1), tmp_path / "a", compression=None)
    content = bytearray((tmp_path / "a").read_bytes())
    content[content.index(b"player500") + 6] ^= 1
    assert pq.read_table(io.BytesIO(content))["id"][500].as_py() == "player400"  # what nobody notices otherwise
    with pytest.raises(OSError, match="CRC"):
        pq.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()


# What goes wrong leaves the old file


class CustomError(Exception):
    pass


ENDS = [
    CustomError("mine"),
    TruncatedBodyError("broke off"),
    DecodeError("row 7"),
    OSError(28, "theirs"),
    KeyboardInterrupt(),
]


@each("end, before", product(ENDS, [0, 3]))
def test_exception_of_the_source_is_raised_unchanged(store, layout, end, before):
    WRITERS[layout](OLD, store.url("a"), storage_options=store.options)
    with pytest.raises(type(end)) as caught:
        WRITERS[layout](batches(before, end=end), store.url("a"), storage_options=store.options, row_group_size=1000)
    assert caught.value is end
    assert caught.value.__context__ is None
    assert store.names() == ["a"]
    assert load(store, "a", layout).equals(OLD)


@pytest.mark.parametrize("raised", [OSError(5, "disk"), MemoryError(), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("call", ["write_table", "close"])
def test_exception_of_the_writer_keeps_the_old_file(store, layout, monkeypatch, raised, call):
    WRITERS[layout](OLD, store.url("a"), storage_options=store.options)
    open_writer = _formats.open_writer

    def failing(*args):
        writer = open_writer(*args)

        class Failing:
            add_key_value_metadata = getattr(writer, "add_key_value_metadata", None)

            def write_table(self, *given):
                writer.write_table(*given)
                if call == "write_table":
                    raise raised

            def close(self):
                writer.close()
                if call == "close":
                    raise raised

        return Failing()

    monkeypatch.setattr(_write, "open_writer", failing)
    with pytest.raises(WriteError if isinstance(raised, Exception) else KeyboardInterrupt) as caught:
        WRITERS[layout](batches(3), store.url("a"), storage_options=store.options)
    assert caught.value.__context__ is None
    assert store.names() == ["a"]
    assert load(store, "a", layout).equals(OLD)


def test_invalid_file_is_not_published(local_store, layout, monkeypatch):
    WRITERS[layout](OLD, local_store.url("a"))
    read_back = _formats._read_back
    for lie, said in [(lambda n, s: (n - 1, s), "2999 of 3000 rows"), (lambda n, s: (n, SCHEMA.remove(0)), "schema")]:
        monkeypatch.setattr(_formats, "_read_back", lambda *args, lie=lie: lie(*read_back(*args)))
        with pytest.raises(WriteError, match=said):
            WRITERS[layout](batches(3), local_store.url("a"))
    assert local_store.names() == ["a"]
    assert load(local_store, "a", layout).equals(OLD)


FULL_DISK = """
import resource, sys
import numpy as np, pyarrow as pa
from explorer_frames._files import write as _write
from explorer_frames.errors import WriteError

table = pa.table({"x": np.random.default_rng(0).random(100_000)})
for write, url in zip((_write.write_parquet, _write.write_feather), sys.argv[1:], strict=True):
    resource.setrlimit(resource.RLIMIT_FSIZE, [resource.RLIM_INFINITY] * 2)
    size = write(table, "memory://full", row_group_size=10_000).bytes
    for limit in [0, 1, 100, *range(50_000, size, 250_000), size - 9000, size - 1]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            write(table, url, row_group_size=10_000)
        except WriteError as error:
            assert "Free disk space" in error.hint, error
            assert error.__context__ is None
        else:
            raise AssertionError(limit)
"""


@needs_resource
def test_full_disk_at_any_step_keeps_the_old_file(local_store):
    for layout, writer in WRITERS.items():
        writer(OLD, local_store.url(layout))
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, *map(local_store.url, WRITERS)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS, check=False)
    assert child.stderr == ""
    assert local_store.names() == sorted(WRITERS)
    for layout in WRITERS:
        assert load(local_store, layout, layout).equals(OLD)


def test_a_reader_sees_old_or_new_only(local_store):
    tables = [batches(50).read_all(), batches(80).read_all()]
    write_parquet(tables[0], local_store.url("a"))
    seen, done = [], threading.Event()

    def poll():
        while not done.is_set():
            with suppress(*[PermissionError] * WINDOWS):  # while the file is replaced
                seen.append(load(local_store, "a", "parquet").num_rows)

    reader = threading.Thread(target=poll)
    reader.start()
    try:
        for number in range(12):
            write_parquet(tables[number % 2], local_store.url("a"))
            if number >= 10:  # so that the reader reads each of the last two files
                reads = len(seen) + 2
                wait_until(lambda reads=reads: len(seen) >= reads or not reader.is_alive())
    finally:
        done.set()
        reader.join()
    assert set(seen) == {50_000, 80_000}


def test_create_refuses_before_anything_is_read(store, layout):
    WRITERS[layout](OLD, store.url("a"), mode="create", storage_options=store.options)
    reader = batches(1, end=AssertionError("was read"))
    with pytest.raises(TargetExistsError):
        WRITERS[layout](reader, store.url("a"), mode="create", storage_options=store.options)
    assert load(store, "a", layout).equals(OLD)


# Arguments


@pytest.mark.parametrize(
    ("writer", "arguments", "said"),
    [
        (write_parquet, {"mode": "append"}, "mode 'append'"),
        (write_parquet, {"compression": "zip"}, "compression 'zip'"),
        (write_feather, {"compression": "snappy"}, "compression 'snappy'"),
        (write_parquet, {"compression_level": 23}, "from -131072 to 22 for zstd, got 23"),
        (write_parquet, {"compression_level": 1.5}, "must be an integer from"),
        (write_parquet, {"compression_level": True}, "must be an integer from"),
        (write_parquet, {"compression": "snappy", "compression_level": 1}, "does not support compression_level"),
        (write_feather, {"compression": None, "compression_level": 1}, "does not support compression_level"),
        (write_parquet, {"row_group_size": 0}, "row_group_size must be a positive integer, got 0"),
        (write_parquet, {"row_group_size": True}, "row_group_size must be a positive integer, got True"),
        (write_feather, {"row_group_size": "many"}, "row_group_size must be a positive integer, got 'many'"),
        (write_parquet, {"path": "http://host/a.parquet"}, "read-only"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_read(tmp_path, writer, arguments, said):
    reader = batches(1, end=AssertionError("was read"))
    with pytest.raises(ConfigError, match=said):
        writer(reader, **({"path": tmp_path / "sub" / "a"} | arguments))
    assert listed(tmp_path) == []


@pytest.mark.parametrize("data", [None, [{"id": "a"}], "a", pd.Series([1]), pl.Series([1]), pa.chunked_array([[1]])])
def test_unsupported_table_type_is_rejected(tmp_path, data):
    with pytest.raises(ConfigError, match="data must be a table"):
        write_parquet(data, tmp_path / "a")
    assert listed(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "layout", "expected"),
    [
        ("a.parquet", None, "parquet"),
        ("a.PQ", None, "parquet"),
        ("a.feather", None, "feather"),
        ("a.arrow", None, "feather"),
        ("a.ipc", None, "feather"),
        ("a", "parquet", "parquet"),
        ("a.2026", "feather", "feather"),
    ],
)
def test_the_format_is_named_or_in_the_suffix(tmp_path, name, layout, expected):
    assert write(OLD, tmp_path / name, format=layout, mode="create").format == expected


@pytest.mark.parametrize(
    ("url", "layout"),
    [
        ("s3://u:hush@b/a", None),
        ("s3://b/a.csv?x=hush", None),
        ("a.parquet.gz", None),
        ("a.parquet", "orc"),
        (".pq", None),
    ],
)
def test_an_unknown_format_names_the_known(url, layout):
    with pytest.raises(UnsupportedFormatError, match=r"\.parquet, \.pq, \.feather, \.arrow, \.ipc") as caught:
        write(OLD, url, format=layout)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


# Cost

WRITE = """
import sys
import pyarrow.parquet
from explorer_frames._files import write as _write

for _ in players(100_000):
    pass
before = peak()
assert getattr(_write, "write_" + sys.argv[1])(players(10_000_000), sys.argv[2]).rows == 10_000_000
print(peak() - before)
"""


@pytest.mark.slow
@needs_proc_status
def test_ten_million_rows_add_less_than_100_mb(tmp_path, layout):
    assert memory_added(WRITE, layout, tmp_path / "a") < 100


def test_slice_of_a_result_is_not_complete(local_store):
    frame = pd.DataFrame({"id": ["a", "b"]})
    frame.attrs["explorer_frames"] = {"rows": 2, "complete": True, "job": "1"}
    assert write_parquet(frame, local_store.url("a")).complete is True
    part = write_parquet(frame.head(1), local_store.url("a"))
    assert part.complete is None
    assert known(part.schema) == {"complete": None, "derived": True, "job": "1"}
    assert part.schema.metadata[b"explorer_frames"].count(b'"rows": 1,') == 1


@pytest.mark.parametrize(
    "data",
    [pd.DataFrame, pa.Table, pd.DataFrame({"a": [2**70]}), pd.DataFrame(index=range(5)), 5, None, pd.Series([1])],
)
def test_invalid_table_is_rejected(local_store, data):
    with pytest.raises(ConfigError):
        write_parquet(data, local_store.url("a"))


@pytest.mark.parametrize(
    ("compression", "expected"),
    [("ZSTD", "ZSTD"), ("none", "UNCOMPRESSED"), ("None", "UNCOMPRESSED"), (None, "UNCOMPRESSED"), ("Gzip", "GZIP")],
)
def test_codecs_are_named_in_any_case(compression, expected, tmp_path):
    write_parquet(TABLE, tmp_path / "a.parquet", compression=compression, row_group_size=np.int64(2))
    column = pq.ParquetFile(tmp_path / "a.parquet").metadata.row_group(0).column(0)
    assert column.compression == expected


def test_interrupt_during_cleanup_leaves_no_files(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lines = set()

    def interrupt(frame, event, _):
        place = (frame.f_code.co_name, frame.f_lineno)
        if frame.f_code.co_name == "unlink" and place not in lines and event in ("call", "line"):
            lines.add(place)
            raise KeyboardInterrupt
        return interrupt

    for _ in range(3):
        sys.settrace(interrupt)
        try:
            with suppress(KeyboardInterrupt):
                write_parquet(TABLE, "memory://interrupted.parquet")
        finally:
            sys.settrace(None)
        assert [*tmp_path.iterdir()] == []
    assert len(lines) == 3


@pytest.mark.parametrize("url", [5, None, "", "\ud800.parquet"])
def test_invalid_address_is_rejected(url):
    with pytest.raises(ConfigError):
        write_parquet(pd.DataFrame({"a": [1]}), url)


# What breaking it found


def test_polars_categories_are_written(tmp_path, layout):
    frame = pl.DataFrame({"a": ["x", "y"], "b": ["u", "v"]}, schema={"a": pl.Categorical, "b": pl.Enum(["u", "v"])})
    WRITERS[layout](frame, tmp_path / "a")
    assert READERS[layout](tmp_path / "a").to_pydict() == {"a": ["x", "y"], "b": ["u", "v"]}


def test_categories_that_do_not_fit_one_dictionary_are_written_as_values(tmp_path, layout):
    def part(first):
        return pa.Table.from_pandas(pd.DataFrame({"c": pd.Categorical([f"v{first + i}" for i in range(100)])}))

    WRITERS[layout](pa.concat_tables([part(0), part(100)]), tmp_path / "a")
    assert READERS[layout](tmp_path / "a")["c"].to_pylist() == [f"v{i}" for i in range(200)]


def test_two_columns_of_one_name_are_refused(tmp_path, layout):
    with pytest.raises(ConfigError, match="duplicate column name 'a'"):
        WRITERS[layout](pa.table([[1], [2]], names=["a", "a"]), tmp_path / "a")
    assert listed(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": 5}, "unsupported format 5"),
        ({"format": ""}, "format ''"),
        ({"format": ["parquet"]}, "unsupported format"),
        ({"explorer": "http://x"}, "explorer must be an Explorer"),
        ({"allow_incomplete": "no"}, "allow_incomplete must be True or False"),
    ],
)
def test_invalid_export_options_are_rejected(sandbox, explorer, tmp_path, options, said):
    job, task = sandbox.add_result([["a"], ["0.5"]])
    with pytest.raises((ConfigError, UnsupportedFormatError), match=said):
        export_sample_result(job, task, tmp_path / "a.parquet", **{"explorer": explorer, **options})
    assert listed(tmp_path) == []


def test_an_option_that_does_not_exist_is_a_type_error(sandbox, explorer, tmp_path):
    job, task = sandbox.add_result([["a"], ["0.5"]])
    (tmp_path / "a.csv").write_text("a,0.5\n")
    found = explorer.job(job).task(task)
    target = tmp_path / "a.parquet"
    calls = [
        lambda: export_sample_result(job, task, target, compresion="zstd", explorer=explorer),
        lambda: explorer.export_sample_result(job, task, target, compresion="zstd"),
        lambda: found.export(target, compresion="zstd"),
        lambda: found.export_output(tmp_path, target, folder="{task_id}", compresion="zstd"),
        lambda: export_output(tmp_path / "a.csv", target, compresion="zstd"),
        lambda: found.read(compresion="zstd"),
        lambda: found.read_output(tmp_path, compresion="zstd"),
        lambda: explorer.job(job).read(compresion="zstd"),
        lambda: explorer.history(1, compresion="zstd"),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"unexpected keyword argument 'compresion'"):
            call()
    assert listed(tmp_path) == ["a.csv"]


@pytest.mark.skipif(WINDOWS, reason="Windows cannot remove a working directory")
def test_deleted_working_directory_is_reported(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="working directory does not exist"):
        write_parquet(OLD, "a.parquet")
    monkeypatch.chdir(tmp_path)
