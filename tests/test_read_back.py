"""What we write and lend is read by others: DuckDB, Polars, pandas and pyarrow's datasets, by each one's own means."""

from __future__ import annotations

import json
import math
from functools import cache

import duckdb
import fsspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from nasty import NASTY

from explorer_frames._files.write import write_feather, write_parquet
from explorer_frames._frames import to_pandas

pytest_plugins = ["storage"]

DOCUMENT = {"job_id": "1", "complete": True, "note": "gr\u00fc\u00dfe"}
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("score", pa.float64()),
        ("count", pa.int64()),
        ("path", pa.list_(pa.string())),
        ("embedding", pa.list_(pa.float64())),
    ],
    metadata={"explorer_frames": json.dumps(DOCUMENT, ensure_ascii=False)},
)
SPECIAL = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 0.1, None]
COUNTS = [2**53 + 1, -(2**63), 2**63 - 1, 0]
BACKENDS = [None, "numpy_nullable", "pyarrow"]
DUCKDB_TYPES = ["VARCHAR", "DOUBLE", "BIGINT", "VARCHAR[]", "DOUBLE[]"]
POLARS_TYPES = [pl.String, pl.Float64, pl.Int64, pl.List(pl.String), pl.List(pl.Float64)]


@cache
def table_of(rows):
    ids = [NASTY[i] if i < len(NASTY) else f"player{i}" for i in range(rows)]
    scores = [SPECIAL[i % len(SPECIAL)] for i in range(rows)]
    counts = [COUNTS[i % len(COUNTS)] for i in range(rows)]
    paths = [[ids[i], "b"] if i % 2 else [] for i in range(rows)]
    embeddings = [[scores[i] or 0.0, 1.5] if i % 3 else [] for i in range(rows)]
    columns = [ids, scores, counts, paths, embeddings]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


SOME, MANY, GROUP = len(NASTY) + 5, 250, 100  # rows; MANY is written in three row groups
ROWS = [0, 1, MANY]


