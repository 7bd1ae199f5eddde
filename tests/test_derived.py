"""Frames and tables that were changed after reading: they are not written as the complete result."""

from __future__ import annotations

import copy
import json
import pickle
from contextlib import suppress

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from cases import each
from column_types import COLUMN_TYPES
from faults.rawserver import answer, envelope
from served import served

from explorer_frames import (
    Explorer,
    compare,
    history,
    provenance,
    read_output,
    read_output_arrow,
    read_provenance,
    verify_file,
    write_feather,
    write_parquet,
)
from explorer_frames.errors import ColumnTypeError
from explorer_frames.sandbox import Sandbox

BACKENDS = [None, "numpy_nullable", "pyarrow"]
FAST_BACKENDS = [None, *(pytest.param(backend, marks=pytest.mark.slow) for backend in BACKENDS[1:])]
WRITERS = {"parquet": (write_parquet, pq.read_table), "feather": (write_feather, pyarrow.feather.read_table)}
CELLS = {
    pa.string(): ["a", "", None, "雪", "ab"],
    pa.int8(): ["1", "-1", "0", "127", "5"],
    pa.uint64(): ["1", "0", "18446744073709551615", "3", "4"],
    pa.float32(): ["0.5", "nan", None, "-0.0", "inf"],
    pa.float64(): ["0.5", "nan", None, "-0.0", "-inf"],
    **{kind: [*accepted, *[None] * (not pa.types.is_boolean(kind))] for kind, (accepted, _) in COLUMN_TYPES.items()},
    pa.dictionary(pa.int32(), pa.string()): ["red", None, "blue", "red", ""],
    pa.dictionary(pa.uint8(), pa.int64()): ["7", None, "8", "7", "9"],
    pa.dictionary(pa.int8(), pa.float64()): ["nan", None, "-0.0", "0.0", "1"],
    pa.dictionary(pa.int8(), pa.bool_()): ["true", None, "false", "true", "true"],
    pa.dictionary(pa.int8(), pa.date32()): ["2026-11-29", None, "0001-01-01", "2026-11-29", "1970-01-01"],
    pa.dictionary(pa.int8(), pa.timestamp("s")): ["2026-11-29T10:00:59", None, "1970-01-01 00:00:00"] + [None] * 2,
    pa.dictionary(pa.int8(), pa.timestamp("ms", "UTC")): ["2026-11-29T10:00:59Z", None] + [None] * 3,
    pa.dictionary(pa.int8(), pa.decimal128(9, 2)): ["1.50", None, "2", "1.50", "3"],
}
RESTS = {
    pa.string(): [["a", None], [], ["b"]],
    pa.int64(): [["1"], [], ["2", "3"]],
    pa.float64(): [["nan", None, "-0.0"], [], ["0.0"]],
    pa.date32(): [["2026-11-29", None], [], ["1970-01-01"]],
    pa.timestamp("s"): [["2026-11-29T10:00:59", None], [], []],
    pa.decimal128(9, 2): [["1.50", None], [], ["2"]],
    pa.bool_(): [["true"], [], ["false"]],
}
COLUMNS = [(kind, [[cell] for cell in cells]) for kind, cells in CELLS.items()]
COLUMNS += [
    (kind, [[None]] * 3) for kind in (pa.string(), pa.float64(), pa.date32(), pa.dictionary(pa.int8(), pa.string()))
]
COLUMNS += [(pa.list_(kind), rest) for kind, rest in RESTS.items()] + [
    (pa.list_(pa.string()), [[None], [], [None, None]])
]
COPIES = {
    "itself": lambda frame: frame,
    "copy": lambda frame: frame.copy(),
    "deep copy": copy.deepcopy,
    "pickle": lambda frame: pickle.loads(pickle.dumps(frame)),
    "concat of one": lambda frame: pd.concat([frame]),
    "head of all": lambda frame: frame.head(len(frame)),
    "all columns": lambda frame: frame[list(frame.columns)],
    "there and back": lambda frame: frame.rename(columns={"score": "x"}).rename(columns={"x": "score"}),
}
CHANGES = {
    "assigned": lambda frame: frame.assign(score=0.0),
    "one cell": lambda frame: frame.assign(score=[*frame["score"][:-1], 7.0]),
    "one id": lambda frame: frame.replace({"id": {"a": "A"}}),
    "no value": lambda frame: frame.assign(score=frame["score"].where(frame["id"] != "a")),
    "a value": lambda frame: frame.assign(score=frame["score"].where(frame["id"] != "b", 0.0)),
    "-0.0": lambda frame: frame.assign(score=frame["score"] * [1.0, 1.0, 1.0, -1.0, 1.0]),
    "swapped rows": lambda frame: frame.iloc[[1, 0, *range(2, len(frame))]].reset_index(drop=True),
    "sorted": lambda frame: frame.sort_values("score"),
    "swapped columns": lambda frame: frame[["score", "id"]],
    "swapped names": lambda frame: frame.set_axis(["score", "id"], axis=1),
    "renamed": lambda frame: frame.rename(columns={"score": "rank"}),
    "one column more": lambda frame: frame.assign(rank=1),
    "one column less": lambda frame: frame[["id"]],
    "indexed": lambda frame: frame.set_index("id"),
    "text": lambda frame: frame.astype({"score": str}),
    "fewer rows": lambda frame: frame.head(2),
    "other rows": lambda frame: pd.concat([frame.head(4), frame.head(1)], ignore_index=True),
}  # fmt: skip


