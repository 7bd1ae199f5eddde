"""Delta Lake and Iceberg: real tables on local disk and behind an S3 server, written by their own packages."""

from __future__ import annotations

import datetime as dt
import json
import logging
import pickle
import subprocess
import sys
import threading
import traceback
import uuid
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import cases
import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from limits import HANG, PROCESS
from memory import memory_added
from platforms import needs_proc_status
from servers import Unavailable, azurite

from explorer_frames import append_iceberg, open_sample_result, read_sample_result, write_delta, write_parquet
from explorer_frames._tables import columns
from explorer_frames.errors import ConfigError, TargetExistsError, TruncatedBodyError, WriteError

pytest_plugins = ["storage"]
pytestmark = pytest.mark.lake


@pytest.fixture(scope="module", autouse=True)
def _packages():
    """Import them here rather than above, because other lanes collect this module, too."""
    pytest.importorskip("deltalake")
    pytest.importorskip("pyiceberg.catalog.sql")


SCHEMA = pa.schema([("id", pa.string()), ("score", pa.float64())])
OLD = pa.table({"id": ["007", None], "score": [1.0, None]}, schema=SCHEMA)
NEW = pa.table({"id": ["new"], "score": [float("nan")]}, schema=SCHEMA)
DOCUMENT = {"job_id": "1", "complete": True, "note": "gr\u00fc\u00dfe"}


def known(document=None):
    """Return a table that says where it came from."""
    return OLD.replace_schema_metadata({"explorer_frames": json.dumps(document or DOCUMENT, ensure_ascii=False)})


def batches(count, rows=1000, end=None):
    def make():
        for number in range(count):
            ids = [f"player{number * rows + i}" for i in range(rows)]
            yield pa.record_batch([ids, np.arange(rows, dtype=float)], schema=SCHEMA)
        if end is not None:
            raise end

    return pa.RecordBatchReader.from_batches(SCHEMA, make())


class DeltaPlace:
    """A folder for one Delta table."""

    def __init__(self, url, options=None, fsspec_options=None):
        self.url, self.options, self._fs = url, options or {}, fsspec_options or {}

    def write(self, data, mode="create"):
        return write_delta(data, self.url, mode=mode, storage_options=self.options)

    def make(self, data):
        return self.write(data)

    def append(self, data):
        return self.write(data, "append")

    def table(self, version=None):
        import deltalake

        return deltalake.DeltaTable(self.url, version=version, storage_options=self.native())

    def native(self):
        """Return the options by the names of deltalake."""
        options = self._fs
        named = {
            "AWS_ENDPOINT_URL": options.get("endpoint_url"),
            "AWS_ACCESS_KEY_ID": options.get("key"),
            "AWS_SECRET_ACCESS_KEY": options.get("secret"),
        }
        return {"AWS_ALLOW_HTTP": "true", **named} if options else {}

    def rows(self, version=None):
        # Not by to_pyarrow_table, after which the interpreter may abort at its end.
        files = []
        for uri in self.table(version).file_uris():
            with fsspec.open(unquote(uri), **self._fs) as file:
                files.append(pq.read_table(file))
        return pa.concat_tables(files) if files else SCHEMA.empty_table()

    def state(self):
        return self.table().version(), sorted(self.table().file_uris())

    def schema(self):
        return pa.schema(self.table().schema().to_arrow())

    def document(self):
        return next(iter(self.table().history(1))).get("explorer_frames")


class IcebergPlace:
    """A name for one Iceberg table in a catalog of its own."""

    def __init__(self, folder, warehouse, properties=None):
        uri = f"sqlite:///{folder}/{uuid.uuid4().hex}.db"
        from pyiceberg.catalog import sql

        self._open = lambda: sql.SqlCatalog("test", uri=uri, warehouse=warehouse, **(properties or {}))
        self.catalog = self._open()
        self.catalog.create_namespace("graph")

    def make(self, data, **options):
        self.catalog.create_table("graph.scores", schema=data.schema, **options)
        return self.append(data)

    def append(self, data):
        return append_iceberg(data, self._open().load_table("graph.scores"))

    def table(self):
        return self.catalog.load_table("graph.scores")

    def rows(self):
        return self.table().scan().to_arrow()

    def state(self):
        table = self.table()
        return table.current_snapshot().snapshot_id, sorted(task.file.file_path for task in table.scan().plan_files())

    def schema(self):
        return self.table().schema().as_arrow()

    def document(self):
        return self.table().current_snapshot().summary.additional_properties.get("explorer_frames")


@pytest.fixture
def delta_on_disk(tmp_path):
    return DeltaPlace(str(tmp_path / "of scores"))


@pytest.fixture
def delta_on_s3(s3_bucket, s3_options):
    return DeltaPlace(f"{s3_bucket}/{uuid.uuid4().hex}/scores", s3_options, s3_options)


@pytest.fixture
def iceberg_on_disk(tmp_path):
    return IcebergPlace(tmp_path, f"file://{tmp_path}/warehouse")


@pytest.fixture
def iceberg_on_s3(tmp_path, s3_bucket, s3_options, s3_endpoint):
    properties = {
        "s3.endpoint": s3_endpoint,
        "s3.access-key-id": s3_options["key"],
        "s3.secret-access-key": s3_options["secret"],
        "s3.region": "us-east-1",
    }
    return IcebergPlace(tmp_path, f"{s3_bucket}/{uuid.uuid4().hex}", properties)


