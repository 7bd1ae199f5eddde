"""What is written of frames: their index, labels and dtypes, compared with pandas' own files, and what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import threading
from contextlib import suppress

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cases import each
from pandas.tests.extension.json import JSONArray

from explorer_frames import write_feather, write_parquet
from explorer_frames._files.data import to_reader
from explorer_frames.errors import ConfigError

ROWS = 4
WRITERS = {"parquet": write_parquet, "feather": write_feather}
PANDAS_WRITERS = {"parquet": pd.DataFrame.to_parquet, "feather": pd.DataFrame.to_feather}
READERS = {"parquet": pd.read_parquet, "feather": pd.read_feather}


@pytest.fixture(params=["parquet", "feather"])
def layout(request):
    return request.param


def frame_of(index=None, columns=("id", "score"), **data):
    frame = pd.DataFrame(data or {0: list("abcd"), 1: [0.5, 0.25, None, 1.0]}, index=index)
    return frame if data else frame.set_axis(columns, axis="columns")


def files(frame, folder, layout):
    """Write a frame with our writer and with pandas' own; return both as pandas reads them."""
    WRITERS[layout](frame, folder / "ours")
    PANDAS_WRITERS[layout](frame, folder / "theirs")
    return [READERS[layout](folder / name) for name in ("ours", "theirs")]


def names(data, folder, layout="parquet", **options):
    return WRITERS[layout](data, folder / "names", **options).schema.names


# Round trips

TIMES = pd.date_range("2026-11-23", periods=ROWS, unit="us")
INDEXES = {
    "default": None,
    "range": pd.RangeIndex(3, 3 + 2 * ROWS, 2),
    "named range": pd.RangeIndex(5, 5 + ROWS, name="vertex"),
    "named integers": pd.Index([7, 3, 3, 1], name="vertex"),
    "named Int64": pd.Index([7, None, 3, 1], dtype="Int64", name="vertex"),
    "named by a number": pd.Index([7, 3, 2, 1], name=2026),
    "strings": list("wxyz"),
    "named strings": pd.Index(list("wxyz"), name="vertex", dtype="string"),
    "floats": [0.5, np.nan, 2.0, 1.0],
    "bools": [True, False, True, True],
    "times": TIMES,
    "times with a zone": TIMES.tz_localize("Europe/Paris"),
    "timedeltas": TIMES - TIMES[0],
    "periods": pd.period_range("2026-01", periods=ROWS, freq="M"),
    "intervals": pd.interval_range(0, ROWS),
    "categories": pd.CategoricalIndex(list("aabb"), name="group"),
    "dates": [dt.date(2026, 11, day) for day in range(1, ROWS + 1)],
    "two levels": pd.MultiIndex.from_product([["a", "b"], [1, 2]], names=["u", None]),
    "two levels of integers": pd.MultiIndex.from_arrays([range(ROWS), [5, 5, 6, 6]]),
}
LABELS = {
    "strings": ["id", "score"],
    "named": pd.Index(["id", "score"], name="column"),
    "integers": [0, 1],
    "named integers": pd.Index([10, 20], name="dimension"),
    "floats": [0.5, 1.5],
    "bools": [True, False],
    "times": TIMES[:2],
    "times with a zone": TIMES[:2].tz_localize("Europe/Paris"),
    "tuples": [("score", "mean"), ("score", "sum")],
    "two levels": pd.MultiIndex.from_tuples([("s", 1), ("t", 2)], names=["name", "number"]),
    "levels with times": pd.MultiIndex.from_product([["s"], TIMES[:2]]),
}


def compare_with_pandas(folder, layout, index, labels):
    ours, theirs = files(frame_of(INDEXES[index], LABELS[labels]), folder, layout)
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.filterwarnings("ignore:The DataFrame has non-str index name:UserWarning")
@pytest.mark.filterwarnings("ignore:The DataFrame has column names of mixed type:UserWarning")
@each(("index", "labels"), [*((index, "strings") for index in INDEXES), *(("default", labels) for labels in LABELS)])
def test_index_and_labels_come_back_as_from_a_file_of_pandas(tmp_path, layout, index, labels):
    compare_with_pandas(tmp_path, layout, index, labels)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The DataFrame has non-str index name:UserWarning")
