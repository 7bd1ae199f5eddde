"""Spark's sources, by a real Spark in local mode: the same values, errors with our words, nothing half written."""

from __future__ import annotations

import doctest
import gzip
import importlib.util
import os
import shutil
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import pandas as pd
import pyarrow as pa
import pytest
from examples import EXAMPLES
from lakes import NAMES, Lake, check, lines, run_line

import explorer_frames
from explorer_frames import read_output, read_output_arrow, read_sample_result_arrow
from explorer_frames._frames import to_pandas
from explorer_frames._outputs.full import Request
from explorer_frames.errors import ConfigError, DecodeError
from explorer_frames.sandbox import Sandbox

pytestmark = pytest.mark.spark

PARTS = {
    "part-00000.csv": "VID,VALUE\nplayer100,0.25\n007,0.5\n",
    "part-00001.csv": "VID,VALUE\n",
    "part-00002.csv.gz": 'VID,VALUE\n"a ""b"",\nc",nan\nNA,1e-3\n\u00e9\U0001f600,inf\n',
    "part-00003.csv": "",
    "_SUCCESS": "",
}


def _missing() -> str | None:
    if importlib.util.find_spec("pyspark") is None:
        return "no pyspark: install the extras sandbox and spark and the group pytest"
    java = Path(os.environ.get("JAVA_HOME", "/nowhere"), "bin", "java")
    return None if java.exists() or shutil.which("java") else "no Java on the PATH, and none in JAVA_HOME"


@pytest.fixture(scope="module")
def spark(sandbox, tmp_path_factory):
    missing = _missing()
    if missing and os.environ.get("EXPLORER_FRAMES_REQUIRE_SPARK") == "1":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    from pyspark.sql import SparkSession

    from explorer_frames.spark import register

    root = Path(explorer_frames.__file__).parent.parent
    environment = {
        **sandbox.environment,
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": f"{root}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
    }
    with patch.dict(os.environ, environment):  # Java and the workers inherit it
        session = SparkSession.builder.master("local[2]").config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    register(session)
    yield session
    session.stop()