def new_place(name, folder):
    """Return one of several places of a test."""
    folder = folder / uuid.uuid4().hex
    folder.mkdir()
    return DeltaPlace(f"{folder}/t") if name == "delta_on_disk" else IcebergPlace(folder, f"file://{folder}/warehouse")


@pytest.fixture(params=["delta_on_disk", "delta_on_s3", "iceberg_on_disk", "iceberg_on_s3"])
def place(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["delta_on_disk", "iceberg_on_disk"])
def local_place(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["delta_on_disk", "delta_on_s3"])
def delta(request):
    return request.getfixturevalue(request.param)


def plain(table):
    return table.select(SCHEMA.names).cast(SCHEMA).sort_by("id").to_pydict()


# What goes in is there, and where it came from


def test_a_table_is_made_and_added_to(place):
    place.make(OLD)
    receipt = place.append(batches(3))
    version, _ = place.state()
    assert (receipt.version, receipt.rows, receipt.schema, receipt.complete) == (version, 3000, SCHEMA, None)
    assert plain(place.rows()) == plain(pa.concat_tables([OLD, batches(3).read_all()]))


def test_appended_columns_are_matched_by_name(place):
    place.make(OLD)
    place.append(NEW.select(["score", "id"]))
    assert sorted(place.rows()["id"].to_pylist(), key=str) == ["007", None, "new"]


def test_commit_contains_the_provenance(place):
    place.make(OLD)
    assert place.document() is None
    assert place.append(known()).complete is True
    assert json.loads(place.document()) == DOCUMENT


def test_each_day_of_a_filtered_frame_has_the_same_columns(local_place):
    frame = pd.DataFrame({"id": list("abcd"), "score": [4.0, 1.0, 3.0, 2.0]})
    days = [frame, frame[frame["score"] > 1], frame[frame["score"] > 2], frame.nlargest(2, "score"), frame.head(0)]
    local_place.make(OLD)
    for day in days:
        assert local_place.append(day).schema.names == ["id", "score"]
    named = frame.rename_axis("vertex")
    for day in (named, named.nlargest(2, "score")):
        with pytest.raises(ConfigError, match=r"'vertex' is int64 .*missing"):
            local_place.append(day)


def test_index_decides_whether_a_table_has_the_index(tmp_path):
    frame = pd.DataFrame({"score": [0.5]}, index=pd.Index(["a"], name="id"))
    assert write_delta(frame, tmp_path / "with").schema.names == ["score", "id"]
    assert write_delta(frame, tmp_path / "without", index=False).schema.names == ["score"]
    with pytest.raises(ConfigError, match="index=True requires a pandas DataFrame"):
        write_delta(OLD, tmp_path / "without", mode="append", index=True)


def test_truncated_output_is_marked(local_place):
    assert local_place.make(known({"complete": False})).complete is False
    assert json.loads(local_place.document()) == {"complete": False}


def test_changed_rows_are_committed_as_derived(place, world):
    frame = read_sample_result(*world)
    table = pa.Table.from_pandas(frame, schema=SCHEMA).replace_schema_metadata(
        {"explorer_frames": json.dumps(frame.attrs["explorer_frames"])}
    )
    place.make(table)
    assert json.loads(place.document()) == frame.attrs["explorer_frames"]
    for changed in (
        frame.assign(score=0.0),
        frame.head(3),
        table.slice(1),
        table.set_column(1, "score", table["score"].take(list(range(76, -1, -1)))),
        table.slice(1).to_batches()[0],
    ):
        assert place.append(changed).complete is None
        found = json.loads(place.document())
        assert (found["derived"], found["complete"], found["job_id"]) == (True, None, str(world[0]))
        assert found["rows"] == len(changed)
    assert place.append(table.to_reader()).complete is None  # its rows come after the record is written
    found = json.loads(place.document())
    assert (found["derived"], found["complete"], found["job_id"]) == (None, None, str(world[0]))


def test_results_go_straight_into_tables(local_place, world):
    frame = read_sample_result(*world, limit=1000)
    local_place.make(pa.Table.from_pandas(frame, schema=SCHEMA))
    receipt = local_place.append(frame)
    assert (receipt.rows, receipt.complete) == (77, True)
    assert json.loads(local_place.document()) == frame.attrs["explorer_frames"]
    with open_sample_result(*world, limit=None) as reader:
        assert local_place.append(reader).rows == 77
    assert local_place.rows().num_rows == 3 * 77


@pytest.fixture
def world(sandbox, monkeypatch):
    from explorer_frames import Explorer
    from explorer_frames.sandbox import Graph

    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)
    workflow = sandbox.workflows.get("lake") or sandbox.add_workflow(
        "lake", Graph.les_miserables(), {"analytics_pagerank_1": ("PageRank", {})}
    )
    with Explorer() as explorer:
        job = explorer.run_workflow(workflow).wait(progress=False)
        return job.job_id, job.tasks[0].task_id