@pytest.mark.filterwarnings("ignore:The DataFrame has column names of mixed type:UserWarning")
@pytest.mark.parametrize("index", INDEXES)
@each("labels", LABELS)
def test_any_index_with_any_labels_comes_back_as_from_parquet_of_pandas(tmp_path, index, labels):
    compare_with_pandas(tmp_path, "parquet", index, labels)


def arrow(kind, *values):
    return pd.array(values, dtype=pd.ArrowDtype(kind))


DTYPES = {
    "integers": lambda: [1, 2],
    "floats": lambda: [0.5, np.nan],
    "float16": lambda: np.array([1, 2], "float16"),
    "uint64": lambda: np.array([2**64 - 1, 0], "uint64"),
    "bools": lambda: [True, False],
    "strings": lambda: ["a", None],
    "string[python]": lambda: pd.array(["a", None], dtype="string[python]"),
    "string[pyarrow]": lambda: pd.array(["a", None], dtype="string[pyarrow]"),
    "objects of str": lambda: np.array(["a", None], dtype=object),
    "objects of bool": lambda: np.array([True, None], dtype=object),
    "objects with NA": lambda: np.array(["a", pd.NA], dtype=object),
    "bytes": lambda: [b"a", b"\xff"],
    "Int64": lambda: pd.array([1, None], dtype="Int64"),
    "Float32": lambda: pd.array([0.5, None], dtype="Float32"),
    "boolean": lambda: pd.array([True, None], dtype="boolean"),
    "times": lambda: pd.DatetimeIndex(np.array(["2026-11-23", "NaT"], "M8[ns]")),
    "times in seconds": lambda: pd.DatetimeIndex(np.array(["1600-01-01", "NaT"], "M8[s]")),
    "times with a zone": lambda: TIMES[:2].tz_localize("Asia/Kolkata"),
    "timedeltas": lambda: pd.TimedeltaIndex(np.array([1, "NaT"], "m8[us]")),
    "periods": lambda: pd.period_range("2026", periods=2, freq="D"),
    "intervals": lambda: pd.arrays.IntervalArray.from_tuples([(0, 1), None]),
    "dates": lambda: [dt.date(2026, 11, 23), None],
    "times of day": lambda: [dt.time(1, 2, 3), None],
    "decimals": lambda: [decimal.Decimal("1.50"), decimal.Decimal(100)],
    "lists": lambda: [[1, 2], None],
    "arrays": lambda: [np.array([0.5]), np.array([])],
    "dicts": lambda: [{"a": 1}, {"b": "x"}],
    "categories": lambda: pd.Categorical(["b", None], ["c", "b"], ordered=True),
    "categories of integers": lambda: pd.Categorical([5, 7]),
    "categories of bools": lambda: pd.Categorical([True, False]),
    "no value": lambda: [None, None],
    "Arrow integers": lambda: arrow(pa.int8(), 1, None),
    "Arrow strings": lambda: arrow(pa.string(), "a", None),
    "Arrow dates": lambda: arrow(pa.date32(), dt.date(2026, 11, 23), None),
    "Arrow times": lambda: arrow(pa.timestamp("us", "UTC"), TIMES[0].tz_localize("UTC"), None),
    "Arrow decimals": lambda: arrow(pa.decimal128(5, 2), decimal.Decimal("1.5"), None),
    "Arrow durations": lambda: arrow(pa.duration("ms"), dt.timedelta(1), None),
}


@each(("dtype", "rows"), [(dtype, rows) for dtype in DTYPES for rows in (0, 2)])
def test_dtypes_come_back_as_from_a_file_of_pandas(tmp_path, layout, dtype, rows):
    ours, theirs = files(pd.DataFrame({"x": DTYPES[dtype]()}).head(rows), tmp_path, layout)
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
@pytest.mark.parametrize("index", ["default", "named integers", "strings", "times", "two levels"])
def test_other_backends_come_back_as_from_a_file_of_pandas(tmp_path, layout, backend, index):
    columns = {"i": [1, None, 2, 3], "f": [0.5, None, 1.0, 2.5], "b": [True, False, None, True], "s": list("abcd")}
    frame = pd.DataFrame({**columns, "t": TIMES}, index=INDEXES[index]).convert_dtypes(dtype_backend=backend)
    ours, theirs = files(frame, tmp_path, layout)
    pd.testing.assert_frame_equal(ours, theirs)


