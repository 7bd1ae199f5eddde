"""The record of where rows came from: read from frames and tables."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

import explorer_frames
from explorer_frames import Provenance, provenance, read_provenance, write_parquet
from explorer_frames.errors import ConfigError


@pytest.fixture
def result(sandbox):
    """Job and task of a result of five rows."""
    return sandbox.add_result([["a", "b", "c", "d", "e"], ["0.5", "nan", "inf", "0.25", "1"]])


@pytest.mark.parametrize("backend", [None, "numpy_nullable", "pyarrow"])
def test_provenance_of_a_frame_is_its_record(explorer, result, backend):
    frame = explorer.read_sample_result(*result, 100, dtype_backend=backend)
    known = provenance(frame)
    assert isinstance(known, Provenance)
    assert known.to_dict() == frame.attrs["explorer_frames"]
    assert (known.job_id, known.task_id, known.rows, known.limit, known.complete) == (
        str(result[0]),
        result[1],
        5,
        100,
        True,
    )


def test_provenance_of_tables_batches_and_schemas(explorer, result):
    table = explorer.read_sample_result_arrow(*result, 100)
    for data in (table, table.to_batches()[0], table.schema, table.to_reader()):
        known = provenance(data)
        assert (known.job_id, known.rows, known.complete) == (str(result[0]), 5, True)
    with explorer.open_sample_result(*result, 100) as reader:
        known = provenance(reader)
        assert (known.job_id, known.rows, known.complete) == (str(result[0]), None, None)
        reader.read_all()


def test_complete_is_unknown_for_another_number_of_rows(explorer, result):
    frame = explorer.read_sample_result(*result, 100)
    table = explorer.read_sample_result_arrow(*result, 100)
    for data in (frame.head(2), table.slice(1), pd.concat([frame, frame]), table.slice(0, 0)):
        known = provenance(data)
        assert (known.rows, known.complete, known.job_id) == (len(data), None, str(result[0]))


@pytest.mark.filterwarnings("ignore::explorer_frames.TruncatedResultWarning")
def test_a_truncated_result_is_not_complete(explorer, result):
    assert provenance(explorer.read_sample_result(*result, 5)).complete is False


@pytest.mark.parametrize(
    "attrs", [{}, {"explorer_frames": None}, {"explorer_frames": "x"}, {"explorer_frames": {}}, {"other": {"job": "1"}}]
)
def test_provenance_of_frames_without_a_record_is_none(attrs):
    frame = pd.DataFrame({"id": ["a"]})
    frame.attrs = attrs
    assert provenance(frame) is None


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"null", b"\xff"])
def test_provenance_of_tables_without_a_record_is_none(document):
    assert provenance(pa.table({"id": ["a"]})) is None
    assert provenance(pa.schema([("id", pa.string())], metadata={b"explorer_frames": document})) is None


def test_a_written_file_has_the_record_of_its_frame(explorer, result, tmp_path):
    frame = explorer.read_sample_result(*result, 100)
    write_parquet(frame, tmp_path / "a.parquet")
    found = read_provenance(tmp_path / "a.parquet").to_dict()
    assert found == provenance(frame).to_dict()


@pytest.mark.parametrize("data", [None, 1, "file.parquet", [], {"id": ["a"]}, pd.Series([1.0]), pd.DataFrame])
def test_other_data_is_an_error(data):
    with pytest.raises(ConfigError, match="cannot read provenance from") as caught:
        provenance(data)
    assert "read_provenance" in caught.value.hint


def test_provenance_is_a_public_function():
    assert explorer_frames.provenance is provenance
    assert "provenance" in explorer_frames.__all__