@pytest.fixture
def result(sandbox):
    return sandbox.add_result([["a", "b", "c", "ab", ""], ["0.5", "nan", "inf", "0.0", "1"]])


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@each("kind, rest", COLUMNS)
def test_rows_of_every_type_stay_complete_through_pandas_and_files(tmp_path, kind, rest, backend):
    schema = pa.schema([("id", pa.string()), ("x", kind)])
    rows = json.dumps([[f"v{number}", *cells] for number, cells in enumerate(rest)])
    # pandas 2 cannot read the name of such a dtype in a file's metadata.
    skipped = backend == "pyarrow" and pa.types.is_dictionary(kind) and pd.__version__ < "3"
    if pa.types.is_list(kind) and "nan" in str(rest) and pd.__version__ < "3":
        skipped = True  # its files do not keep NaN and null in lists apart
    with served(lambda *_: answer(envelope(rows))) as (_, explorer):
        given = [explorer.read_sample_result_arrow(1, "1", limit=None, schema=schema)]
        with suppress(ColumnTypeError):
            if not skipped:
                given.append(explorer.read_sample_result(1, "1", limit=None, schema=schema, dtype_backend=backend))
    for data in given:
        known = provenance(data)
        assert (known.derived, known.complete) == (False, True)
        for name, (write, read) in WRITERS.items():
            receipt = write(data, tmp_path / name)
            assert receipt.complete
            found = verify_file(tmp_path / name)
            assert (found.derived, found.complete, found.content_hash) == (False, True, known.content_hash)
            stored = provenance(read(tmp_path / name))
            assert (stored.derived, stored.complete) == (False, True)


@pytest.mark.parametrize("backend", BACKENDS)
@each("copied", COPIES.values(), ids=COPIES)
def test_copies_are_not_derived(explorer, result, backend, copied, tmp_path):
    frame = explorer.read_sample_result(*result, 100, dtype_backend=backend)
    assert provenance(copied(frame)).to_dict() == frame.attrs["explorer_frames"]
    assert write_parquet(copied(frame), tmp_path / "a.parquet").complete