OPERATIONS = {
    "groupby": lambda frame: frame.groupby("community").agg({"score": ["mean", "sum"]}),
    "pivot": lambda frame: frame.pivot_table(index="id", columns="community", values="score"),
    "crosstab": lambda frame: pd.crosstab(frame["id"], frame["community"]),
    "describe": lambda frame: frame.describe(),
    "set_index": lambda frame: frame.set_index("id"),
    "set_index and keep": lambda frame: frame.set_index("id", drop=False),
    "transpose": lambda frame: frame[["score", "community"]].T,
    "embedding": lambda frame: pd.DataFrame(np.arange(6.0).reshape(2, 3)),
    "resample": lambda frame: frame.set_index(TIMES)[["score"]].resample("2D").sum(),
    "no rows": lambda frame: frame.set_index(["id", "community"]).head(0),
    "no columns": lambda frame: frame.set_index("id")[[]],
    "nothing": lambda frame: frame[[]].head(0),
}


@each("operation", OPERATIONS)
def test_results_of_pandas_come_back_as_from_a_file_of_pandas(tmp_path, layout, operation):
    frame = pd.DataFrame({"id": list("abcd"), "score": [0.5, 1.5, 2.5, 3.5], "community": [7, 7, 9, 9]})
    ours, theirs = files(OPERATIONS[operation](frame), tmp_path, layout)
    pd.testing.assert_frame_equal(ours, theirs)


# The index

INTEGERS = {
    "filtered": lambda frame: frame[[True, False, True, True]],
    "evenly filtered": lambda frame: frame[[True, False, True, False]],
    "nlargest": lambda frame: frame.nlargest(2, "score"),
    "sorted": lambda frame: frame.sort_values("score"),
    "sampled": lambda frame: frame.sample(3, random_state=1),
    "none left": lambda frame: frame[frame["score"] > 9],
    "joined": lambda frame: pd.concat([frame, frame]),
    "exploded": lambda frame: frame.assign(score=[[1.0, 2.0]] * ROWS).explode("score").astype({"score": float}),
    "uint8": lambda frame: frame.set_axis(np.array([1, 9, 3, 4], "uint8")),
    "Int64": lambda frame: frame.set_axis(pd.Index([1, None, 3, 4], dtype="Int64")),
    "Arrow": lambda frame: frame.set_axis(pd.Index([1, 9, 3, 4], dtype="int16[pyarrow]")),
    "objects": lambda frame: frame.set_axis(pd.Index([1, 9, 3, 4], dtype=object)),
    "range": lambda frame: frame.set_axis(pd.RangeIndex(9, 1, -2)),
}


@each("change", INTEGERS)
def test_an_unnamed_index_of_integers_is_never_a_column(tmp_path, layout, change):
    changed = INTEGERS[change](frame_of())
    assert names(changed, tmp_path, layout) == ["id", "score"]
    rows = READERS[layout](tmp_path / "names").reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, changed.reset_index(drop=True))


@each("change", [lambda frame: frame, lambda frame: frame[[True, False, True, True]], lambda frame: frame.head(0)])
def test_a_named_range_is_a_column_also_after_a_filter(tmp_path, layout, change):
    frame = change(frame_of(pd.RangeIndex(5, 5 + ROWS, name="vertex")))
    assert names(frame, tmp_path, layout) == ["id", "score", "vertex"]
    pd.testing.assert_index_equal(READERS[layout](tmp_path / "names").index, frame.index, exact="equiv")


def test_each_level_of_an_index_is_a_column(tmp_path, layout):
    levels = pd.MultiIndex.from_arrays([range(ROWS), [9, 9, 3, 4]])
    assert names(frame_of(levels), tmp_path, layout)[2:] == ["__index_level_0__", "__index_level_1__"]


@each(
    ("index", "written", "expected"),
    [
        (None, True, ["__index_level_0__"]),
        ([7, 3, 2, 1], True, ["__index_level_0__"]),
        (list("wxyz"), False, []),
        (pd.Index(list("wxyz"), name="vertex"), False, []),
        (pd.RangeIndex(ROWS, name="vertex"), False, []),
        (pd.RangeIndex(ROWS, name="vertex"), True, ["vertex"]),
        (INDEXES["two levels"], False, []),
    ],
)
def test_index_true_or_false_decides_as_in_pandas(tmp_path, layout, index, written, expected):
    frame = frame_of(index)
    assert names(frame, tmp_path, layout, index=written)[2:] == expected
    frame.to_parquet(tmp_path / "theirs", index=written)
    pd.testing.assert_frame_equal(READERS[layout](tmp_path / "names"), pd.read_parquet(tmp_path / "theirs"))