@pytest.fixture(autouse=True)
def _environment(sandbox, _clean_environment, monkeypatch):
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def jobs(sandbox):
    """A job of each workflow, with all the algorithms."""
    with explorer_frames.Explorer(
        sandbox.url, user=sandbox.user, password=sandbox.password, graphd=sandbox.graphd
    ) as explorer:
        started = {name: explorer.run_workflow(sandbox.workflows[name]) for name in ("karate", "lesmis")}
        yield {name: job.wait(progress=False) for name, job in started.items()}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "output"
    path.mkdir()
    for name, text in PARTS.items():
        data = text.encode()
        (path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def load(spark, kind: str, columns: str | None = None, **options: object):
    reader = spark.read.format(kind).options(**options)
    return (reader.schema(columns) if columns else reader).load()


def output(spark, path: object, **options: object):
    return load(spark, "explorer_output", **({"path": str(path), "schema": "pagerank"} | options))


def assert_same(frame, table: pa.Table) -> None:
    """The same columns, types and rows in the same order, to the last bit; NaN is NaN."""
    found = frame.toArrow()
    assert found.schema.names == table.schema.names
    assert list(map(str, found.schema.types)) == [str(kind).replace("item", "element") for kind in table.schema.types]
    same = [column.cast(kind) for column, kind in zip(found.columns, table.schema.types, strict=True)]
    frames = (to_pandas(part.combine_chunks()) for part in (pa.table(same, names=table.schema.names), table))
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def failure(frame) -> str:
    """What Spark says of a query that fails."""
    from py4j.protocol import Py4JJavaError
    from pyspark.errors import PySparkException

    with pytest.raises((PySparkException, Py4JJavaError)) as caught:
        frame() if callable(frame) else frame.toArrow()
    return str(caught.value)


# --- samples


@pytest.mark.parametrize(("name", "vid_type"), [("karate", "int64"), ("lesmis", "string")])
def test_every_task_of_a_workflow_equals_pandas(spark, jobs, name, vid_type):
    options = {"schema": "auto", "vid_type": vid_type}
    alike: dict[str, dict[str, pa.Table]] = {}
    for task in jobs[name].tasks:
        table = read_sample_result_arrow(task.job_id, task.task_id, None, **options).replace_schema_metadata()
        assert table.num_rows > 0
        alike.setdefault(str(table.schema), {})[task.task_id] = table
    assert sum(map(len, alike.values())) > 15
    for tables in alike.values():
        frame = load(spark, "explorer", job_id=jobs[name].job_id, task_id=",".join(tables), **options)
        whose = [pa.array([task] * table.num_rows, pa.string()) for task, table in tables.items()]
        named = [table.add_column(0, "task_id", column) for (table, column) in zip(tables.values(), whose, strict=True)]
        assert_same(frame, pa.concat_tables(named if len(tables) > 1 else tables.values()))
        assert frame.rdd.getNumPartitions() == len(tables)


def test_ids_are_unchanged(spark, sandbox):
    ids = ["007", "", " ", "NA", "null", '"', "\\", "a,b\n", "\u0000", "\u00e9", "e\u0301", "\U0001f600", "\u2028"]
    job, task = sandbox.add_result([ids, ["0.1"] * len(ids)])
    rows = load(spark, "explorer", job_id=job, task_id=task).select("id").collect()
    assert [row.id for row in rows] == ids


def test_custom_columns_are_converted_to_a_spark_schema(spark, sandbox):
    job, task = sandbox.add_result([["1", "2"], ["3", "4"], ["5", "6"]])
    other = sandbox.add_result([["7"], ["8"], ["9"]], job_id=job)[1]
    frame = load(spark, "explorer", "a int, b array<float>", job_id=job, task_id=task)
    assert [tuple(row) for row in frame.collect()] == [(1, [3, 5]), (2, [4, 6])]
    both = {"job_id": job, "task_id": f"{task},{other}"}
    frame = load(spark, "explorer", "task_id string, a string, b string, c bigint", **both)
    assert [tuple(row) for row in frame.collect()] == [(task, "1", "3", 5), (task, "2", "4", 6), (other, "7", "8", 9)]
    assert "first column of the schema" in failure(load(spark, "explorer", "a int, b array<float>", **both))


OWN = "flag boolean, day date, at timestamp_ntz, zoned timestamp, price decimal(10,2), times array<timestamp>"


def test_columns_of_other_types(spark, sandbox, tmp_path):
    rows = [
        [
            "true",
            "2026-11-29",
            "2026-11-29T10:00:00.000001",
            "2026-11-29T10:00:00+08:00",
            "1.5",
            "2026-11-29T10:00:00Z",
        ],
        ["False", "0001-01-01", "2026-11-29 10:00:00", "1969-12-31T23:59:59Z", "-0.01", "2026-11-29T10:00:00Z"],
    ]
    job, task = sandbox.add_result(list(zip(*rows, strict=True)))
    path = tmp_path / "part.csv"
    path.write_text("".join(f"{','.join(row)}\n" for row in rows))
    ten = datetime(2026, 11, 29, 10, tzinfo=UTC)
    sample = load(spark, "explorer", OWN, job_id=job, task_id=task)
    for frame in (sample, load(spark, "explorer_output", OWN, path=str(path))):
        table = frame.toArrow()
        assert table["flag"].to_pylist() == [True, False]
        assert table["day"].to_pylist() == [date(2026, 11, 29), date.min]
        assert table["at"].to_pylist() == [datetime(2026, 11, 29, 10, 0, 0, 1), datetime(2026, 11, 29, 10)]
        assert table["zoned"].to_pylist() == [ten.replace(hour=2), datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)]
        assert table["price"].to_pylist() == [Decimal("1.50"), Decimal("-0.01")]
        assert table["times"].to_pylist() == [[ten], [ten]]
    refused = failure(load(spark, "explorer", OWN.replace("boolean", "date"), job_id=job, task_id=task))
    assert "row 0, column 'flag': cannot convert 'true' to date32" in refused
    assert "unsupported type binary" in failure(
        load(spark, "explorer", OWN.replace("boolean", "binary"), job_id=job, task_id=task)
    )


