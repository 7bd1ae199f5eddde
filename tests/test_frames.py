"""Arrow tables -> DataFrames: the same values whatever kind of dtypes pandas is asked for."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pyarrow as pa
import pytest
from column_types import COLUMN_TYPES

from explorer_frames._frames import checked_backend, to_pandas
from explorer_frames._provenance import Provenance, with_provenance, with_row_count
from explorer_frames.errors import ColumnTypeError, ConfigError

BACKENDS = [None, "numpy_nullable", "pyarrow"]
BIG = 2**53 + 1  # no double is equal to it
NOON = datetime(2026, 11, 29, 12)


def plain(value: object) -> object:
    """A cell as Python has it: None for what is missing, lists for what is nested."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    missing = value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))
    return None if missing else value


def cells(frame: pd.DataFrame, column: str) -> list[object]:
    return [plain(value) for value in frame[column]]


NULLABLE = [(kind, texts) for kind, texts in COLUMN_TYPES.items() if not pa.types.is_boolean(kind)]
COLUMNS = {
    "string": (pa.string(), ["a", "", "NA", "null", "nan", "007", "😀", " x "]),
    "large_string": (pa.large_string(), ["a", "b"]),
    "double": (pa.float64(), [1.5, -0.0, float("inf"), 5e-324, 1.7976931348623157e308]),
    "double, missing": (pa.float64(), [1.5, None]),
    "float": (pa.float32(), [1.5, None]),
    "int64": (pa.int64(), [BIG, -BIG, 2**63 - 1, -(2**63)]),
    "uint64": (pa.uint64(), [2**64 - 1, BIG]),
    **{f"int{bits}": (getattr(pa, f"int{bits}")(), [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]) for bits in (8, 16, 32)},
    **{f"uint{bits}": (getattr(pa, f"uint{bits}")(), [0, 2**bits - 1]) for bits in (8, 16, 32)},
    "paths": (pa.list_(pa.string()), [["a", "b"], [], ["c"]]),
    "embeddings": (pa.list_(pa.float64()), [[1.5, -2.0], []]),
    "paths of integers": (pa.list_(pa.int64()), [[BIG, 1], []]),
    **{str(kind): (kind, [*accepted.values()]) for kind, (accepted, _) in COLUMN_TYPES.items()},
    **{f"{kind}, missing": (kind, [*accepted.values(), None]) for kind, (accepted, _) in NULLABLE},
    "categories": (pa.dictionary(pa.int8(), pa.string()), ["a", "b", "a", None]),
    "categories of integers": (pa.dictionary(pa.uint64(), pa.int64()), [BIG, -BIG, BIG]),
    "categories of dates": (pa.dictionary(pa.int8(), pa.date32()), [date.min, date.max, date.min]),
    "categories of floats": (pa.dictionary(pa.int8(), pa.float64()), [0.0, -0.0, None]),
    "lists of bools": (pa.list_(pa.bool_()), [[True, None], []]),
    "lists of dates": (pa.list_(pa.date32()), [[date.max], []]),
    "lists of decimals": (pa.list_(pa.decimal128(38, 0)), [[Decimal("9" * 38)], []]),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_values_are_the_same_in_every_backend(backend):
    for name, (kind, values) in COLUMNS.items():
        array = pa.array(values, kind.value_type if pa.types.is_dictionary(kind) else kind)
        array = array.dictionary_encode().cast(kind) if pa.types.is_dictionary(kind) else array
        assert cells(to_pandas(pa.table({"x": array}), backend), "x") == values, name


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_empty_frame_has_the_dtypes_of_a_full_one(backend):
    for kind in (pa.string(), pa.large_string(), pa.float64(), pa.int64(), pa.uint64(), pa.list_(pa.string())):
        values = [["a"]] if pa.types.is_list(kind) else [1] if not str(kind).endswith("string") else ["a"]
        full = to_pandas(pa.table({"x": pa.array(values, kind)}), backend)
        empty = to_pandas(pa.schema([("x", kind)]).empty_table(), backend)
        assert empty.dtypes.to_dict() == full.dtypes.to_dict(), kind
        assert len(empty) == 0


def test_dtypes_are_those_of_the_backend():
    table = pa.table({"id": ["a"], "score": [1.5], "count": [1]})
    assert to_pandas(table, None).dtypes[1:].astype(str).tolist() == ["float64", "int64"]
    assert pd.api.types.is_string_dtype(to_pandas(table, None)["id"])
    assert to_pandas(table, "numpy_nullable").dtypes.tolist() == [pd.StringDtype(), pd.Float64Dtype(), pd.Int64Dtype()]
    assert {type(dtype) for dtype in to_pandas(table, "pyarrow").dtypes} == {pd.ArrowDtype}


@pytest.mark.parametrize("kind", [pa.int64(), pa.int8(), pa.uint64()], ids=str)
def test_missing_integers_are_refused_by_numpy_and_kept_exactly_by_the_others(kind):
    values = [1, None, 127]
    table = pa.table({"id": ["a", "b", "c"], "count": pa.array(values, kind)})
    with pytest.raises(ColumnTypeError, match="count") as caught:
        to_pandas(table)
    assert caught.value.column == "count"
    assert "numpy_nullable" in caught.value.hint
    for backend in BACKENDS[1:]:
        assert cells(to_pandas(table, backend), "count") == values


def test_missing_bools_are_refused_by_numpy_and_kept_by_the_others():
    table = pa.table({"id": ["a", "b"], "flag": pa.array([True, None])})
    with pytest.raises(ColumnTypeError, match="flag") as caught:
        to_pandas(table)
    assert (caught.value.column, "numpy_nullable" in caught.value.hint) == ("flag", True)
    for backend in BACKENDS[1:]:
        assert cells(to_pandas(table, backend), "flag") == [True, None]
    assert to_pandas(table, nullable=["flag"])["flag"].dtype == "boolean"


def test_lists_of_timestamps_keep_their_zone_or_are_refused():
    table = pa.table(
        {"times": pa.array([[NOON.replace(tzinfo=UTC)], []], pa.list_(pa.timestamp("us", "Asia/Shanghai")))}
    )
    assert to_pandas(table, "pyarrow")["times"][0] == [NOON.replace(tzinfo=UTC)]
    for backend in BACKENDS[:2]:
        with pytest.raises(ColumnTypeError, match="times") as caught:
            to_pandas(table, backend)
        assert "dtype_backend='pyarrow'" in caught.value.hint


@pytest.mark.parametrize("backend", BACKENDS)
def test_dictionaries_of_several_batches_become_one(backend):
    kind = pa.dictionary(pa.int8(), pa.string())
    pieces = [pa.array(values, kind) for values in (["a", "b"], ["c", "a"], [None, "b"])]
    table = pa.table({"kind": pa.chunked_array(pieces)})
    frame = to_pandas(table, backend)
    assert cells(frame, "kind") == ["a", "b", "c", "a", None, "b"]
    assert frame.groupby("kind", observed=True).size().to_dict() == {"a": 2, "b": 2, "c": 1}


@pytest.mark.parametrize("backend", BACKENDS)
def test_dictionaries_may_have_more_values_together_than_their_indices_allow(backend):
    kind = pa.dictionary(pa.int8(), pa.int64())
    pieces = [pa.array(range(start, start + 100)).dictionary_encode().cast(kind) for start in (0, 100, 200)]
    assert cells(to_pandas(pa.table({"x": pa.chunked_array(pieces)}), backend), "x") == [*range(300)]


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_integers_beyond_doubles_survive_beside_missing_ones(backend):
    assert cells(to_pandas(pa.table({"x": [BIG, None]}), backend), "x") == [BIG, None]


@pytest.mark.parametrize("backend", BACKENDS)
def test_integers_in_lists_beside_missing_ones_are_exact_or_refused(backend):
    table = pa.table({"path": pa.array([[BIG, None], [1]], pa.list_(pa.int64()))})
    if backend == "pyarrow":
        assert cells(to_pandas(table, backend), "path") == [[BIG, None], [1]]
        return
    with pytest.raises(ColumnTypeError, match="path") as caught:
        to_pandas(table, backend)
    assert "dtype_backend='pyarrow'" in caught.value.hint


# With "numpy_nullable" it is pandas 3 that counts a NaN as missing, and pandas 2 that does not.
@pytest.mark.parametrize(("backend", "missing"), [(None, [0, 1, 1]), ("pyarrow", [0, 1, 0])])
def test_not_a_number_is_missing_to_pandas_except_in_the_pyarrow_backend_which_tells_them_apart(backend, missing):
    frame = to_pandas(pa.table({"score": pa.array([1.5, None, float("nan")])}), backend)
    assert frame["score"].isna().tolist() == [bool(one) for one in missing]
    assert cells(frame, "score") == [1.5, None, None]


@pytest.mark.parametrize("chunks", [1, 3])
@pytest.mark.parametrize("backend", BACKENDS)
def test_rows_of_many_batches_stay_in_order(chunks, backend):
    table = pa.concat_tables([pa.table({"x": [number, number + 10]}) for number in range(chunks)])
    frame = to_pandas(table, backend)
    assert cells(frame, "x") == [value for number in range(chunks) for value in (number, number + 10)]
    assert frame.index.tolist() == list(range(2 * chunks))


@pytest.mark.parametrize("backend", BACKENDS)
def test_attrs_hold_the_provenance_as_plain_values(backend):
    provenance = Provenance(server="s", task_name="é", limit=5)
    provenance = with_row_count(provenance, 3, complete=True)
    schema = with_provenance(pa.schema([("x", pa.int64())]), provenance)
    frame = to_pandas(schema.empty_table(), backend)
    assert frame.attrs == {"explorer_frames": provenance.to_dict()}
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    assert frame.attrs["explorer_frames"]["complete"] is True


def test_a_table_without_provenance_has_no_attrs():
    assert to_pandas(pa.table({"x": [1]})).attrs == {}
    assert to_pandas(pa.table({"x": [1]}).replace_schema_metadata({"other": "x"})).attrs == {}


@pytest.mark.parametrize("backend", ["arrow", "numpy", "", 5, True])
def test_unsupported_dtype_backend_is_rejected(backend):
    with pytest.raises(ConfigError, match="numpy_nullable"):
        checked_backend(backend)
    with pytest.raises(ConfigError):
        checked_backend([])
