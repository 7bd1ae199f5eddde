"""Lakes: what sync writes is read whole and typed by every engine, by the lines of the how-to, and by read_lake."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from lakes import NAMES, Lake, check, lines, ordered, rows_of, run_line

from explorer_frames import Explorer, lake_dataset, read_lake, schemas
from explorer_frames._storage.address import invalid_on_windows
from explorer_frames._sync.names import case_key, file_name, is_result, record_name, safe_name
from explorer_frames.errors import ConfigError, FileReadError

pytest_plugins = ["storage"]

FAST = ["pandas", "pyarrow", "polars", "DuckDB", "Dask"]
HIVE = ds.partitioning(pa.schema([("end_date", pa.date32()), ("job_id", pa.string())]), flavor="hive")


LAKES = {
    "names": ("string", [*NAMES, "ShortestPath", "Query"]),
    "all": ("string", None),
    "int64": ("int64", [one.name for one in schemas.ALGORITHMS]),
}


@pytest.fixture(
    scope="module", params=["names", *(pytest.param(one, marks=pytest.mark.slow) for one in ("all", "int64"))]
)
def lake(request, sandbox, tmp_path_factory):
    return Lake(sandbox, f"{tmp_path_factory.mktemp(request.param)}/lake", *LAKES[request.param])


@pytest.fixture(scope="module")
def daily(sandbox, tmp_path_factory):
    names = [*NAMES[:8], "ShortestPath", "Query"]
    return Lake(sandbox, f"{tmp_path_factory.mktemp('daily')}/lake", names=names, partition_by=["end_date", "job_id"])


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # Dask
@pytest.mark.parametrize("engine", FAST)
def test_each_engine_reads_each_task_by_the_line_of_the_how_to(engine, lake):
    code = lines(0)[engine]
    check(lake, lambda url: run_line(code, "s3://lake/graph/PageRank", url))


@pytest.mark.lake
def test_deltalake_converts_each_task_by_the_line_of_the_how_to(sandbox, tmp_path):
    import deltalake

    lake = Lake(sandbox, f"{tmp_path}/lake")

    def read(url):
        run_line(lines(0)["deltalake"], "s3://lake/graph/PageRank", url)
        return deltalake.DeltaTable(url).to_pyarrow_table()

    check(lake, read)


@pytest.mark.etl
@pytest.mark.filterwarnings("ignore:Series.values")  # awswrangler
def test_awswrangler_reads_each_task_by_the_line_of_the_how_to(sandbox, s3_store, monkeypatch):
    pytest.importorskip("awswrangler")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3_store.options["key"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3_store.options["secret"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_store.options["endpoint_url"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    lake = Lake(sandbox, s3_store.url("lake"), storage_options=s3_store.options)
    check(lake, lambda url: run_line(lines(0)["awswrangler"], "s3://lake/graph/PageRank", url))


@pytest.mark.parametrize("engine", ["pandas", "pyarrow", "polars", "DuckDB"])
def test_each_engine_reads_partitions_by_the_line_of_the_how_to(engine, daily):
    code = lines(1)[engine]
    for name, folder in daily.folders.items():
        found = rows_of(run_line(code, "s3://lake/daily/PageRank", f"{daily.url}/{folder}", hive=HIVE))
        assert repr(found) == repr(with_dates(daily.expected[name])), name


def with_dates(rows) -> list:
    """Move the columns that are folders to the end."""
    moved = []
    for row in map(dict, rows):
        job = row.pop("job_id")
        date = datetime.fromtimestamp(row["end_time"] / 1e6, UTC).date()
        moved.append({**row, "end_date": date, "job_id": job})
    return ordered(moved)


# --- read_lake and lake_dataset


def test_read_lake_takes_the_name_of_each_task_as_it_is_typed(lake):
    for name, expected in lake.expected.items():
        assert repr(rows_of(read_lake(lake.url, name))) == repr(expected), name


def test_read_lake_reads_partitions_with_their_types(daily):
    for name, rows in daily.expected.items():
        assert repr(rows_of(read_lake(daily.url, name))) == repr(with_dates(rows)), name
        dataset = lake_dataset(daily.url, name)
        assert dataset.schema.names[-2:] == ["end_date", "job_id"]
        assert dataset.schema.types[-2:] == [pa.date32(), pa.string()]
        assert repr(rows_of(dataset.to_table())) == repr(with_dates(rows)), name


def test_read_lake_from_any_store_in_either_format(store, sandbox):
    options = {"storage_options": store.options} if store.options else {}
    names = ["x/y=z", "ShortestPath", "gr\u00fc\u00dfe \u4e2d"]
    for layout in ("parquet", "feather"):
        lake = Lake(sandbox, store.url(f"{layout}/lake"), names=names, format=layout, make_parents=True, **options)
        for name in names:
            assert repr(rows_of(read_lake(lake.url, name, **options))) == repr(lake.expected[name]), name


def test_read_lake_selects_columns_and_rows(lake):
    whole = read_lake(lake.url, "PageRank")
    job = whole["job_id"].max()
    one = read_lake(f"{lake.url}/", "PageRank", columns=["score", "job_id"], filter=pc.field("job_id") == job)
    assert one.columns.tolist() == ["score", "job_id"]
    assert one["job_id"].tolist() == [job] * 3
    recent = read_lake(
        lake.url, "PageRank", filter=pc.field("end_time") > pc.scalar(whole["end_time"].max().to_pydatetime())
    )
    assert len(recent) == 0
    assert recent.dtypes.equals(whole.dtypes)
    assert str(whole["end_time"].dtype) == "datetime64[us, UTC]"
    assert str(read_lake(lake.url, "PageRank", dtype_backend="pyarrow")["job_id"].dtype) == "string[pyarrow]"
    with pytest.raises(ConfigError, match="no column 'scores'") as caught:
        read_lake(lake.url, "PageRank", columns=["scores"])
    assert "id, score" in caught.value.hint
    with pytest.raises(ConfigError, match="dtype_backend"):
        read_lake(lake.url, "PageRank", dtype_backend="numpy")


def test_statistics_let_engines_skip_files(lake):
    fragments = list(lake_dataset(lake.url, "PageRank").get_fragments())
    last = max(pq.ParquetFile(one.path).read()["end_time"][0].as_py() for one in fragments)
    kept = [one for one in fragments if one.subset(pc.field("end_time") == pa.scalar(last)).row_groups]
    assert len(fragments) == 2
    assert len(kept) == 1


def test_a_wrong_name_lists_similar_ones(lake):
    for read in (read_lake, lake_dataset):
        for name in ("Pagernak", "PAGERANK"):
            with pytest.raises(ConfigError, match="the lake has no task") as caught:
                read(lake.url, name)
            assert "Did you mean 'PageRank'" in caught.value.hint
        for name in ("", None, "no such"):
            if name not in lake.expected:
                with pytest.raises(ConfigError, match="the lake has no task") as caught:
                    read(lake.url, name)
                assert caught.value.hint.startswith(f"There are {len(lake.expected)} tasks: '")


def test_a_filter_that_does_not_fit_names_its_column(lake):
    for test, what in (
        (pc.field("jobid") == "1", r"task 'PageRank' has no column 'jobid'"),
        (pc.field("job_id") == 1, r"filter \(job_id == 1\): "),
        ([("job_id", "==", "1")], r"filter \[\('job_id', '==', '1'\)\]: "),
    ):
        with pytest.raises(ConfigError, match=what) as caught:
            read_lake(lake.url, "PageRank", columns=["id"], filter=test)
        assert "job_id" in caught.value.hint
    with pytest.raises(ConfigError, match="with columns 5 and"):
        read_lake(lake.url, "PageRank", columns=5)
    assert read_lake(lake.url, "PageRank", columns=["id"], filter=pc.field("job_id") == "none").columns.tolist() == [
        "id"
    ]


def test_folder_that_is_not_a_lake_is_rejected(tmp_path, lake, s3_store):
    for url in (tmp_path, tmp_path / "nowhere", f"{lake.url}/PageRank", "memory://nowhere"):
        with pytest.raises(FileReadError, match="no lake found") as caught:
            read_lake(url, "PageRank")
        assert "whole lake" in caught.value.hint
    with pytest.raises(FileReadError) as caught:
        read_lake(s3_store.url("lake"), "PageRank", storage_options={**s3_store.options, "key": "canary-wrong"})
    assert "canary" not in str(caught.value)


def test_a_damaged_file_is_an_error_that_names_it(sandbox, tmp_path):
    lake = Lake(sandbox, f"{tmp_path}/lake", names=["PageRank"])
    [first, _] = sorted((tmp_path / "lake" / "PageRank").iterdir())
    first.write_bytes(bytes(first.stat().st_size))
    with pytest.raises(FileReadError, match=first.name):
        read_lake(lake.url, "PageRank")


def test_a_task_whose_files_were_moved_away_has_no_rows(sandbox, tmp_path):
    lake = Lake(sandbox, f"{tmp_path}/lake", names=["PageRank"])
    whole = read_lake(lake.url, "PageRank")
    for file in (tmp_path / "lake" / "PageRank").iterdir():
        file.unlink()
    assert read_lake(lake.url, "PageRank").dtypes.to_dict() == whole.dtypes.to_dict()
    (tmp_path / "lake" / "PageRank").rmdir()
    assert len(read_lake(lake.url, "PageRank")) == lake_dataset(lake.url, "PageRank").count_rows() == 0


def test_the_columns_of_the_run_need_no_room(sandbox, tmp_path):
    sandbox._added = None
    ids = [f"v{number * 7919 % 100_003}" for number in range(100_001)]
    job, task = sandbox.add_result([ids, ["0.5"] * len(ids)])
    with Explorer(sandbox.url, token=sandbox.token) as explorer:
        alone = explorer.export_sample_result(job, task, tmp_path / "alone.parquet")
        [part] = explorer.sync_workflow(sandbox.workflows["results"], tmp_path / "lake", progress=False).written
    assert alone.bytes < part.bytes < alone.bytes + 3000


# --- names of folders


def test_names_of_folders_suit_every_file_system():
    names = [
        *NAMES,
        "\u00c9" * 120,
        "e\u0301" * 200,
        "a" * 200,
        "a" * 201,
        "\u4e2d" * 67,
        "nul.tar.gz",
        "COM\u00b9",
        ".",
        " ",
        "-x",
        "\u0301",
    ]
    folders = [safe_name(name) for name in names]
    assert len(set(folders)) == len(set(names))
    for name, folder in zip(names, folders, strict=True):
        assert len(folder.encode()) <= 230
        assert len(case_key(folder).encode()) < 1000
        assert invalid_on_windows(folder) is None
        assert not folder.startswith((".", "_", " "))
        assert not set(folder) & set("/\\:*?\"<>|%=#{}[]$,'&+~\n\t")
        assert safe_name(folder) == folder, "the name of a folder is a name of its own"
        assert safe_name(name, distinct=True) != name
    plain = [
        "PageRank",
        "007",
        "2026-01-01",
        "My Task",
        "gr\u00fc\u00dfe \u4e2d",
        "\u0939\u093f\u0928\u094d\u0926\u0940",
        "a.b-c_d",
        "a" * 200,
    ]
    assert [safe_name(name) for name in plain] == plain


def test_names_of_files_are_seen_by_readers_and_known_again():
    for job in ("1", "_job", ".job", "a.", "J" * 128, "NUL"):
        name = file_name(job, "task", "parquet")
        assert is_result(f"PageRank/{name}")
        assert is_result(f"PageRank/end_date=2026-01-01/job_id={job}/{name}")
        assert not name.startswith((".", "_"))
        assert not record_name(job).removeprefix("_runs/").startswith((".", "_"))
        assert len({file_name(job, task, "parquet") for task in ("a", "b")}) == 2
    for name in ("PageRank/report.parquet", "1-0123456789abcdef.parquet", "PageRank/.1-0123456789abcdef.parquet.1.tmp"):
        assert not is_result(name)