def test_the_example_of_the_how_to_page(spark, jobs, tmp_path, capsys):
    job = jobs["lesmis"]
    task = next(task for task in job.tasks if task.name == "PageRank")
    (tmp_path / "part-00000.csv").write_text("Valjean,0.07543\nNobody,0.5\n")
    code = (EXAMPLES / "spark_outputs.py").read_text(encoding="utf-8")
    for shown, real in {
        "hdfs://lake/outputs/107/a8f026f2": tmp_path,
        '"107"': repr(job.job_id),
        '"a8f026f2"': repr(task.task_id),
    }.items():
        assert shown in code
        code = code.replace(shown, str(real))
    exec(compile(code, "spark_outputs.py", "exec"), {})
    shown = capsys.readouterr().out
    assert "Nobody" in shown
    assert "Valjean" not in shown


def test_a_limit_is_of_each_task(spark, jobs):
    tasks = ",".join(task.task_id for task in jobs["lesmis"].tasks if task.name.startswith(("PageRank", "Betweenness")))
    frame = load(spark, "explorer", job_id=jobs["lesmis"].job_id, task_id=tasks, limit=3)
    assert [row["count"] for row in frame.groupBy("task_id").count().collect()] == [3, 3]


def test_loading_sends_only_the_requests_that_the_schema_needs(spark, sandbox, jobs):
    for algorithm, options, requests in (
        ("PageRank", {"schema": "pagerank"}, 0),
        ("PageRank", {}, 2),
        ("PageRank", {"schema": "auto"}, 2),
        ("Louvain", {"schema": "louvain"}, 2),
    ):
        task = next(task for task in jobs["karate"].tasks if task.name == algorithm)
        before = len(sandbox.requests)
        load(spark, "explorer", job_id=task.job_id, task_id=task.task_id, **options)
        asked = [record.path for record in sandbox.requests[before:] if "connect" not in record.path]
        assert len(asked) == requests
        assert all("limit=100" in path for path in asked if "sample_result" in path)


def test_the_default_schema_is_that_of_the_tasks_name(spark, jobs):
    job = jobs["karate"]
    for task in job.tasks:
        frame = load(spark, "explorer", job_id=job.job_id, task_id=task.task_id)
        assert frame.columns == list(task.read().columns), task.name


def test_tasks_of_different_columns_have_all_of_them(spark, sandbox):
    job, pagerank = sandbox.add_result([["a", "b"], ["0.5", "0.25"]])
    _, query = sandbox.add_result([["x"], ["1"], ["true"]], "Query", job_id=job)
    _, cores = sandbox.add_result([["a"], ["2"]], "KCore", job_id=job)
    frame = load(spark, "explorer", job_id=job, task_id=f"{pagerank},{query},{cores}")
    names = ["id", "score", "column_1", "column_2", "column_3", "core"]
    assert frame.columns == ["task_id", *names]
    assert {(row["task_id"], *(row[name] for name in names)) for row in frame.collect()} == {
        (pagerank, "a", 0.5, None, None, None, None),
        (pagerank, "b", 0.25, None, None, None, None),
        (query, None, None, "x", "1", "true", None),
        (cores, "a", None, None, None, None, 2),
    }


def test_a_task_that_does_not_exist_is_named_with_those_that_do(spark, jobs):
    task = jobs["karate"].tasks[0]
    said = failure(load(spark, "explorer", job_id=task.job_id, task_id="nowhere", schema="pagerank"))
    assert "NotFoundError: " in said
    assert f"[job {task.job_id}, task nowhere]" in said
    assert task.task_id in said


def test_a_task_that_has_not_ended_well_is_not_read(spark, sandbox):
    job, task = sandbox.add_result([["a"], ["0.5"]])
    sandbox.set_status(job, 1, task)
    said = failure(load(spark, "explorer", job_id=job, task_id=task, schema="pagerank"))
    assert f"JobError: the task is running, so its result may be incomplete [job {job}, task {task}]" in said