KINDS = {
    "DataFrame": pd.DataFrame({"id": ["a"], "score": [0.5]}),
    "categories": pd.DataFrame({"id": pd.Categorical(["a"]), "score": [0.5]}),
    "large strings": pa.table({"id": pa.array(["a"], pa.large_string()), "score": [0.5]}),
    "string views": pa.table({"id": pa.array(["a"], pa.string_view()), "score": [0.5]}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_arrow_layouts_are_appended_with_the_schema_of_the_table(local_place, kind):
    local_place.make(OLD)
    assert local_place.append(KINDS[kind]).schema.types == SCHEMA.types
    local_place.append(NEW)
    assert sorted(local_place.rows()["id"].to_pylist(), key=str) == ["007", None, "a", "new"]


NESTED = pa.table(
    {
        "path": pa.array([["a", None], [], None], pa.list_(pa.string())),
        "embedding": pa.array([[1.5, float("inf")], [], None], pa.list_(pa.float64())),
        "count": pa.array([2**53 + 1, None, -(2**63)]),
        "when": pa.array([1, None, 2], pa.timestamp("us", "UTC")),
    }
)


def test_every_type_of_results_comes_back(local_place):
    local_place.make(NESTED)
    local_place.append(NESTED)
    both = pa.concat_tables([NESTED, NESTED])
    assert local_place.rows().select(NESTED.column_names).to_pylist() == both.to_pylist()


def test_no_rows_are_a_commit_too(local_place):
    local_place.make(OLD)
    before = local_place.state()
    receipt = local_place.append(SCHEMA.empty_table())
    after = local_place.state()
    assert receipt.rows == 0
    assert after[1] == before[1]
    assert after[0] != before[0]


# What does not fit is refused before anything is written


OTHERS = {
    "number for id": (pa.table({"id": [7], "score": [0.5]}), "'id' is int64 in the data and string in the table"),
    "text for score": (pa.table({"id": ["7"], "score": ["7"]}), "'score' is string in the data and double"),
    "narrower": (pa.table({"id": ["7"], "score": pa.array([1.0], pa.float32())}), "'score' is float in the data"),
    "more": (NEW.append_column("x", [[1]]), "'x' is int64 in the data and missing in the table"),
    "less": (NEW.select(["id"]), "'score' is missing in the data and double in the table"),
    "another case": (NEW.rename_columns(["ID", "score"]), "'ID' is string in the data and missing"),
    "twice": (pa.table([["a"], ["b"], [0.5]], names=["id", "id", "score"]), "duplicate column name 'id'"),
    "lists": (pa.table({"id": [["a"]], "score": [0.5]}), "'id' is list<"),
}


@pytest.mark.parametrize("case", OTHERS)
@pytest.mark.parametrize(
    ("where", "mode"), [("delta_on_disk", "append"), ("delta_on_disk", "overwrite"), ("iceberg_on_disk", "append")]
)
def test_other_columns_are_refused_before_anything_is_written(where, mode, case, request, capsys):
    place = request.getfixturevalue(where)
    place.make(OLD)
    before = place.state()
    data, said = OTHERS[case]
    with pytest.raises(ConfigError, match=said) as caught:
        place.append(data) if mode == "append" else place.write(data, mode)
    assert "table's schema" in caught.value.hint or case == "twice"
    assert place.state() == before
    assert capsys.readouterr().out == ""


MS, US, NS = (pa.timestamp(unit, "UTC") for unit in ("ms", "us", "ns"))
PAIR = pa.struct([("a", pa.float64())])
REQUIRED_ITEM = pa.list_(pa.field("element", pa.float64(), nullable=False))
REQUIRED_PART = pa.struct([pa.field("a", pa.float64(), nullable=False)])
REQUIRED_VALUE = pa.map_(pa.string(), pa.field("value", pa.float64(), nullable=False))
MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)

SAME_VALUES = {
    "Etc/UTC": (US, pa.timestamp("us", "Etc/UTC"), [MOMENT, None]),
    "+00:00": (US, pa.timestamp("us", "+00:00"), [MOMENT]),
    "Zulu": (US, pa.timestamp("us", "Zulu"), [MOMENT]),
    "GMT": (US, pa.timestamp("us", "GMT"), [MOMENT]),
    "coarser unit": (US, pa.timestamp("s", "Etc/UTC"), [MOMENT]),
    "coarser unit in a list": (pa.list_(US), pa.large_list(MS), [[MOMENT, None], None]),
    "coarser unit without zone": (pa.timestamp("us"), pa.timestamp("ms"), [MOMENT.replace(tzinfo=None)]),
    "name of list items": (pa.list_(pa.string()), pa.list_(pa.field("x", pa.large_string())), [["a", None]]),
    "string views in a list": (pa.list_(pa.string()), pa.list_(pa.string_view()), [["a"], []]),
    "categories in a list": (pa.list_(pa.string()), pa.list_(pa.dictionary(pa.int8(), pa.string())), [["a"]]),
    "fixed size list": (pa.list_(pa.float64()), pa.list_(pa.float64(), 2), [[0.5, 1.5], None]),
    "fixed size binary": (pa.binary(), pa.binary(2), [b"ab", None]),
    "large strings of a map": (pa.map_(pa.string(), pa.int64()), pa.map_(pa.large_string(), pa.int64()), [[("a", 1)]]),
    "wide decimal": (pa.decimal128(38, 2), pa.decimal256(38, 2), [Decimal("1.50"), None]),
    "no values": (pa.string(), pa.null(), [None, None]),
    "no values in a list": (pa.list_(pa.string()), pa.list_(pa.null()), [[None], []]),
    "required in the data": (pa.list_(pa.float64()), REQUIRED_ITEM, [[0.5]]),
    "required items": (REQUIRED_ITEM, pa.list_(pa.float64()), [[0.5], None]),
    "required part": (REQUIRED_PART, PAIR, [{"a": 0.5}, None]),
    "no values with required items": (REQUIRED_ITEM, pa.null(), [None]),
    "required values": (REQUIRED_VALUE, pa.map_(pa.string(), pa.float64()), [[("a", 0.5)], None]),
}


@pytest.mark.parametrize("where", ["delta_on_disk", "iceberg_on_disk"])
@cases.each("case", SAME_VALUES, SAME_VALUES)
def test_other_names_of_a_type_are_appended(where, case, request, tmp_path):
    kind, given, values = SAME_VALUES[case]
    place = new_place(where, tmp_path)
    place.make(pa.table({"x": pa.array([], kind)}))
    before = place.schema()
    receipt = place.append(pa.table({"x": pa.array(values, given)}))
    assert receipt.rows == len(values)
    assert place.schema() == before
    assert place.rows()["x"].to_pylist() == pa.array(values, given).to_pylist()


def test_a_uuid_is_appended_as_its_bytes(iceberg_on_disk):
    ids = [uuid.uuid4().bytes, None]
    iceberg_on_disk.make(pa.table({"x": pa.array([], pa.uuid())}))
    for kind in (pa.uuid(), pa.binary(16)):
        iceberg_on_disk.append(pa.table({"x": pa.array(ids, pa.binary(16)).cast(kind)}))
    assert iceberg_on_disk.rows()["x"].cast(pa.binary(16)).to_pylist() == ids * 2


UTC_NAMES = [
    "UTC",
    "Etc/UTC",
    "UCT",
    "Etc/UCT",
    "Universal",
    "Zulu",
    "GMT",
    "Etc/GMT",
    "Etc/GMT+0",
    "GMT-0",
    "GMT0",
    "Greenwich",
    "+00:00",
    "-00:00",
    "Z",
    "utc",
]
OTHER_ZONES = ["Europe/London", "Africa/Abidjan", "Etc/GMT+1", "+01:00"]


def test_utc_has_many_names():
    types = [columns.plain(pa.timestamp("us", zone)) for zone in UTC_NAMES]
    assert types == [US] * len(UTC_NAMES)
    assert all(columns.plain(pa.timestamp("us", zone)).tz == zone for zone in [None, *OTHER_ZONES])


OTHER_TYPES = {
    "finer unit": (US, NS, "timestamp\\[ns, tz=UTC\\] in the data and timestamp\\[us, tz=UTC\\] in the table"),
    "no zone": (US, pa.timestamp("us"), "timestamp\\[us\\] in the data and timestamp\\[us, tz=UTC\\] in the table"),
    "another zone": (
        US,
        pa.timestamp("us", "Europe/Berlin"),
        "tz=Europe/Berlin\\] in the data and timestamp\\[us, tz=UTC",
    ),
    "wider": (pa.int64(), pa.int32(), "int32 in the data and int64 in the table"),
    "other digits": (pa.decimal128(10, 2), pa.decimal128(10, 3), r"decimal128\(10, 3\) in the data"),
    "date": (pa.timestamp("us"), pa.date32(), "date32\\[day\\] in the data"),
    "another name of a part": (
        PAIR,
        pa.struct([("b", pa.float64())]),
        "struct<b: double> in the data and struct<a: double>",
    ),
    "another type of a part": (PAIR, pa.struct([("a", pa.string())]), "struct<a: string> in the data"),
    "more parts": (
        PAIR,
        pa.struct([("a", pa.float64()), ("b", pa.float64())]),
        "struct<a: double, b: double> in the data",
    ),
    "other items": (
        pa.list_(pa.string()),
        pa.list_(pa.int64()),
        "list<item: int64> in the data and list<element: string>",
    ),
    "item": (pa.list_(pa.string()), pa.string(), "string in the data and list<element: string> in the table"),
}


@pytest.mark.parametrize("where", ["delta_on_disk", "iceberg_on_disk"])
@cases.each("case", OTHER_TYPES, OTHER_TYPES)
def test_other_types_are_refused_and_both_are_named(where, case, tmp_path, capsys):
    kind, given, said = OTHER_TYPES[case]
    place = new_place(where, tmp_path)
    place.make(pa.table({"x": pa.array([], kind)}))
    with pytest.raises(ConfigError, match=f"column 'x' is .*{said}"):
        place.append(pa.table({"x": pa.array([None], given)}))
    assert capsys.readouterr().out == ""


MISSING = {
    "item": (REQUIRED_ITEM, pa.list_(pa.float64()), [[0.5, None], [0.5]]),
    "part": (REQUIRED_PART, PAIR, [{"a": None}, {"a": 0.5}]),
    "value": (REQUIRED_VALUE, pa.map_(pa.string(), pa.float64()), [[("a", None), ("b", 0.5)], [("a", 0.5)]]),
}


@pytest.mark.parametrize("where", ["delta_on_disk", "iceberg_on_disk"])
@cases.each("case", MISSING, MISSING)
def test_missing_parts_of_a_value_are_refused_where_the_table_requires_them(where, case, tmp_path, capsys):
    kind, given, values = MISSING[case]
    place = new_place(where, tmp_path)
    place.make(pa.table({"x": pa.array([], kind)}))
    data = pa.table({"x": pa.array(values, given)})
    with pytest.raises(WriteError, match=r"column 'x' .*null"):
        place.append(data)
    place.append(data.slice(1))
    assert place.rows()["x"].to_pylist() == values[1:]
    assert capsys.readouterr().out == ""


def test_a_moment_that_a_finer_unit_cannot_hold_is_refused(local_place):
    local_place.make(pa.table({"x": pa.array([], US)}))
    with pytest.raises(WriteError, match="would result in out of bounds timestamp"):
        local_place.append(pa.table({"x": pa.array([2**62], pa.timestamp("s", "UTC"))}))


def test_text_ids_are_not_appended_to_an_integer_column(local_place):
    local_place.make(pa.table({"id": [7]}))
    with pytest.raises(ConfigError, match="'id' is string in the data and int64 in the table"):
        local_place.append(pa.table({"id": ["007"]}))
    assert local_place.rows()["id"].to_pylist() == [7]


@pytest.mark.parametrize(
    "kind",
    [pa.uint8(), pa.uint64(), pa.timestamp("ns"), pa.timestamp("s"), pa.float16(), pa.null(), pa.date64()],
    ids=str,
)
@pytest.mark.parametrize("nested", [False, True])
def test_types_that_delta_would_change_are_refused(delta_on_disk, kind, nested):
    kind = pa.list_(kind) if nested else kind
    with pytest.raises(ConfigError, match="which Delta Lake does not support"):
        delta_on_disk.write(pa.table({"x": pa.array([None], kind)}))
    assert not Path(delta_on_disk.url).exists()


@pytest.mark.parametrize("nulls", [0, 1])
def test_missing_values_in_required_columns_are_rejected(local_place, nulls):
    required = pa.schema([pa.field("id", pa.string(), nullable=False)])
    local_place.make(pa.table({"id": ["a"]}, schema=required))
    before = local_place.state()
    data = pa.table({"id": pa.array(["b", None] if nulls else ["b"], pa.string())})
    if nulls:
        with pytest.raises(WriteError, match=r"column 'id' .*null"):
            local_place.append(data)
        assert local_place.state() == before
    else:
        local_place.append(data)
        assert sorted(local_place.rows()["id"].to_pylist()) == ["a", "b"]


# What goes wrong commits nothing


class CustomError(Exception):
    pass


ENDS = [
    CustomError("mine"),
    TruncatedBodyError("broke off"),
    WriteError("theirs"),
    OSError(28, "x"),
    KeyboardInterrupt(),
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: type(end).__name__)
@pytest.mark.parametrize("before", [0, 3])
def test_exception_of_the_source_is_raised_unchanged(place, end, before):
    place.make(OLD)
    state = place.state()
    with pytest.raises(type(end)) as caught:
        place.append(batches(before, end=end))
    assert caught.value is end
    assert caught.value.__context__ is None
    assert place.state() == state
    assert plain(place.rows()) == plain(OLD)


@pytest.mark.parametrize("mode", ["create", "append", "overwrite"])
def test_a_source_that_raises_creates_no_table(delta, mode):
    end = CustomError("mine")
    with pytest.raises(CustomError) as caught:
        delta.write(batches(3, end=end), mode)
    assert caught.value is end
    import deltalake

    assert not deltalake.DeltaTable.is_deltatable(delta.url, delta.native())
    assert delta.write(OLD).version == 0


def test_a_part_of_a_result_is_not_committed(local_place, sandbox, world):
    from explorer_frames import Explorer
    from explorer_frames.errors import ColumnTypeError

    local_place.make(OLD)
    state = local_place.state()
    job, task = sandbox.add_result([[f"player{i}" for i in range(200_001)], ["0.5"] * 200_000 + ["no number"]])
    with (
        Explorer() as explorer,
        explorer.open_sample_result(job, task, limit=None) as reader,
        pytest.raises(ColumnTypeError, match="no number"),
    ):
        local_place.append(reader)
    assert local_place.state() == state


def test_data_files_of_a_failure_belong_to_no_version_and_can_be_vacuumed(delta_on_disk, monkeypatch):
    delta_on_disk.make(OLD)
    table = delta_on_disk.table()
    table.alter.set_table_properties({"delta.targetFileSize": "20000"})
    state = delta_on_disk.state()
    with pytest.raises(CustomError):
        delta_on_disk.append(batches(100, 10_000, end=CustomError("mine")))
    assert delta_on_disk.state() == state
    assert len(list(Path(delta_on_disk.url).glob("*.parquet"))) > len(state[1])
    delta_on_disk.table().vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    assert len(list(Path(delta_on_disk.url).glob("*.parquet"))) == len(state[1])
    assert plain(delta_on_disk.rows()) == plain(OLD)


def test_storage_rejection_raises_write_error_without_secrets(delta_on_s3, monkeypatch, caplog):
    delta_on_s3.make(OLD)
    delta_on_s3.url = f"s3://no-such-bucket-{uuid.uuid4().hex}/scores"
    caplog.set_level(logging.DEBUG, "explorer_frames")
    with pytest.raises(WriteError, match=r"cannot (open|write to) the table") as caught:
        delta_on_s3.write(OLD)
    assert caught.value.__context__ is None
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    said = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "canary" not in said
    assert "\\x1b" not in said


# Modes of Delta tables


def test_create_refuses_before_anything_is_read(delta):
    delta.write(OLD)
    with pytest.raises(TargetExistsError, match="the table already exists"):
        delta.write(batches(1, end=AssertionError("was read")))
    assert plain(delta.rows()) == plain(OLD)


@pytest.mark.parametrize("mode", ["append", "overwrite"])
def test_other_modes_create_a_missing_table(delta, mode):
    assert delta.write(OLD, mode).version == 0
    assert plain(delta.rows()) == plain(OLD)


def test_overwrite_is_one_version_and_the_old_one_stays_readable(delta):
    delta.write(OLD)
    assert delta.write(NEW, "overwrite").version == 1
    assert delta.rows()["id"].to_pylist() == ["new"]
    assert plain(delta.rows(version=0)) == plain(OLD)


def log_of(url, change):
    """Change the records of a table's first version."""
    path = Path(url) / "_delta_log" / f"{0:020}.json"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(change(record)) + "\n" for record in records))