@pytest.mark.parametrize("backend", FAST_BACKENDS)
@each("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_frame_is_derived(explorer, result, backend, change, tmp_path):
    changed = change(explorer.read_sample_result(*result, 100, dtype_backend=backend))
    known = provenance(changed)
    assert (known.derived, known.complete, known.job_id, known.rows) == (True, None, str(result[0]), len(changed))
    for layout, (write, read) in WRITERS.items():
        assert write(changed, tmp_path / layout).complete is None
        found = read_provenance(tmp_path / layout)
        assert (found.derived, found.complete, found.job_id) == (True, None, str(result[0]))
        again = write(read(tmp_path / layout), tmp_path / layout)  # once derived, always derived
        assert again.complete is None
        assert read_provenance(tmp_path / layout).derived


def test_a_frame_that_does_not_fit_arrow_is_derived(explorer, result):
    frame = explorer.read_sample_result(*result, 100)
    for changed in (frame.assign(score=[1, "x", None, 0.5, b"y"]), frame.set_axis(["id", "id"], axis=1)):
        known = provenance(changed)
        assert (known.derived, known.complete) == (True, None)


def _set(table, place, values):
    field = table.schema.field(place).with_nullable(nullable=True)
    return table.set_column(place, field, pa.array(values, field.type))


TABLE_CHANGES = {
    "NaN to null": lambda table: _set(table, 1, [0.5, None, float("inf"), 0.0, 1.0]),
    "null for NaN, moved": lambda table: _set(table, 1, [None, float("nan"), float("inf"), 0.0, 1.0]),
    "zero to NaN": lambda table: _set(table, 1, [0.5, float("nan"), float("inf"), float("nan"), 1.0]),
    "zero to -0.0": lambda table: _set(table, 1, [0.5, float("nan"), float("inf"), -0.0, 1.0]),
    "empty text to null": lambda table: _set(table, 0, ["a", "b", "c", "ab", None]),
    "text cut elsewhere": lambda table: _set(table, 0, ["ab", "", "c", "ab", ""]),
    "numbers as integers": lambda table: table.set_column(1, "score", table["score"].combine_chunks().view(pa.int64())),
    "slice": lambda table: table.slice(1),
    "rows": lambda table: table.take([1, 0, 2, 3, 4]),
    "columns": lambda table: table.select([1, 0]),
    "names": lambda table: table.rename_columns(["score", "id"]).replace_schema_metadata(table.schema.metadata),
    "a map": lambda table: table.append_column("m", pa.array([[]] * 5, pa.map_(pa.string(), pa.int64()))),
}  # fmt: skip


def test_table_layout_does_not_change_the_hash(explorer, result, tmp_path):
    table = explorer.read_sample_result_arrow(*result, 100)
    large = pa.schema([("id", pa.large_string()), ("score", pa.float64())], table.schema.metadata)
    for same in (
        pa.concat_tables([table.slice(0, 2), table.slice(2)]),
        table.set_column(0, "id", table["id"].dictionary_encode()),
        table.cast(large),
        table.to_batches()[0],
    ):
        assert provenance(same).to_dict() == provenance(table).to_dict()
        assert write_parquet(same, tmp_path / "a.parquet").complete


@each("change", TABLE_CHANGES.values(), ids=TABLE_CHANGES)
def test_a_changed_table_is_derived(explorer, result, change, tmp_path):
    changed = change(explorer.read_sample_result_arrow(*result, 100))
    known = provenance(changed)
    assert (known.derived, known.complete, known.job_id) == (True, None, str(result[0]))
    for data in (changed, changed.to_reader()):
        assert write_parquet(data, tmp_path / "a.parquet").complete is None
        assert read_provenance(tmp_path / "a.parquet").derived


def test_a_null_that_becomes_nan_is_a_change():
    rows = '[["a", null], ["b", "1"]]'
    with served(lambda *_: answer(envelope(rows))) as (_, explorer):
        table = explorer.read_sample_result_arrow(
            1, "1", limit=None, schema=pa.schema([("id", pa.string()), ("x", pa.float64())])
        )
    assert provenance(_set(table, 1, [float("nan"), 1.0])).derived
    assert provenance(_set(table, 1, [None, 1.0])).derived is False


def test_the_content_hash_is_that_of_the_file(explorer, result, tmp_path):
    table = explorer.read_sample_result_arrow(*result, 100)
    exported = explorer.export_sample_result(*result, tmp_path / "a.parquet")
    assert provenance(table).content_hash == exported.content_hash
    found = read_provenance(tmp_path / "a.parquet")
    assert (found.complete, found.derived) == (True, False)
    changed = _set(pq.read_table(tmp_path / "a.parquet"), 1, [0.0] * 5)
    assert provenance(changed).derived


def test_a_large_result_is_hashed_as_it_is_read(explorer, sandbox, tmp_path):
    ids = [f"player{number}" for number in range(200_003)]
    result = sandbox.add_result([ids, np.arange(200_003) / 7])
    frame = explorer.read_sample_result(*result)
    assert provenance(frame).complete
    assert write_parquet(frame, tmp_path / "a.parquet", row_group_size=777).complete
    frame.loc[200_002, "score"] = 0.0
    assert provenance(frame).derived


def test_a_stream_is_not_known_to_be_derived(explorer, result, tmp_path):
    with explorer.open_sample_result(*result, 100) as reader:
        assert provenance(reader).derived is None
        write_parquet(reader, tmp_path / "a.parquet")
    found = read_provenance(tmp_path / "a.parquet")
    assert (found.derived, found.complete) == (None, None)


@pytest.mark.parametrize("backend", BACKENDS)
def test_frames_of_full_results(tmp_path, backend):
    (tmp_path / "a.csv").write_text("x,1\ny,nan\n")
    frame = read_output(tmp_path / "a.csv", schema="PageRank", dtype_backend=backend)
    known = provenance(frame)
    assert (known.derived, known.complete) == (False, True)
    assert known.to_dict() == frame.attrs["explorer_frames"]
    changed = provenance(frame.assign(score=0.0))
    assert (changed.derived, changed.complete, changed.source) == (True, None, known.source)
    table = read_output_arrow(tmp_path / "a.csv", schema="PageRank")
    assert provenance(table).derived is False
    assert provenance(table.take([1, 0])).derived


@pytest.mark.parametrize("task", [None, "PageRank"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_histories(backend, task):
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer:
        for number in range(2):
            (job,) = server.add_jobs(1)
            server.add_result([["x", "y"], [f"0.{number}", "nan"]], "PageRank", job_id=job)
        options = {"task": task, "dtype_backend": backend, "explorer": explorer}
        frame = history(server.workflows["results"], **options)
    known = provenance(frame)
    assert (known.rows, known.derived, known.complete) == (4, False, True)
    assert known.to_dict() == frame.attrs["explorer_frames"]
    changed = provenance(frame.assign(score=1.0))
    assert (changed.derived, changed.complete, changed.workflow_id) == (True, None, known.workflow_id)


def test_comparisons_show_which_side_is_derived(explorer, result):
    frame = explorer.read_sample_result(*result, 100)
    found = compare(frame, frame.assign(score=0.0))
    assert (found.a.derived, found.a.complete) == (False, True)
    assert (found.b.derived, found.b.complete, found.b.job_id) == (True, None, str(result[0]))
    lines = str(found).splitlines()
    assert f"a: job {result[0]}, PageRank" in lines[1]
    assert f"b: derived from job {result[0]}, PageRank" in lines[2]


def test_a_record_without_a_hash_is_taken_as_it_is(tmp_path):
    table = pa.table({"id": ["a"]}).replace_schema_metadata(
        {"explorer_frames": '{"job_id": "1", "rows": 1, "complete": true}'}
    )
    known = provenance(table)
    assert (known.derived, known.complete) == (None, True)
    assert write_parquet(table, tmp_path / "a.parquet").complete


def test_derived_is_shown_only_where_it_is_true(explorer, result):
    frame = explorer.read_sample_result(*result, 100)
    assert "derived" not in str(provenance(frame))
    assert "derived        yes" in str(provenance(frame.assign(score=0.0)))