# --- full results


@pytest.mark.parametrize("options", [{}, {"header": True}, {"schema": "KCoreSubgraph", "header": False}])
def test_output_has_one_partition_per_part_and_equals_pandas(spark, folder, options):
    options = {"schema": "pagerank"} | options
    frame = output(spark, folder, **options)
    assert frame.rdd.getNumPartitions() == 4
    assert_same(frame, read_output_arrow(folder, **options))


def test_pandas_reads_files_written_by_spark(spark, folder, tmp_path):
    frame = spark.read.format("explorer_output").option("schema", "pagerank").load(str(folder))
    frame.write.parquet(str(tmp_path / "lake"))
    assert (tmp_path / "lake" / "_SUCCESS").exists()
    assert frame.agg({"score": "max"}).first()[0] != 0
    found = pd.read_parquet(tmp_path / "lake").sort_values("id", ignore_index=True)
    expected = read_output(folder, schema="pagerank").sort_values("id", ignore_index=True)
    expected.attrs.clear()
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_part_may_be_left_before_its_end(spark, tmp_path):
    (tmp_path / "part-00000.csv").write_text("player,1\n" * 1_000_000)
    assert len(output(spark, tmp_path, schema="bfs").take(3)) == 3


def test_loading_reads_no_further_than_the_first_row(spark, tmp_path):
    (tmp_path / "part-00000.csv").write_text("VID,LABEL,MODULARITY\na,b,0.5\n")
    (tmp_path / "part-00001.csv.gz").write_bytes(b"damaged")
    assert output(spark, tmp_path, schema="louvain").columns == ["id", "community", "modularity"]
    assert output(spark, tmp_path / "nowhere", schema="pagerank").columns == ["id", "score"]
    assert output(spark, tmp_path / "nowhere").schema["id"].nullable is False