@each(
    ("data", "index", "said"),
    [
        (pl.DataFrame({"a": [1]}), False, "index=False requires a pandas DataFrame, got polars DataFrame"),
        (pa.table({"a": [1]}), True, "index=True requires a pandas DataFrame, got pyarrow Table"),
        (pd.DataFrame({"a": [1]}), "id", "index must be .*, got 'id'"),
        (pd.DataFrame({"a": [1]}), 0, "index must be .*, got 0"),
    ],
)
def test_an_index_that_there_is_not_is_refused(tmp_path, layout, data, index, said):
    with pytest.raises(ConfigError, match=said):
        WRITERS[layout](data, tmp_path / "a", index=index)
    assert [*tmp_path.iterdir()] == []


# Labels


@each(
    "labels",
    [
        pd.CategoricalIndex(["a", "b"], name="group"),
        pd.period_range("2026", periods=2, freq="M"),
        pd.interval_range(0, 2),
        pd.to_timedelta([1, 2], "s"),
        [dt.date(2026, 11, 23), dt.date(2026, 11, 24)],
        pd.Index(["a", "b"], name=("x", 1)),
        pd.MultiIndex.from_product([["a"], pd.period_range("2026", periods=2, freq="M")]),
    ],
)
def test_labels_that_pandas_cannot_read_back_come_back_as_text(tmp_path, layout, labels):
    frame = frame_of(columns=labels)
    WRITERS[layout](frame, tmp_path / "a")
    back = READERS[layout](tmp_path / "a")
    flat = [tuple(map(str, label)) if isinstance(label, tuple) else str(label) for label in labels]
    assert back.columns.tolist() == flat
    assert back.to_numpy().tolist() == frame.to_numpy(na_value=np.nan).tolist() or back.isna().sum().sum() == 1


@each(
    "labels",
    [
        pd.MultiIndex.from_tuples([("score", np.nan), ("score", "mean")]),
        pd.MultiIndex.from_tuples([("score", "x", None), ("other", "y", "mean")], names=["column", "run", "call"]),
    ],
)
def test_levels_without_a_label_come_back_as_text(tmp_path, layout, labels):
    frame = frame_of(list("wxyz"), labels)
    WRITERS[layout](frame, tmp_path / "a")
    back = READERS[layout](tmp_path / "a")
    texts = [str(label) for label in labels], [tuple(map(str, label)) for label in labels]  # the last before pandas 3
    assert back.columns.tolist() in texts
    pd.testing.assert_frame_equal(back, frame.set_axis(back.columns, axis="columns"))


@pytest.mark.filterwarnings("ignore:The DataFrame has column names of mixed type:UserWarning")
@each(
    ("labels", "name"),
    [
        (["a", "a"], "a"),
        ([1, "1"], "1"),
        ([True, "True"], "True"),
        ([None, "None"], "None"),
        ([b"a", "a"], "a"),
        ([("s", 1), ("s", "1")], "('s', '1')"),
        (pd.MultiIndex.from_tuples([("s", 1), ("s", "1")]), "('s', '1')"),
    ],
)
def test_labels_of_the_same_text_are_refused(tmp_path, layout, labels, name):
    labels = labels if isinstance(labels, pd.Index) else pd.Index(labels, dtype=object, tupleize_cols=False)
    with pytest.raises(ConfigError) as caught:
        WRITERS[layout](frame_of(columns=labels), tmp_path / "a")
    assert "duplicate" in caught.value.what
    assert repr(name) in caught.value.what
    assert [*tmp_path.iterdir()] == []


# Columns that are refused by name


REFUSED = {
    "mixed objects": lambda: ["a", 1],
    "large integers": lambda: [2**70, 1],
    "complex numbers": lambda: [1 + 2j, 0],
    "sparse": lambda: pd.arrays.SparseArray([0, 1]),
    "any objects": lambda: [object(), object()],
    "arrays of two dimensions": lambda: [np.zeros((2, 2)), np.zeros((2, 2))],
    "categories of mixed objects": lambda: pd.Categorical(["a", 1]),
    "pd.cut": lambda: pd.cut([1, 2], 2),
    "categories of periods": lambda: pd.Categorical(pd.period_range("2026", periods=2, freq="D")),
    "categories of tuples": lambda: pd.Categorical([(1, 2), (3, 4)]),
    "an extension array unknown to Arrow": lambda: JSONArray([{"a": 1}, {"b": 2}]),
}


