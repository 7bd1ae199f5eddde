"""A caller's own columns of bools, dates, timestamps, decimals and dictionaries: the accepted text, and no other."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import oracle
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from cases import each
from column_types import COLUMN_TYPES
from faults.rawserver import answer, envelope
from hypothesis import given, strategies as st
from served import served

from explorer_frames import (
    _schemas,
    _types,
    export_output,
    open_output,
    provenance,
    read_output,
    read_output_arrow,
    read_provenance,
    verify_file,
    write_feather,
    write_parquet,
)
from explorer_frames._errors import escaped
from explorer_frames._types import parse
from explorer_frames.errors import ColumnTypeError, ConfigError

KINDS = [*COLUMN_TYPES.items()]
NAMES = [str(kind) for kind in COLUMN_TYPES]


def read_json(rows: list[list[str | None]], schema: pa.Schema) -> pa.Table:
    """Read rows from a real server that answers with exactly these."""
    with served(lambda *_: answer(envelope(json.dumps(rows)))) as (_, explorer):
        return explorer.read_sample_result_arrow(1, "t", 1_000_000, schema=schema)


def columns(kind: pa.DataType, name: str = "x") -> pa.Schema:
    return pa.schema([("id", pa.string()), (name, kind)])


def quoted(text: str) -> str:
    return f'"{text}"' if "\n" in text or "," in text or not text else text


@each(("kind", "texts"), KINDS, NAMES)
def test_accepted_text_is_read(tmp_path, kind, texts):
    accepted, _ = texts
    path = tmp_path / "part.csv"
    path.write_text("".join(f"a,{text}\n" for text in accepted), encoding="utf-8")
    rows = [["a", text] for text in accepted]
    encoded = pa.dictionary(pa.int8(), kind)
    for column in (kind, pa.list_(kind), encoded):
        for table in (read_json(rows, columns(column)), read_output_arrow(path, schema=columns(column))):
            assert table.schema.field("x").type == column
            table.validate(full=True)
            found = table["x"].to_pylist()
            found = [value[0] for value in found] if column == pa.list_(kind) else found
            assert found == [*accepted.values()]


@each(("kind", "texts"), KINDS, NAMES)
def test_other_text_is_refused_with_row_column_value_and_hint(tmp_path, kind, texts):
    accepted, refused = texts
    path = tmp_path / "part.csv"
    good = next(iter(accepted))
    for text in refused:
        path.write_text(f"a,{good}\nb,{good}\nc,{quoted(text)}\nd,{quoted(text)}\n", encoding="utf-8")
        for column in (kind, pa.list_(kind), pa.dictionary(pa.int8(), kind)):
            with pytest.raises(ColumnTypeError) as caught:
                read_output_arrow(path, schema=columns(column))
            error = caught.value
            assert (error.row, error.column, error.where.endswith("line 3")) == (2, "x", True), text
            assert error.value == escaped(text, 80)
            assert str(error).startswith(f"row 2, column 'x': cannot convert {error.value!r} to {kind}"), text
            assert "string" in error.hint
            assert text == "" or "Valid values are " in error.hint


def test_refusals_of_answers_are_those_of_parts():
    for kind, (accepted, refused) in COLUMN_TYPES.items():
        rows = [["a", next(iter(accepted))], ["b", refused[0]]]
        with pytest.raises(ColumnTypeError) as caught:
            read_json(rows, columns(kind))
        assert (caught.value.row, caught.value.column, caught.value.value) == (1, "x", refused[0])


@each(("kind", "texts"), KINDS, NAMES)
def test_missing_cells_are_null_or_refused_as_the_field_says(kind, texts):
    text, value = next(iter(texts[0].items()))
    for column in (kind, pa.dictionary(pa.int8(), kind)):
        assert read_json([["a", text], ["b", None], ["c", None]], columns(column))["x"].to_pylist() == [
            value,
            None,
            None,
        ]
        assert read_json([["a", None]], columns(column))["x"].null_count == 1
        strict = pa.schema([pa.field("id", pa.string()), pa.field("x", column, nullable=False)])
        with pytest.raises(ColumnTypeError, match="null") as caught:
            read_json([["a", text], ["b", None]], strict)
        assert (caught.value.row, caught.value.column) == (1, "x")


@each(("kind", "texts"), KINDS, NAMES)
def test_results_without_rows_have_the_types(kind, texts):
    for column in (kind, pa.list_(kind), pa.dictionary(pa.int32(), kind)):
        table = read_json([], columns(column))
        assert (table.num_rows, table.schema.field("x").type) == (0, column)


def test_the_first_refused_cell_is_named_among_many(tmp_path):
    path = tmp_path / "part.csv"
    lines = [f"a,{number % 2 == 0}" for number in range(5000)]
    for first in (0, 1, 2499, 2500, 4321, 4999):
        wrong = [*lines[:first], "a,x", *(["a,y"] * (4999 - first))]
        path.write_text("\n".join(wrong) + "\n")
        with pytest.raises(ColumnTypeError) as caught:
            read_output_arrow(path, schema=columns(pa.bool_()))
        assert (caught.value.row, caught.value.value) == (first, "x")


def test_hints_describe_the_accepted_text(tmp_path):
    path = tmp_path / "part.csv"
    path.write_text("a,x\n")
    described = {
        pa.bool_(): "true and false in any case",
        pa.date32(): "YYYY-MM-DD",
        pa.timestamp("s"): "YYYY-MM-DDThh:mm:ss, with no fractional digits and no UTC offset",
        pa.timestamp("us", "UTC"): "up to 6 fractional digits and a UTC offset such as Z or +08:00",
        pa.timestamp("ns"): "from 1677-09-21 to 2262-04-11",
        pa.decimal128(10, 2): "at most 8 digits before the decimal point and 2 after it",
    }
    for kind, words in described.items():
        with pytest.raises(ColumnTypeError) as caught:
            read_output_arrow(path, schema=columns(kind))
        assert words in caught.value.hint


# --- against datetime and decimal

UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}


@given(
    st.datetimes(),
    st.sampled_from([*UNITS]),
    st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 9)),
    st.none() | st.integers(-1439, 1439),
    st.sampled_from("T "),
)
def test_timestamps_agree_with_datetime(moment, unit, second, offset, between):
    fraction, digits = second
    moment = moment.replace(microsecond=0)
    shown = f".{fraction:09}"[: digits + 1] if digits else ""
    sign = "-" if (offset or 0) < 0 else "+"
    zone = "" if offset is None else f"{sign}{abs(offset) // 60:02}:{abs(offset) % 60:02}"
    text = f"{moment.isoformat(between)}{shown}{zone}"
    seconds = (moment - datetime(1970, 1, 1)) // timedelta(seconds=1) - 60 * (offset or 0)
    exact = seconds * 10**9 + (int(shown[1:].ljust(9, "0")) if digits else 0)
    inside = -62_135_596_800 <= seconds <= 253_402_300_799
    value = exact // 10 ** (9 - UNITS[unit])
    valid = digits <= UNITS[unit] and inside and abs(value) < 2**63
    for name in (None, "UTC", "Asia/Shanghai"):
        kind = pa.timestamp(unit, name)
        found = parse(pa.array([text, None]), kind)
        if not valid or (name is None) != (offset is None):
            assert found is None
        else:
            assert found.type == kind
            assert found.cast(pa.int64()).to_pylist() == [value, None]


@given(st.integers(1, 76), st.data())
def test_decimals_agree_with_decimal(precision, data):
    scale = data.draw(st.integers(0, precision))
    digits = data.draw(st.integers(-(10 ** (precision + 1)), 10 ** (precision + 1)))
    point = data.draw(st.integers(0, precision + 2))
    text = _pointed(digits, point) if point else str(digits)
    kind = (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale)
    found = parse(pa.array([text]), kind)
    try:
        expected = oracle.typed([text], [str(kind)])
    except oracle.RefusedError:
        assert found is None
    else:
        assert found.to_pylist() == expected


def _pointed(digits: int, point: int) -> str:
    text = str(abs(digits)).rjust(point + 1, "0")
    return f"{'-' * (digits < 0)}{text[:-point]}.{text[-point:]}"


@given(st.text(st.sampled_from("0123456789-+.:TZ eE,_"), max_size=30) | st.text(max_size=8))
def test_any_text_is_read_as_the_oracle_reads_it(text):
    for kind in COLUMN_TYPES:
        if str(kind) in oracle.KINDS:
            found = parse(pa.array([text]), kind)
            try:
                expected = oracle.typed([text], [str(kind)])
            except oracle.RefusedError:
                assert found is None, kind
            else:
                assert found.to_pylist() == expected, kind


# --- schemas


def test_every_type_is_tested_and_documented():
    page = (Path(__file__).parents[1] / "docs/reference/schemas.md").read_text(encoding="utf-8")
    for kind in COLUMN_TYPES:
        assert f"`{re.match('[a-z0-9]+', str(kind))[0]}" in page, kind
    kinds = [pa.string(), pa.int64(), pa.float64(), *COLUMN_TYPES]
    for row in _types.COLUMN_TYPES:
        assert any(map(row.includes, kinds)), row.name


def test_types_that_text_cannot_have_are_refused():
    for kind in (
        pa.float16(),
        pa.date64(),
        pa.time64("us"),
        pa.duration("s"),
        pa.binary(),
        pa.null(),
        pa.decimal128(5, -2),
        pa.decimal128(2, 5),
        pa.string_view(),
        pa.dictionary(pa.int8(), pa.string(), ordered=True),
        pa.dictionary(pa.int8(), pa.dictionary(pa.int8(), pa.string())),
        pa.dictionary(pa.int8(), pa.list_(pa.string())),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
        pa.struct([("a", pa.string())]),
    ):
        with pytest.raises(ConfigError, match=r"unsupported type .* for column 'x'") as caught:
            _schemas.checked(columns(kind))
        assert "date32" in caught.value.hint


def test_time_zones_that_pandas_does_not_have_are_refused():
    for zone in ("Nowhere/X", "+25:00", "America", "../UTC", "+8", "a\0b"):
        for kind in (
            pa.timestamp("us", zone),
            pa.list_(pa.timestamp("s", zone)),
            pa.dictionary(pa.int8(), pa.timestamp("s", zone)),
        ):
            with pytest.raises(ConfigError, match="unknown time zone"):
                _schemas.checked(columns(kind))
    for zone in ("UTC", "Asia/Shanghai", "+08:00", "-23:59", "Etc/GMT+5"):
        _schemas.checked(columns(pa.timestamp("us", zone)))


def test_a_header_above_one_column_that_is_not_text_is_known(tmp_path):
    path = tmp_path / "part.csv"
    for kind, text in (
        (pa.date32(), "2026-11-29"),
        (pa.bool_(), "true"),
        (pa.dictionary(pa.int8(), pa.bool_()), "true"),
    ):
        path.write_text(f"Day\n{text}\n")
        assert read_output_arrow(path, schema=pa.schema([("day", kind)])).num_rows == 1
    path.write_text("day\nnight\n")
    words = pa.schema([("day", pa.dictionary(pa.int8(), pa.string()))])
    assert read_output_arrow(path, schema=words)["day"].to_pylist() == ["day", "night"]


# --- dictionaries

WORDS = pa.dictionary(pa.int16(), pa.string())


@pytest.fixture
def parts(tmp_path):
    """Three parts: the second repeats values, the third has new ones."""
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, words in enumerate((["red", "blue", "red"], ["blue", "", "red"], ["green", "blue", "white"])):
        (folder / f"part-{number}.csv").write_text("".join(f"{number},{quoted(word)}\n" for word in words))
    return folder


ALL = ["red", "blue", "red", "blue", "", "red", "green", "blue", "white"]


def test_the_dictionary_of_each_batch_extends_the_last(parts):
    with open_output(parts, schema=columns(WORDS)) as reader:
        batches = list(reader)
    dictionaries = [batch["x"].dictionary.to_pylist() for batch in batches]
    assert dictionaries == [["red", "blue"], ["red", "blue", ""], ["red", "blue", "", "green", "white"]]
    assert [value for batch in batches for value in batch["x"].to_pylist()] == ALL


def test_streams_of_answers_extend_their_dictionaries_too():
    words = [f"w{number // 2500}" for number in range(30_000)]
    rows = json.dumps([["an id of some length, so that there are many pieces", word] for word in words])
    with (
        served(lambda *_: answer(envelope(rows))) as (_, explorer),
        explorer.open_sample_result(1, "t", None, schema=columns(WORDS)) as reader,
    ):
        batches = list(reader)
    assert len(batches) > 2
    dictionaries = [batch["x"].dictionary.to_pylist() for batch in batches]
    assert all(later[: len(one)] == one for one, later in pairwise(dictionaries))
    assert [value for batch in batches for value in batch["x"].to_pylist()] == words
    with served(lambda *_: answer(envelope(rows))) as (_, explorer):
        table = explorer.read_sample_result_arrow(1, "t", None, schema=columns(WORDS))
        assert table["x"].to_pylist() == words
        for backend in (None, "numpy_nullable", "pyarrow"):
            frame = explorer.read_sample_result(1, "t", None, schema=columns(WORDS), dtype_backend=backend)
            assert frame["x"].tolist() == words


@pytest.mark.parametrize("rows", [1, 2, 4, 262_144])
@pytest.mark.parametrize("suffix", ["parquet", "feather"])
def test_files_of_several_parts_read_back_equal(parts, tmp_path, suffix, rows):
    target = tmp_path / f"out.{suffix}"
    receipt = export_output(parts, target, schema=columns(WORDS), row_group_size=rows)
    read = pq.read_table if suffix == "parquet" else pyarrow.feather.read_table
    table = read(target)
    assert table["x"].to_pylist() == ALL
    kind = table.schema.field("x").type
    assert kind == WORDS if suffix == "feather" else kind.value_type == pa.string()  # old pyarrow reads int32 indices
    assert (receipt.rows, receipt.complete) == (9, True)
    assert read_provenance(target).content_hash == receipt.content_hash
    verify_file(target)


@each(("kind", "texts"), KINDS, NAMES)
def test_files_of_every_type_read_back_equal(tmp_path, kind, texts):
    texts = [*texts[0]]
    parts = tmp_path / "parts"
    parts.mkdir(exist_ok=True)
    for number, text in enumerate(texts):
        (parts / f"{number}.csv").write_text(f"a,{text}\n")
    for path in parts.iterdir():
        if int(path.stem) >= len(texts):
            path.unlink()
    for column in (kind, pa.dictionary(pa.int8(), kind), pa.list_(kind)):
        table = read_output_arrow(parts, schema=columns(column))
        for write, read in ((write_parquet, pq.read_table), (write_feather, pyarrow.feather.read_table)):
            target = tmp_path / "file"
            write(table, target, row_group_size=1)
            stored = read(target)
            assert stored["x"].to_pylist() == table["x"].to_pylist()
            if write is write_feather:
                assert stored.schema.field("x").type == column
            assert provenance(stored).complete


def test_dictionary_preserves_every_float(tmp_path):
    path = tmp_path / "part.csv"
    path.write_text("a,nan\na,-0\na,0\na,NaN\na,inf\n")
    kind = pa.dictionary(pa.int8(), pa.float64())
    assert list(map(repr, read_output_arrow(path, schema=columns(kind))["x"].to_pylist())) == [
        *("nan", "-0.0", "0.0", "nan", "inf")
    ]
    for backend, dtype in ((None, "float64"), ("numpy_nullable", "Float64")):  # categories of pandas cannot have them
        frame = read_output(path, schema=columns(kind), dtype_backend=backend)
        assert list(map(repr, frame["x"].to_numpy(float, na_value=float("nan")).tolist())) == [
            "nan",
            "-0.0",
            "0.0",
            "nan",
            "inf",
        ]
        assert frame["x"].dtype == dtype


def test_more_values_than_indices_are_refused(tmp_path):
    parts = tmp_path / "parts"
    parts.mkdir()
    for index, room in ((pa.int8(), 128), (pa.uint8(), 256)):
        kind = pa.dictionary(index, pa.int64())
        (parts / "a.csv").write_text("".join(f"a,{number % 100}\n" for number in range(200)))
        (parts / "b.csv").write_text("".join(f"a,{number}\n" for number in range(50, room)))
        table = read_output_arrow(parts, schema=columns(kind))
        assert (table.num_rows, table["x"].to_pylist()[-1]) == (200 + room - 50, room - 1)
        (parts / "c.csv").write_text(f"a,1\na,{room + 5}\na,{room}\n")
        with pytest.raises(ColumnTypeError, match=f"limited to {room} values, cannot add '{room + 5}'") as caught:
            read_output_arrow(parts, schema=columns(kind))
        assert (caught.value.row, caught.value.column) == (200 + room - 50 + 1, "x")
        assert caught.value.where.endswith("c.csv, line 2")
        assert "int32" in caught.value.hint
        (parts / "c.csv").unlink()
    (parts / "c.csv").write_text(f"a,{'y' * 81}\n")
    with pytest.raises(ColumnTypeError, match=f"limited to 256 values, cannot add '{'y' * 77}[.]{{3}}'"):
        read_output_arrow(parts, schema=columns(pa.dictionary(pa.uint8(), pa.string())))


def test_a_table_has_one_dictionary_per_column(parts):
    table = read_output_arrow(parts, schema=columns(WORDS))
    assert table["x"].num_chunks == 3
    assert {tuple(chunk.dictionary.to_pylist()) for chunk in table["x"].chunks} == {
        ("red", "blue", "", "green", "white")
    }
    assert len({chunk.dictionary.buffers()[2].address for chunk in table["x"].chunks}) == 1
    assert table.schema.equals(columns(WORDS))
    assert provenance(table).complete


def test_a_batch_shares_the_dictionary_of_the_one_before_where_no_value_is_new(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.csv").write_text("a,red\nb,blue\n")
    with open_output(tmp_path, schema=columns(WORDS)) as reader:
        addresses = {batch["x"].dictionary.buffers()[2].address for batch in reader}
    assert len(addresses) == 1