def exactly(value):
    """A cell, comparable: NaN is itself, -0.0 is not 0.0, what is missing is None, however it is spelled."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [exactly(one) for one in value]
    if value is None or value is pd.NA:
        return None
    return value.hex() if isinstance(value, float) else value


def without_nan(value):
    return [without_nan(one) for one in value] if isinstance(value, list) else None if value == "nan" else value


def assert_same(table, names, columns, *, nan_is_missing=False):
    assert list(names) == table.schema.names
    for name, column in zip(names, columns, strict=True):
        values = column.tolist() if hasattr(column, "tolist") else list(column)
        assert len(values) == table.num_rows
        found = [exactly(value) for value in values]
        wanted = [exactly(value) for value in table[name].to_pylist()]
        assert (without_nan(found) == without_nan(wanted)) if nan_is_missing else (found == wanted), name


def duckdb_columns(relation):
    return list(zip(*relation.fetchall(), strict=True)) or [[] for _ in relation.columns]


@pytest.fixture(params=ROWS)
def table(request):
    return table_of(request.param)


@pytest.fixture
def parquet(tmp_path, table):
    path = str(tmp_path / "a.parquet")
    write_parquet(table, path, row_group_size=GROUP)
    assert table.num_rows != MANY or pq.ParquetFile(path).num_row_groups == 3
    return path


@pytest.fixture
def feather(tmp_path, table):
    path = str(tmp_path / "a.feather")
    write_feather(table, path, row_group_size=GROUP)
    with pa.ipc.open_file(path) as file:
        assert table.num_rows != MANY or file.num_record_batches == 3
    return path


# Parquet


def test_duckdb_reads_parquet(parquet, table):
    with duckdb.connect() as connection:
        relation = connection.sql(f"from read_parquet('{parquet}')")
        assert [str(kind) for kind in relation.types] == DUCKDB_TYPES
        assert_same(table, relation.columns, duckdb_columns(relation))
        found = connection.sql(
            f"select decode(value) from parquet_kv_metadata('{parquet}') where key = 'explorer_frames'"
        )
        assert json.loads(found.fetchall()[0][0]).items() >= DOCUMENT.items()


@pytest.mark.parametrize("read", [pl.read_parquet, lambda path: pl.scan_parquet(path).collect()], ids=["read", "scan"])
def test_polars_reads_parquet(parquet, table, read):
    frame = read(parquet)
    assert frame.dtypes == POLARS_TYPES
    assert_same(table, frame.columns, [frame[name].to_list() for name in frame.columns])
    assert json.loads(pl.read_parquet_metadata(parquet)["explorer_frames"]).items() >= DOCUMENT.items()


def test_pyarrow_datasets_read_parquet(parquet, table):
    dataset = pa.dataset.dataset(parquet)
    assert_same(table, dataset.schema.names, columns_by_name(dataset.to_table(use_threads=False)))
    assert dataset.schema.types == table.schema.types
    assert json.loads(dataset.schema.metadata[b"explorer_frames"]).items() >= DOCUMENT.items()


def columns_by_name(table):
    return [column.to_pylist() for column in table.columns]


def pandas_dtypes(backend):
    lists = [pd.ArrowDtype(field.type) for field in list(SCHEMA)[3:]]
    return {
        None: [pd.Series([], dtype="str").dtype, "float64", "int64", "object", "object"],
        "numpy_nullable": [pd.StringDtype(), pd.Float64Dtype(), pd.Int64Dtype(), "object", "object"],
        "pyarrow": [*(pd.ArrowDtype(kind) for kind in (pa.string(), pa.float64(), pa.int64())), *lists],
    }[backend]


READERS = {"parquet": pd.read_parquet, "feather": pd.read_feather}


@pytest.mark.parametrize("layout", READERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_pandas_reads_both(layout, backend, table, request):
    frame = READERS[layout](request.getfixturevalue(layout), **({"dtype_backend": backend} if backend else {}))
    for name, found, wanted in zip(frame.columns, frame.dtypes, pandas_dtypes(backend), strict=True):
        if name == "id" and backend is None:
            assert pd.api.types.is_string_dtype(found)  # pandas 2 has objects there
        else:
            assert found == wanted, name
    assert_same(table, frame.columns, [frame[name] for name in frame.columns], nan_is_missing=True)


@pytest.mark.parametrize("layout", READERS)
@pytest.mark.parametrize("written", BACKENDS)
@pytest.mark.parametrize("read", BACKENDS)
def test_a_frame_of_any_backend_comes_back_with_its_attrs(tmp_path, layout, written, read):
    table = table_of(SOME)
    frame = to_pandas(table, written)
    path = tmp_path / "a"
    {"parquet": write_parquet, "feather": write_feather}[layout](frame, path)
    back = READERS[layout](path, **({"dtype_backend": read} if read else {}))
    assert_same(table, back.columns, [back[name] for name in back.columns], nan_is_missing=True)
    if int(pa.__version__.partition(".")[0]) >= 20:  # older ones do not hand attrs back to pandas
        assert back.attrs == {"explorer_frames": {**DOCUMENT}}


# Feather


@pytest.mark.parametrize("read", [pl.read_ipc, lambda path: pl.scan_ipc(path).collect()], ids=["read", "scan"])
def test_polars_reads_feather(feather, table, read):
    frame = read(feather)
    assert frame.dtypes == POLARS_TYPES
    assert_same(table, frame.columns, [frame[name].to_list() for name in frame.columns])


def test_duckdb_reads_feather_through_pyarrow(feather, table):
    dataset = pa.dataset.dataset(feather, format="feather")
    assert json.loads(dataset.schema.metadata[b"explorer_frames"]).items() >= DOCUMENT.items()
    with duckdb.connect() as connection:
        relation = connection.from_arrow(dataset)
        assert [str(kind) for kind in relation.types] == DUCKDB_TYPES
        assert_same(table, relation.columns, duckdb_columns(relation))


def test_pyarrow_datasets_read_feather(feather, table):
    found = pa.dataset.dataset(feather, format="feather").to_table()
    assert found.schema.equals(table.schema)
    assert json.loads(found.schema.metadata[b"explorer_frames"]).items() >= DOCUMENT.items()
    assert_same(table, found.schema.names, columns_by_name(found))


# From S3, with each one's own client or through fsspec


@pytest.fixture
def on_s3(s3_store):
    table = table_of(SOME)
    write_parquet(table, s3_store.url("a.parquet"), storage_options=s3_store.options)
    write_feather(table, s3_store.url("a.feather"), storage_options=s3_store.options)
    return s3_store, table


def test_duckdb_reads_from_s3_through_fsspec(on_s3):
    store, table = on_s3
    with duckdb.connect() as connection:
        connection.register_filesystem(fsspec.filesystem("s3", **store.options))
        relation = connection.sql(f"from read_parquet('{store.url('a.parquet')}')")
        assert_same(table, relation.columns, duckdb_columns(relation))


def test_polars_reads_from_s3_with_its_own_client(on_s3):
    store, table = on_s3
    options = {
        "aws_access_key_id": store.options["key"],
        "aws_secret_access_key": store.options["secret"],
        "aws_endpoint_url": store.options["endpoint_url"],
        "aws_region": "us-east-1",
        "aws_allow_http": "true",
    }
    for scan, name in [(pl.scan_parquet, "a.parquet"), (pl.scan_ipc, "a.feather")]:
        frame = scan(store.url(name), storage_options=options).collect()
        assert_same(table, frame.columns, [frame[name].to_list() for name in frame.columns])


@pytest.mark.parametrize(("read", "name"), [(pd.read_parquet, "a.parquet"), (pd.read_feather, "a.feather")])
def test_pandas_reads_from_s3_through_fsspec(on_s3, read, name):
    store, table = on_s3
    frame = read(store.url(name), storage_options=store.options)
    assert_same(table, frame.columns, [frame[name] for name in frame.columns], nan_is_missing=True)


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
def test_pyarrow_datasets_read_from_s3_with_arrows_own_client(on_s3, name):
    from pyarrow.fs import S3FileSystem

    store, table = on_s3
    scheme, _, host = store.options["endpoint_url"].partition("://")
    filesystem = S3FileSystem(
        access_key=store.options["key"],
        secret_key=store.options["secret"],
        endpoint_override=host,
        scheme=scheme,
        region="us-east-1",
    )
    path = store.url(name).removeprefix("s3://")
    found = pa.dataset.dataset(path, filesystem=filesystem, format=name.partition(".")[2]).to_table()
    assert_same(table, found.schema.names, columns_by_name(found))


# What a server sent, exported or handed over


NUMBERS = [0.1, 1e-300, 5e-324, -0.0, math.inf, math.nan] * 20


@pytest.fixture
def result(sandbox):
    ids = [one for one in NASTY if len(one) < 1000]
    scores = [repr(NUMBERS[place]) for place in range(len(ids))]
    job, task = sandbox.add_result([ids, scores])
    schema = pa.schema([("id", pa.string()), ("score", pa.float64())])
    return job, task, pa.table({"id": ids, "score": [float(one) for one in scores]}, schema=schema)


@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_an_exported_result_is_read_by_all(explorer, result, tmp_path, suffix):
    job, task, table = result
    path = tmp_path / f"a.{suffix}"
    explorer.export_sample_result(job, task, path)
    frame = READERS[suffix](path)
    assert_same(table, frame.columns, [frame[name] for name in frame.columns])
    polars = {"parquet": pl.read_parquet, "feather": pl.read_ipc}[suffix](path)
    assert_same(table, polars.columns, [polars[name].to_list() for name in polars.columns])
    dataset = pa.dataset.dataset(path, format=suffix)
    with duckdb.connect() as connection:
        relation = connection.from_arrow(dataset)
        assert_same(table, relation.columns, duckdb_columns(relation))
    assert json.loads(dataset.schema.metadata[b"explorer_frames"])["complete"] is True


class OnlyTheStream:
    """An object with the Arrow PyCapsule method, and nothing else that a reader could know it by."""

    def __init__(self, source):
        self.__arrow_c_stream__ = source.__arrow_c_stream__
        type(self).__arrow_c_stream__ = lambda _, requested=None: source.__arrow_c_stream__(requested)


def polars_takes(source):
    frame = pl.DataFrame(source)
    assert frame.dtypes == [pl.String, pl.Float64]
    return frame.columns, [frame[name].to_list() for name in frame.columns]


def duckdb_scans(source):
    with duckdb.connect() as connection:
        relation = connection.sql("select * from source")  # finds the variable by its name
        assert [str(kind) for kind in relation.types] == ["VARCHAR", "DOUBLE"]
        return relation.columns, duckdb_columns(relation)


def duckdb_takes(source):
    with duckdb.connect() as connection:
        relation = connection.from_arrow(source)
        return relation.columns, duckdb_columns(relation)


def pandas_takes(source):
    frame = pd.DataFrame.from_arrow(source)
    assert pd.api.types.is_string_dtype(frame["id"])
    return frame.columns, [frame[name] for name in frame.columns]


def pyarrow_takes(source):
    table = pa.table(source)
    return table.schema.names, columns_by_name(table)


TAKERS = [polars_takes, duckdb_scans, duckdb_takes, pandas_takes, pyarrow_takes]


@pytest.mark.parametrize("take", TAKERS, ids=lambda take: take.__name__)
@pytest.mark.parametrize("kind", ["table", "reader"])
@pytest.mark.parametrize("wrap", [lambda source: source, OnlyTheStream], ids=["itself", "its stream"])
def test_results_go_straight_into_other_libraries(explorer, result, take, kind, wrap):
    if take is pandas_takes and not hasattr(pd.DataFrame, "from_arrow"):
        pytest.skip("pandas reads Arrow streams since 3.0")
    job, task, table = result
    if kind == "table":
        names, columns = take(wrap(explorer.read_sample_result_arrow(job, task, limit=None)))
    else:
        with explorer.open_sample_result(job, task, limit=None) as reader:
            names, columns = take(wrap(reader))
    assert_same(table, names, columns)