@each("kind", REFUSED)
def test_a_column_that_cannot_be_written_is_refused_by_name(tmp_path, layout, kind):
    frame = pd.DataFrame({"id": ["a", "b"], "odd one": REFUSED[kind]()})
    with pytest.raises(ConfigError, match="'odd one'") as caught:
        WRITERS[layout](frame, tmp_path / "a")
    assert "onvert" in caught.value.hint
    assert "column x" not in caught.value.what
    assert not (tmp_path / "a").exists()
    way_out = ".sparse.to_dense()" if kind == "sparse" else ".astype(str)"
    assert way_out in caught.value.hint or "to strings" in caught.value.hint
    if kind not in ("sparse", "categories of tuples"):
        WRITERS[layout](frame.astype({"odd one": str}), tmp_path / "as strings")


@each(
    ("data", "said"),
    [
        (pd.DataFrame({"a": [1, 2]}, index=["x", 1]), "index level 0 of dtype object"),
        (pd.DataFrame({"a": [1, 2]}, index=pd.CategoricalIndex(pd.cut([1, 2], 2), name="bin")), "column 'bin' of type"),
        (pd.DataFrame(index=range(5)), "the DataFrame has 5 rows and no columns"),
        (pa.table({"a": [1, 2]}).select([]), "data has 2 rows and no columns"),
        (pa.table({"a": [1, 2]}).select([]).to_reader(), "data has 2 rows and no columns"),
        (pa.table({"a": pa.array([(1, 2, 3)], pa.month_day_nano_interval())}), "column 'a' of type month_day_nano"),
        (pa.table({"a": pa.array([{}], pa.struct([]))}), "column 'a' of type struct<>"),
        (
            pa.table({"a": pa.DictionaryArray.from_arrays([0], pa.array(["x"]).dictionary_encode())}),
            "column 'a' of type dictionary<values=dictionary",
        ),
    ],
)
def test_a_table_that_cannot_be_written_says_why(tmp_path, data, said):
    with pytest.raises(ConfigError) as caught:
        write_parquet(data, tmp_path / "a")
    assert said in caught.value.what
    assert caught.value.hint
    assert [*tmp_path.iterdir()] == []


def test_rows_without_columns_can_be_written_with_their_index(tmp_path, layout):
    assert names(pd.DataFrame(index=range(5)), tmp_path, layout, index=True) == ["__index_level_0__"]
    assert len(READERS[layout](tmp_path / "names")) == 5


@pytest.mark.filterwarnings("ignore:Could not serialize pd.DataFrame.attrs:UserWarning")
def test_attrs_that_are_not_json_are_left_out_and_our_own_are_refused(tmp_path, layout):
    frame = frame_of()
    frame.attrs["source"] = object
    WRITERS[layout](frame, tmp_path / "a")
    pd.testing.assert_frame_equal(READERS[layout](tmp_path / "a"), frame)
    frame.attrs["explorer_frames"] = {"rows": object}
    with pytest.raises(ConfigError, match="cannot convert attrs\\['explorer_frames'\\] to JSON"):
        WRITERS[layout](frame, tmp_path / "a")
    frame.attrs = {}
    frame.attrs["lock"] = threading.Lock()
    with suppress(ConfigError):  # by versions of pandas that copy attrs
        WRITERS[layout](frame, tmp_path / "a")


class Subclass(pd.DataFrame):
    _metadata = ("note",)

    @property
    def _constructor(self):
        return Subclass


def test_a_subclass_is_written_as_a_frame(tmp_path, layout):
    frame = Subclass(frame_of())
    frame.note = object()
    WRITERS[layout](frame[[True, False, True, True]], tmp_path / "a")
    assert READERS[layout](tmp_path / "a")["id"].tolist() == ["a", "c", "d"]


# Tables of other libraries