@pytest.mark.parametrize("value", ["true", "TRUE"])
def test_an_append_only_table_is_not_overwritten(delta_on_disk, value):
    delta_on_disk.write(OLD)

    def make_append_only(record):
        if "metaData" in record:
            record["metaData"]["configuration"]["delta.appendOnly"] = value
        return record

    log_of(delta_on_disk.url, make_append_only)
    before = delta_on_disk.state()
    with pytest.raises(ConfigError, match="the table is append-only") as caught:
        delta_on_disk.write(batches(1, end=AssertionError("was read")), "overwrite")
    assert 'mode="append"' in caught.value.hint
    assert delta_on_disk.state() == before
    assert delta_on_disk.append(NEW).version == 1


def test_only_the_commit_of_another_writer_is_called_a_conflict(delta_on_disk):
    delta_on_disk.write(OLD)

    def require_row_tracking(record):
        if "protocol" in record:
            features = {"readerFeatures": [], "writerFeatures": ["rowTracking"]}
            record["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
        return record

    log_of(delta_on_disk.url, require_row_tracking)
    with pytest.raises(WriteError, match="Unsupported table features required: ") as caught:
        delta_on_disk.append(NEW)
    assert "Another writer" not in caught.value.hint
    assert "Fix the error above" in caught.value.hint


def test_an_error_is_on_one_line_that_shows_its_cause(delta_on_disk):
    delta_on_disk.write(OLD)
    log = Path(delta_on_disk.url) / "_delta_log" / f"{0:020}.json"
    log.write_text("{damaged\n")
    with pytest.raises(WriteError, match="Kernel error: Json error: Encountered unexpected") as caught:
        delta_on_disk.append(NEW)
    assert "unknown>" not in caught.value.what
    assert "\n" not in caught.value.what
    assert "\\" not in caught.value.what


# Options of stores


def test_options_have_the_names_of_every_writer_or_those_of_deltalake(
    s3_bucket, s3_options, s3_endpoint, tmp_path, monkeypatch
):
    url = f"{s3_bucket}/{uuid.uuid4().hex}/scores"
    key, secret = s3_options["key"], s3_options["secret"]
    (tmp_path / "credentials").write_text(f"[work]\naws_access_key_id={key}\naws_secret_access_key={secret}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    variants = [
        s3_options,
        {
            "username": key,
            "password": secret,
            "client_kwargs": {"endpoint_url": s3_endpoint, "region_name": "us-east-1"},
        },
        {**s3_options, "use_ssl": False, "config_kwargs": {"s3": {"addressing_style": "path"}}},
        {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_ENDPOINT_URL": s3_endpoint},
        {
            "access_key_id": key,
            "secret": secret,
            "endpoint": s3_endpoint,
            "aws_allow_http": True,
            "region": "us-east-1",
        },
        {"profile": "work", "endpoint_url": s3_endpoint},
    ]
    for version, options in enumerate(variants):
        write_parquet(OLD, f"{url}.parquet", storage_options=s3_options)
        assert write_delta(OLD, url, mode="append", storage_options=options).version == version


@cases.each(
    ("change", "said", "hint"),
    [
        (
            {"secret": "canary-wrong"},
            "403 Forbidden: SignatureDoesNotMatch: The request signature",
            "Check the credentials",
        ),
        ({"anon": True}, "AccessDenied", "Check the credentials"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "http://127.0.0.1:1/.*Connection refused", "Fix the error above"),
        ({"AWS_ALLOW_HTTP": "false"}, "URL scheme is not allowed", "Fix the error above"),
        ({"AWS_ALLOW_HTTP": "maybe"}, 'failed to parse "maybe" as boolean', "Fix the error above"),
        ({}, "NoSuchBucket: The specified bucket does not exist", "Fix the error above"),
    ],
)
def test_errors_of_stores_show_their_cause_and_no_secrets(change, said, hint, s3_bucket, s3_options):
    url = f"{s3_bucket}/none" if change else "s3://misspelled/none"
    with pytest.raises(WriteError, match=said) as caught:
        write_delta(OLD, url, storage_options={**s3_options, "max_retries": 0, **change})
    assert caught.value.hint.startswith(hint)
    for litter in ("canary", "\\", "\n", "\u21b3", "<Error>"):
        assert litter not in caught.value.what


@pytest.mark.stores
def test_a_connection_string_of_azure_leads_to_a_table(tmp_path):
    pytest.importorskip("adlfs")
    try:
        with azurite.serve(tmp_path) as server:
            for version, scheme in enumerate(("az", "abfs")):
                url = f"{scheme}://frames/scores"
                assert write_delta(OLD, url, mode="append", storage_options=server.options).version == version
            with pytest.raises(WriteError, match="403 Forbidden: AuthorizationFailure") as caught:
                write_delta(OLD, url, storage_options=server.wrong_login)
    except Unavailable as missing:
        pytest.skip(str(missing))
    assert azurite.WRONG not in str(caught.value)


def test_gcs_is_another_name_of_gs():
    with pytest.raises(WriteError, match="Unable to open service account file") as caught:
        write_delta(OLD, "gcs://bucket/scores", storage_options={"google_service_account": "/none"})
    assert caught.value.where == "gs://bucket/scores"


def test_a_partitioned_table_keeps_its_partitions(delta_on_disk):
    data = pa.table({"id": ["a", "b"], "community": ["x", "y"]})
    import deltalake

    deltalake.write_deltalake(delta_on_disk.url, data, partition_by=["community"])
    delta_on_disk.append(data)
    assert delta_on_disk.table().metadata().partition_columns == ["community"]
    assert len(delta_on_disk.table().file_uris()) == 4


def test_a_partitioned_iceberg_table_takes_streams(iceberg_on_disk):
    iceberg_on_disk.make(OLD)
    with iceberg_on_disk.table().update_spec() as update:
        update.add_identity("id")
    assert iceberg_on_disk.append(batches(2, 3)).rows == 6
    assert iceberg_on_disk.rows().num_rows == 8


def test_a_stale_iceberg_table_is_refreshed(iceberg_on_disk):
    iceberg_on_disk.make(OLD)
    stale = iceberg_on_disk.table()
    iceberg_on_disk.append(NEW)
    receipt = append_iceberg(NEW, stale)
    assert receipt.version == stale.current_snapshot().snapshot_id == iceberg_on_disk.state()[0]
    assert receipt.table == "graph.scores"
    assert iceberg_on_disk.rows().num_rows == 4


# Several writers at the same moment


def at_once(count, write):
    """Call `write` in threads that start together; return what came of each."""
    barrier, results = threading.Barrier(count), []

    def run():
        barrier.wait()
        try:
            results.append(write())
        except Exception as error:  # noqa: BLE001
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=HANG)
    assert len(results) == count
    won = [one for one in results if not isinstance(one, Exception)]
    return won, [one for one in results if isinstance(one, Exception)]


@pytest.mark.parametrize("mode", ["create", "append", "overwrite"])
@pytest.mark.parametrize("attempt", range(3))
def test_one_of_concurrent_table_creators_wins(delta, mode, attempt):
    won, lost = at_once(4, lambda: delta.write(NEW, mode))
    assert {type(error) for error in lost} <= {TargetExistsError if mode == "create" else WriteError}
    assert sorted(one.version for one in won) == list(range(len(won)))
    table = delta.table()
    assert table.version() == len(won) - 1
    assert len(won) == 1 or mode != "create"  # who comes late may find the table, and add to it
    assert delta.rows().num_rows == (len(won) if mode == "append" else 1)


def test_concurrent_appends_all_succeed(delta):
    delta.write(OLD)
    won, lost = at_once(4, lambda: delta.append(NEW))
    assert lost == []
    assert sorted(one.version for one in won) == [1, 2, 3, 4]
    assert delta.rows().num_rows == 6


def test_concurrent_overwrites_are_not_mixed(delta):
    delta.write(OLD)
    won, lost = at_once(4, lambda: delta.write(NEW, "overwrite"))
    assert won
    assert {type(error) for error in lost} <= {WriteError}
    assert all("Retry" in error.hint for error in lost)
    assert delta.rows().num_rows == 1
    assert delta.table().version() == len(won)


def test_concurrent_iceberg_appends_cause_no_duplicates_or_gaps(iceberg_on_disk):
    iceberg_on_disk.make(OLD)
    won, lost = at_once(4, lambda: iceberg_on_disk.append(NEW))
    assert {type(error) for error in lost} <= {WriteError}
    assert won
    assert len({one.version for one in won}) == len(won)
    assert iceberg_on_disk.rows().num_rows == 2 + len(won)


# Arguments


@pytest.mark.parametrize(
    ("url", "arguments", "said"),
    [
        ("a", {"mode": "error"}, "mode 'error'"),
        ("a", {"mode": ["append"]}, "mode"),
        ("", {}, "not a valid path or URL"),
        (5, {}, "not a valid path or URL"),
        ("memory://a", {}, "does not support memory://"),
        ("http://host/a", {}, "read-only"),
        ("s3://b/a?x=1", {}, "must not contain a query"),
        ("simplecache::s3://b/a", {}, "chained"),
        ("a%20b", {}, "does not support '%20'"),
        ("a\\b", {}, "in the path of a table"),
        ("a[b]/c", {}, "does not support '\\['"),
        ("a#1", {}, "does not support '#'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_read(tmp_path, monkeypatch, url, arguments, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=said):
        write_delta(batches(1, end=AssertionError("was read")), url, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["of scores", "\u00fc", "a+b", "a&b=c", "a'b", "{a}", "a%", "a@b:c", "a/"])
def test_names_that_folders_have_hold_a_table(tmp_path, name):
    for version in range(3):
        assert write_delta(OLD, f"{tmp_path}/{name}", mode="append").version == version
    assert [path.name for path in tmp_path.iterdir()] == [name.rstrip("/")]
    assert DeltaPlace(f"{tmp_path}/{name}").rows().num_rows == 6
    assert len(list(DeltaPlace(f"{tmp_path}/{name}").table().history())) == 3


@pytest.mark.parametrize("address", [Path, str, lambda path: path.as_uri(), lambda path: f"{path}/"])
def test_a_table_is_where_the_address_says(tmp_path, address):
    assert write_delta(OLD, address(tmp_path / "scores")).table == str(tmp_path / "scores")
    assert (tmp_path / "scores" / "_delta_log").is_dir()


def test_missing_folders_above_a_table_are_made_only_on_demand(tmp_path):
    for path in (tmp_path / "new" / "scores", f"file://{tmp_path.as_posix()}/new/scores"):
        with pytest.raises(WriteError, match="the folder does not exist") as caught:
            write_delta(OLD, path)
        assert "make_parents=True" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    assert write_delta(OLD, tmp_path / "new" / "scores", make_parents=True).rows == OLD.num_rows
    assert write_delta(OLD, tmp_path / "new" / "scores", mode="append").version == 1


def test_a_table_has_not_the_name_of_a_file(tmp_path):
    with pytest.raises(ConfigError, match="has a file extension"):
        write_delta(OLD, tmp_path / "scores.parquet")


def test_a_path_of_universal_pathlib_brings_its_options_along(delta_on_s3, tmp_path):
    UPath = pytest.importorskip("upath").UPath  # noqa: N806 (a class)
    receipt = write_delta(OLD, UPath(delta_on_s3.url, **delta_on_s3.options))
    assert receipt.table == delta_on_s3.url
    assert delta_on_s3.rows().equals(OLD)
    assert write_delta(OLD, UPath(tmp_path / "scores")).table == str(tmp_path / "scores")


@cases.each(
    ("data", "said"),
    [
        (pa.table({}), "data has no columns"),
        (pa.table({"a": pa.array([{}], pa.struct([]))}), "column 'a' has type struct<>"),
        (pa.table({"score": [1], "Score": [2]}), "columns 'score' and 'Score' differ only in case"),
    ],
)
def test_columns_that_no_table_has_are_refused_before_the_folder_is_made(tmp_path, data, said):
    with pytest.raises(ConfigError) as caught:
        write_delta(data, tmp_path / "scores")
    assert caught.value.what.startswith(said)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_string_is_refused_as_a_partition(delta_on_disk):
    import deltalake

    data = pa.table({"id": ["a", "b"], "community": ["x", None]})
    deltalake.write_deltalake(delta_on_disk.url, data, partition_by=["community"])
    with pytest.raises(WriteError, match=r"column 'community' .*empty string") as caught:
        delta_on_disk.append(pa.table({"id": ["", "d"], "community": ["x", ""]}))
    assert "null" in caught.value.what
    assert delta_on_disk.table().version() == 0
    delta_on_disk.append(pa.table({"id": ["", "d"], "community": ["x", None]}))


def test_a_file_is_no_table(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(ConfigError, match="is a file"):
        write_delta(OLD, tmp_path / "a")
    assert (tmp_path / "a").read_text() == "x"


@pytest.mark.parametrize("table", [None, "graph.scores", SCHEMA, OLD])
def test_invalid_iceberg_table_is_rejected(table):
    with pytest.raises(ConfigError, match="a pyiceberg Table, got"):
        append_iceberg(OLD, table)


@pytest.mark.parametrize("data", [None, [1], pd.Series([1])])
def test_unsupported_table_type_is_rejected(local_place, data):
    local_place.make(OLD)
    with pytest.raises(ConfigError, match="data must be a table"):
        local_place.append(data)


# Cost

WRITE = """
import sys
from explorer_frames import write_delta

write_delta(players(100_000), sys.argv[1] + "/a")
before = peak()
assert write_delta(players(5_000_000), sys.argv[1] + "/b").rows == 5_000_000
print(peak() - before)
"""


@needs_proc_status
def test_memory_does_not_grow_with_the_rows(tmp_path):
    assert memory_added(WRITE, tmp_path) < 150  # measured: 32 MB at 2,000,000 rows, 55 MB at 10,000,000


INTERRUPTED = """
import os, signal, sys, threading
import pyarrow as pa
from explorer_frames import write_delta

schema = pa.schema([("id", pa.string())])

def rows():
    for number in range(10_000):
        if number == 20:
            os.kill(os.getpid(), signal.SIGINT)
        threading.Event().wait(0.002)
        yield pa.record_batch([[str(number)]], schema=schema)

try:
    write_delta(pa.RecordBatchReader.from_batches(schema, rows()), sys.argv[1])
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_ends_a_write_without_a_commit(tmp_path):
    command = [sys.executable, "-c", INTERRUPTED, str(tmp_path / "t")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PROCESS, check=False)
    assert done.stdout == "interrupted\n", done.stderr
    assert not (tmp_path / "t" / "_delta_log").exists() or not list((tmp_path / "t" / "_delta_log").glob("*.json"))


@pytest.mark.parametrize("url", ["s3://", "memory://", "s3:///", "gs://"])
def test_a_url_without_a_place_is_refused(url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError):
        write_delta(OLD, url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", ["x", [1], 5, True])
def test_storage_options_are_a_mapping(options, tmp_path):
    with pytest.raises(ConfigError, match="storage_options must be a mapping"):
        write_delta(OLD, tmp_path / "t", storage_options=options)