DAMAGED = {
    "cut": (
        gzip.compress(b"VID,VALUE\n" + b"a,0.5\n" * 500_000)[:-9],
        "FileReadError: cannot read the file",
        "after line ",
    ),
    "type": (
        b"VID,VALUE\na,0.5\nb,player7\n",
        "ColumnTypeError: row 1, column 'score': cannot convert 'player7' to double",
        "line 3",
    ),
    "late": (
        b"VID,VALUE\n" + b"a,0.5\n" * 500_000 + b'"',
        "RowShapeError: the row contains an unexpected quote",
        "line 500002",
    ),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_part_is_named_with_its_line_and_nothing_is_published(spark, folder, tmp_path, how):
    content, what, line = DAMAGED[how]
    path = folder / "part-00002.csv.gz"
    path.write_bytes(content if how == "cut" else gzip.compress(content))
    said = failure(lambda: output(spark, folder).write.parquet(str(tmp_path / "lake")))
    assert f"explorer_frames.errors.{what}" in said
    assert f"[{path}, {line}" in said
    assert not list((tmp_path / "lake").glob("*"))


@pytest.mark.parametrize("row", ["b", "b,2,3", "b,x", ""])
def test_a_bad_row_that_begins_a_later_block_is_named_by_its_line(tmp_path, row):
    """As Spark's worker calls the reader, without Spark."""
    pytest.importorskip("pyspark")
    from explorer_frames.spark import OutputReader

    lines = 2**20 // 4  # as many as fill the first blocks
    path, schema = tmp_path / "part-1.csv", pa.schema([("id", pa.string()), ("score", pa.float64())])
    path.write_text("a,1\n" * lines + f"{row}\n" + "a,1\n" * lines)
    request = Request.of(str(tmp_path), schema=schema, vid_type="string", header=None, storage_options=None)
    reader = OutputReader(request, schema)
    rows = []
    with pytest.raises(DecodeError) as caught:
        rows.extend(batch.num_rows for batch in reader.read(reader.partitions()[0]))
    assert caught.value.where == f"{path}, line {lines + 1}"
    assert sum(rows) == lines
    assert not any(str(path) == str(fd.resolve()) for fd in Path("/proc/self/fd").glob("*"))


def test_wrong_schema_lists_matching_schemas(spark, folder):
    assert "pass schema='louvain'" not in failure(output(spark, folder, vid_type="int64"))
    said = failure(output(spark, folder, schema="apsp"))
    assert "RowShapeError: the result has 2 columns, but the schema has 3 (id1, id2, distance)" in said
    assert "Pass schema='auto'" in said


def test_a_part_that_changed_since_the_query_was_planned_is_refused(spark, folder):
    rows = output(spark, folder).rdd
    assert rows.getNumPartitions() == 4
    (folder / "part-00000.csv").write_text("another,0.5\n")
    assert "the file size changed from 33 to 12 bytes since the query was planned" in failure(rows.collect)
    assert output(spark, folder).filter("id = 'another'").count() == 1


def test_a_killed_worker_publishes_nothing(spark, folder, tmp_path):
    from explorer_frames.spark import OutputReader, OutputSource

    class DyingReader(OutputReader):
        def read(self, partition):
            yield from super().read(partition)
            if "part-00002" in partition.value[0].path:
                os._exit(9)

    class Dying(OutputSource):
        @classmethod
        def name(cls):
            return "dying"

        def reader(self, schema):
            found = super().reader(schema)
            return DyingReader(found.request, found.target)

    spark.dataSource.register(Dying)
    frame = spark.read.format("dying").option("schema", "pagerank").load(str(folder))
    said = failure(lambda: frame.write.parquet(str(tmp_path / "lake")))
    assert "Python worker exited unexpectedly (crashed)" in said
    assert not list((tmp_path / "lake").glob("*"))
    assert output(spark, folder).count() == 5  # the session lives on


# --- files as the engine writes them


def test_files_of_the_engine_are_read_without_quoting(spark, tmp_path):
    folder = tmp_path / "analytics_sssp_1"
    folder.mkdir()
    (folder / "0000_0000.csv").write_text('"a,1\nNew "York",inf\n')
    (folder / "0000_0001.csv").write_text("")
    frame = load(spark, "explorer_output", path=str(folder), quoting="none")
    assert frame.columns == ["id", "distance"]
    assert sorted(row["id"] for row in frame.collect()) == ['"a', 'New "York"']
    assert "unexpected quote" in failure(lambda: load(spark, "explorer_output", path=str(folder)))


@pytest.mark.parametrize("header", [None, "true"])
def test_folders_of_cores_have_a_column_k(spark, tmp_path, header):
    for k in (2, 10):
        folder = tmp_path / "analytics_kcore_1" / f"{k}_core"
        folder.mkdir(parents=True)
        (folder / "0000_0000.csv").write_text("VID,VALUE\na,b\n")
    path = str(tmp_path / "analytics_kcore_1")
    options = {"header": header} if header else {}
    for schema in ({}, {"schema": "kcore"}, {"schema": "kcoresubgraph"}):
        frame = load(spark, "explorer_output", path=path, **schema, **options)
        assert frame.columns == ["id", "neighbor", "k"]
        assert sorted(map(tuple, frame.collect())) == [("a", "b", 2), ("a", "b", 10)]
    frame = load(spark, "explorer_output", "u string, v string, k int", path=path, header="true")
    assert sorted(map(tuple, frame.collect())) == [("a", "b", 2), ("a", "b", 10)]
    frame = load(spark, "explorer_output", path=f"{path}/10_core", schema="kcore", **options)
    assert list(map(tuple, frame.collect())) == [("a", "b")]


def test_walks_are_separated_by_blanks(spark, tmp_path):
    (tmp_path / "0000_0000.csv").write_text("a b a\n")
    (tmp_path / "0000_0001.csv").write_text("b\nb c\n")
    frame = load(spark, "explorer_output", path=str(tmp_path), schema="node2vec")
    assert sorted(row["path"] for row in frame.collect()) == [["a", "b", "a"], ["b"], ["b", "c"]]


# --- options


@pytest.mark.parametrize(
    ("kind", "options", "what"),
    [
        ("Sample", {"job_id": "1", "task_id": "a", "limt": "7"}, "format 'explorer' has no option limt"),
        ("Sample", {"job_id": "1", "task_id": "a", "token": "s3cret"}, "EXPLORER_FRAMES_TOKEN"),
        ("Sample", {"job_id": "1", "task_id": "a", "Password": "s3cret"}, "EXPLORER_FRAMES_PASSWORD"),
        (
            "Sample",
            {"job_id": "1", "task_id": "a", "path": "x"},
            "Known options: job_id, task_id, limit, schema, vid_type, url.",
        ),
        ("Sample", {"task_id": "a"}, "requires the option job_id"),
        ("Sample", {"job_id": "1"}, "requires the option task_id"),
        ("Sample", {"job_id": "1", "task_id": "a,,b"}, "invalid task_id: ''"),
        ("Sample", {"job_id": "1", "task_id": "a, a"}, "contains duplicate ids"),
        ("Sample", {"job_id": "1/2", "task_id": "a"}, "invalid job_id: '1/2'"),
        ("Sample", {"job_id": "1", "task_id": "a", "limit": "0"}, "limit must be a positive integer"),
        ("Sample", {"job_id": "1", "task_id": "a", "limit": "1.5"}, "limit must be a positive integer"),
        ("Sample", {"job_id": "1", "task_id": "a", "schema": "pagrank"}, "Did you mean 'PageRank'?"),
        ("Sample", {"job_id": "1", "task_id": "a", "vid_type": "int"}, "vid_type must be ... got 'int'"),
        ("Output", {"schema": "bfs"}, "format 'explorer_output' requires the option path"),
        ("Output", {"path": "x", "header": "maybe"}, "header must be ... got 'maybe'"),
        ("Output", {"path": "x", "quoting": "all"}, "quoting must be ... got 'all'"),
        ("Output", {"path": "sftp://ann:s3cret@host/x"}, "password or a query"),
        ("Output", {"path": "https://host/x.csv?sig=s3cret"}, "password or a query"),
        ("Output", {"path": "x", "storage_options.key": "s3cret"}, "has no option storage_options.key"),
    ],
)
def test_a_bad_option_is_refused_and_no_value_of_a_secret_shown(spark, kind, options, what):
    from explorer_frames import spark as module

    with pytest.raises(ConfigError) as caught:
        getattr(module, f"{kind}Source")(options)
    assert [word for word in what.split(" ... ") if word not in str(caught.value)] == []
    assert "s3cret" not in str(caught.value)


def test_load_itself_refuses_a_bad_option(spark):
    said = failure(lambda: load(spark, "explorer_output", path="x", heder=True))
    assert "explorer_frames.errors.ConfigError: format 'explorer_output' has no option heder" in said
    assert "Known options: path, schema, vid_type, header, quoting." in said


def test_columns_that_no_result_can_have_are_refused(spark, folder):
    said = failure(load(spark, "explorer_output", "id string, at binary", path=str(folder)))
    assert "ConfigError: unsupported type binary for column 'at'" in said
    said = failure(load(spark, "explorer_output", "id string, score double", path=str(folder), schema="pagerank"))
    assert "ConfigError: the option schema and" in said


def test_the_examples_run(spark, jobs):
    from explorer_frames import spark as module

    task = jobs["lesmis"].task("PageRank")
    results = doctest.testmod(module, extraglobs={"spark": spark, "job_id": task.job_id, "task_id": task.task_id})
    assert results.attempted == 3
    assert results.failed == 0


def test_spark_reads_each_task_of_a_lake_by_the_line_of_the_how_to(spark, tmp_path):
    with Sandbox() as server:
        lake = Lake(server, f"{tmp_path}/lake", names=[*NAMES, "KCore", "Query", "ShortestPath"])
    check(lake, lambda url: run_line(lines(0)["Spark"], "s3a://lake/graph/PageRank", f"file://{url}", spark=spark))
    runs = spark.read.parquet(f"file://{tmp_path}/lake/_runs")
    assert runs.count() == 2 * len(lake.folders)