POLARS = {
    "group_by": (
        pl.DataFrame({"k": ["a", "b", "a"], "x": ["x", "y", "z"]}).group_by("k").agg("x").sort("k")["x"],
        [["x", "z"], ["y"]],
    ),
    "lists of categories": (pl.Series([["x", "y"], None], dtype=pl.List(pl.Categorical)), [["x", "y"], None]),
    "lists of enums": (pl.Series([["x", None]], dtype=pl.List(pl.Enum(["x"]))), [["x", None]]),
    "arrays of strings": (pl.Series([["x", "y"]], dtype=pl.Array(pl.String, 2)), [["x", "y"]]),
    "lists of lists of bytes": (pl.Series([[[b"x"], None]], dtype=pl.List(pl.List(pl.Binary))), [[[b"x"], None]]),
    "structs": (pl.Series([{"a": "x", "b": [{"c": "y"}]}]), [{"a": "x", "b": [{"c": "y"}]}]),
    "structs of categories": (pl.Series([{"a": "x"}], dtype=pl.Struct({"a": pl.Categorical})), [{"a": "x"}]),
    "no rows": (pl.Series([], dtype=pl.List(pl.Categorical)), []),
}


@each("kind", POLARS)
def test_nested_columns_of_polars_can_be_read_by_pandas(tmp_path, layout, kind):
    series, values = POLARS[kind]
    if pl.__version__ < "2" and isinstance(series.dtype, pl.List) and series.dtype.inner in (pl.Categorical, pl.Enum):
        pytest.skip("this polars ends the process")
    data = pl.DataFrame({"x": series})
    for given in (data, pl.concat([data.clear(), data, data], rechunk=False)[: len(data)]):
        WRITERS[layout](given, tmp_path / "a")
        read = READERS[layout](tmp_path / "a", dtype_backend="pyarrow")
        assert pa.Table.from_pandas(read)["x"].to_pylist() == values
        READERS[layout](tmp_path / "a")


def test_string_views_are_converted_in_parts():
    data = pl.DataFrame({"id": [f"player{number}" for number in range(300_000)]})
    parts = [*to_reader(data)]
    assert [part.num_rows for part in parts] == [262_144, 37_856]
    assert pa.Table.from_batches(parts)["id"].to_pylist() == data["id"].to_list()


def test_nested_layouts_of_arrow_become_common_ones(tmp_path, layout):
    words = pa.array(["x", "y", None]).dictionary_encode()
    table = pa.table({
        "list": pa.array([["x"], None, []], pa.large_list(pa.string_view())),
        "map": pa.MapArray.from_arrays([0, 1, 2, 3], pa.array(list("abc")), words),
        "dictionary": words.cast(pa.dictionary(pa.int8(), pa.string_view())),
        "size 0": pa.array([[], None, []], pa.list_(pa.int64(), 0)),
        "field": pa.StructArray.from_arrays([words.fill_null("z")], fields=[pa.field("f", words.type, nullable=False)]),
    })  # fmt: skip
    WRITERS[layout](table, tmp_path / "a")
    READERS[layout](tmp_path / "a")
    stored = {"parquet": pq.read_table, "feather": lambda path: pa.ipc.open_file(path).read_all()}[layout](
        tmp_path / "a"
    )
    assert stored.to_pylist() == table.to_pylist()
    assert stored.schema.field("dictionary").type.value_type == pa.string()


def test_tensors_come_back_as_tensors(tmp_path, layout):
    tensors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.arange(6.0).reshape(2, 3))
    receipt = WRITERS[layout](pa.table({"embedding": tensors}), tmp_path / "a")
    assert receipt.schema.types == [tensors.type]
    assert READERS[layout](tmp_path / "a")["embedding"].map(list).tolist() == [[0, 1, 2], [3, 4, 5]]


@each(
    ("dtype", "value", "said"),
    [(pl.Object, object(), "column 'odd one' of dtype Object"), (pl.Int128, 1, "cannot convert column 'odd one'")],
)
def test_a_column_of_polars_without_a_type_of_arrow_is_refused_by_name(tmp_path, layout, dtype, value, said):
    data = pl.DataFrame({"id": ["a"], "odd one": pl.Series([value], dtype=dtype)})
    with pytest.raises(ConfigError, match=said):
        WRITERS[layout](data, tmp_path / "a")
    assert [*tmp_path.iterdir()] == []


class Interchanged:
    """A table with nothing but the interchange protocol, such as a frame of Modin."""

    def __init__(self, table):
        self._table = table

    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        return self._table.__dataframe__(nan_as_null, allow_copy)


def test_a_table_with_the_interchange_protocol_is_written(tmp_path, layout):
    WRITERS[layout](Interchanged(pa.table({"id": ["a", None], "score": [0.5, 1.0]})), tmp_path / "a")
    assert READERS[layout](tmp_path / "a")["id"].isna().tolist() == [False, True]
    with pytest.raises(ConfigError, match="data has 1 row and no columns"):
        WRITERS[layout](Interchanged(pa.table({"id": ["a"]}).select([])), tmp_path / "a")


class OnAnotherDevice(Interchanged):
    def __dataframe__(self, nan_as_null=False, allow_copy=True):
        raise TypeError("the data is on a GPU")

    def to_pandas(self):
        raise NotImplementedError


class PySparkLike:
    def toPandas(self):  # noqa: N802 (as Spark calls it)
        raise NotImplementedError

    def collect(self):
        raise NotImplementedError


@each(
    ("data", "said"),
    [
        (lambda: pl.LazyFrame({"a": [1]}), "data must be a table, got polars LazyFrame\nPass data.collect()."),
        (lambda: pd.Series([1]), "data must be a table, got pandas Series\nPass data.to_frame()."),
        (lambda: frame_of().index, "data must be a table, got pandas RangeIndex\nPass data.to_frame()."),
        (lambda: OnAnotherDevice(None), "OnAnotherDevice (the data is on a GPU)\nPass data.to_pandas()."),
        (PySparkLike, "PySparkLike\nPass data.toPandas()."),
        (lambda: PySparkLike, "got the class "),
        (lambda: np.zeros(2), "data must be a table, got numpy ndarray\nPass a pandas DataFrame"),
        (lambda: [{"a": 1}], "data must be a table, got list\nPass a pandas DataFrame"),
    ],
)
def test_lazy_frame_is_rejected_with_a_hint(tmp_path, data, said):
    with pytest.raises(ConfigError) as caught:
        write_parquet(data(), tmp_path / "a.parquet")
    assert said in str(caught.value)
    assert [*tmp_path.iterdir()] == []


# Lists for fastparquet, which reads text in lists only from pages of a dictionary


def test_lists_of_text_have_a_dictionary_however_large(tmp_path):
    ids = np.char.add("player", np.arange(100_000).astype("U9"))
    lists = pa.ListArray.from_arrays(np.arange(0, 400_001, 4, dtype="i4"), np.tile(ids, 4))
    numbers = pa.ListArray.from_arrays(np.arange(100_001, dtype="i4"), np.arange(100_000))
    write_parquet(pa.table({"path": lists, "numbers": numbers}), tmp_path / "a", compression=None)
    path, plain = (pq.read_metadata(tmp_path / "a").row_group(0).column(place) for place in (0, 1))
    assert path.has_dictionary_page
    assert not plain.has_dictionary_page
    # Each id once, and 17 bits for each place; without a dictionary, which is given up at 1 MiB by default, 6 MB.
    assert path.total_uncompressed_size < 2_700_000


@each(
    ("column", "expected"),
    [
        (pa.array([["a"], None]), True),
        (pa.array([[b"a"]], pa.large_list(pa.binary())), True),
        (pa.array([{"f": [["a"]]}]), True),
        (pa.array([[("k", "v")]], pa.map_(pa.string(), pa.string())), True),
        (pa.array([{"f": "a"}]), False),
        (pa.array([[0.5]]), False),
        (pa.array([], pa.list_(pa.string())), True),
    ],
)
def test_text_in_lists_has_a_dictionary(tmp_path, column, expected):
    write_parquet(pa.table({"a.b": column}), tmp_path / "a")
    if len(column):
        assert pq.read_metadata(tmp_path / "a").row_group(0).column(0).has_dictionary_page is expected
    assert pq.read_table(tmp_path / "a")["a.b"].to_pylist() == column.to_pylist()


LYING = pa.Array.from_buffers(
    pa.string(), 2, [None, pa.array([0, 1, 2], pa.int32()).buffers()[1], pa.py_buffer(b"a\xff")]
)


@pytest.mark.parametrize(
    "column",
    [
        LYING,
        pa.ListArray.from_arrays([0, 2], LYING),
        pa.DictionaryArray.from_arrays(pa.array([0, 1]), LYING, safe=False),
    ],
    ids=["string", "list", "dictionary"],
)
@pytest.mark.parametrize("write", [write_parquet, write_feather])
def test_invalid_arrow_arrays_are_rejected(tmp_path, write, column):
    """A file with them cannot be read again."""
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(ConfigError, match="column 'x' is invalid"):
        write(pa.table({"x": column}), target)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
