"""No number changes without an error: integers beyond 2**53, float32 columns, and the columns of Node2Vec."""

from __future__ import annotations

import json
import math
import re
from fractions import Fraction

import numpy as np
import oracle
import pyarrow as pa
import pytest
from faults.rawserver import answer, envelope
from hypothesis import given, settings, strategies as st
from served import served

from explorer_frames import _schemas, export_output, open_output, read_output, read_output_arrow
from explorer_frames.errors import ColumnTypeError, DecodeError

LIST = pa.schema([("id", pa.string()), ("values", pa.list_(pa.float64()))])
FLOAT32 = pa.schema([("id", pa.string()), ("score", pa.float32())])
LARGE = [
    "9007199254740993",
    "-9007199254740993",
    "+9007199254740993",
    "0009007199254740993",
    "-00009007199254740994",
    "9007199254740994",  # a double represents it, but an id is still not a score
    "1152921504606846976",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551616",
    "1" * 30,
    "1" * 300,
    "0" * 5000 + "9007199254740993",
]
SCORES = {
    "9007199254740992": 2.0**53,
    "-9007199254740992": -(2.0**53),
    "+9007199254740992": 2.0**53,
    "00000000000009007199254740992": 2.0**53,
    "0" * 5000 + "7": 7.0,
    "-" + "0" * 30: -0.0,
    "9007199254740991": 2.0**53 - 1,
    "9007199254740993.0": 2.0**53,
    "9007199254740993.": 2.0**53,
    "10000000000000000.000000": 1e16,
    "9007199254740993e0": 2.0**53,
    "1e22": 1e22,
    "1.5E+300": 1.5e300,
    "-Infinity": -math.inf,
}


def read_json(items: str, schema: object, vid_type: str = "string") -> pa.Table:
    """Read rows from a real server that answers with exactly this list."""
    with served(lambda *_: answer(envelope(items))) as (_, explorer):
        return explorer.read_sample_result_arrow(1, "t", 1000, schema=schema, vid_type=vid_type)


@pytest.mark.parametrize("schema", ["pagerank", LIST, FLOAT32], ids=["double", "list", "float32"])
@pytest.mark.parametrize("text", LARGE, ids=lambda text: text[:24] + "x" * (len(text) > 24))
def test_large_integers_are_refused_in_scores(tmp_path, text, schema):
    path = tmp_path / "part.csv"
    path.write_text(f'a,0.5\n"b\nb",inf\nc,{text}\n')
    rows = json.dumps([["a", "0.5"], ["b", "inf"], ["c", text]])
    reads = [lambda: read_json(rows, schema), lambda: read_output_arrow(path, schema=schema)]
    if re.fullmatch("-?[1-9][0-9]*", text):  # the other spellings are not JSON
        number = rows.replace(f'"{text}"', text)
        reads.append(lambda: read_json(number, schema))
    for read in reads:
        with pytest.raises(ColumnTypeError, match=r"(?s)row 2, column '(score|values)': ") as caught:
            read()
        assert (caught.value.row, caught.value.column) == (2, "values" if schema is LIST else "score")
        assert caught.value.hint.startswith("Integers beyond 2**53 are usually vertex ids")
        fits = re.fullmatch("-?[1-9][0-9]*", text) and -(2**63) <= int(text) < 2**63
        assert caught.value.hint.endswith(f"this column is {'int64 or string' if fits else 'string'}.")


@pytest.mark.parametrize(("text", "value"), SCORES.items(), ids=[text[:24] for text in SCORES])
def test_other_spellings_are_scores(tmp_path, text, value):
    path = tmp_path / "part.csv"
    path.write_text(f"a,{text}\nb,9.5\n")
    rows = json.dumps([["a", text], ["b", "9.5"]])
    for table in (read_json(rows, "pagerank"), read_output_arrow(path, schema="pagerank")):
        [score, _] = table["score"].to_pylist()
        assert np.float64(score).tobytes() == np.float64(value).tobytes()


def test_every_reader_refuses_a_large_integer(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "part.csv").write_text("a,0.5\nb,9007199254740993\n")
    target = tmp_path / "out.parquet"

    def stream():
        with open_output(tmp_path / "in", schema="sssp") as reader:
            return reader.read_all()

    for read in (
        stream,
        lambda: read_output(tmp_path / "in", schema="sssp"),
        lambda: read_output(tmp_path / "in", schema="sssp", dtype_backend="numpy_nullable"),
        lambda: export_output(tmp_path / "in", target, schema="sssp"),
    ):
        with pytest.raises(ColumnTypeError, match="9007199254740993"):
            read()
    assert not target.exists()


@pytest.mark.parametrize("kind", ["int64", "string"])
def test_the_schemas_of_the_hint_keep_the_integer(kind):
    own = pa.schema([("id", pa.string()), ("value", getattr(pa, kind)())])
    items = '[["a","9007199254740993"],["b","9223372036854775807"]]'
    expected = [9007199254740993, 9223372036854775807]
    assert read_json(items, own)["value"].to_pylist() == (expected if kind == "int64" else list(map(str, expected)))
    assert read_json(items, "louvain")["community"].to_pylist() == list(map(str, expected))


def test_columns_of_infinities_and_missing_scores_are_read():
    texts = [None, "inf", "-inf", "nan", "1e300", "9007199254740992", "0.5"] * 100
    table = read_json(json.dumps([["a", text] for text in texts]), "sssp")
    expected = [None if text is None else float(text) for text in texts]
    assert list(map(repr, table["distance"].to_pylist())) == list(map(repr, expected))


@pytest.mark.parametrize("missing", [False, True])
def test_the_first_large_integer_is_named(missing):
    rows = [["a", None if missing else "1e300"], ["b", "inf"], ["c", "9007199254740993"], ["d", "9007199254740995"]]
    with pytest.raises(ColumnTypeError) as caught:
        read_json(json.dumps(rows), "pagerank")
    assert (caught.value.row, caught.value.value) == (2, "9007199254740993")


# --- float32


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("16777217.0000000001", 16777218.0),
        ("16777217", 16777216.0),
        ("-16777217.0000000001", -16777218.0),
        ("1.00000005960464477539062500001", 1.0000001192092896),
        ("1.000000059604644775390625", 1.0),
        ("1.0000000596046447753906249", 1.0),
        ("0.1", 0.10000000149011612),
        ("3.4028235677973365e38", 3.4028234663852886e38),
        ("340282356779733661637539395458142568447", None),  # an integer beyond 2**53
        ("340282356779733661637539395458142568447.9", 3.4028234663852886e38),
        ("340282356779733661637539395458142568448.0", None),  # the middle rounds to even: overflow
        ("-340282356779733661637539395458142568448.0", None),
        ("1e39", None),
        ("1e400", None),
        ("nan(1)", None),
        ("0.7006492321624085354618e-45", 0.0),
        ("-0.7006492321624085354618e-45", -0.0),
        ("0.7006492321624085354619e-45", 1.401298464324817e-45),
        ("1.1754943508222874e-38", 1.1754943508222875e-38),
        ("1e-400", 0.0),
        ("-0", -0.0),
        ("inf", math.inf),
        ("NaN", math.nan),
    ],
)
def test_float32_is_rounded_once(text, value):
    items = json.dumps([["a", "0.5"], ["b", text]])
    nested = pa.schema([("id", pa.string()), ("score", pa.list_(pa.float32()))])
    for schema in (FLOAT32, nested):
        if value is None:
            with pytest.raises(ColumnTypeError) as caught:
                read_json(items, schema)
            assert (caught.value.row, caught.value.column) == (1, "score")
            continue
        found = read_json(items, schema)["score"].to_pylist()[1]
        [found] = found if schema is nested else [found]
        assert np.float64(found).tobytes() == np.float64(value).tobytes()


@settings(max_examples=settings.default.max_examples // 2)  # each example writes and reads a file
@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False),
    st.sampled_from(["1", "-1", "0"]),
    st.integers(1, 400),
    st.sampled_from(["middle", "float"]),
)
def test_float32_agrees_with_exact_fractions(tmp_path_factory, number, sign, place, kind):
    step = Fraction(2) ** max(math.frexp(number)[1] - 24, -149)
    exact = Fraction(number) + (step / 2 if kind == "middle" else 0)
    scaled = exact * 10**420 + int(sign) * 10 ** (420 - place)
    text = f"{scaled.numerator}e-420"
    assert scaled.denominator == 1
    path = tmp_path_factory.getbasetemp() / "float32.csv"
    path.write_text(f"a,{text}\n")
    try:
        expected = oracle.typed(["a", text], ["string", "float"])[1]
    except oracle.RefusedError:
        with pytest.raises(DecodeError):
            read_output_arrow(path, schema=FLOAT32)
        return
    [found] = read_output_arrow(path, schema=FLOAT32)["score"].to_pylist()
    assert np.float64(found).tobytes() == np.float64(expected).tobytes(), text


# --- Node2Vec


@pytest.mark.parametrize("vid_type", ["string", "int64"])
def test_node2vec_reads_the_vertices_of_each_walk(tmp_path, vid_type):
    path = tmp_path / "walks.csv"
    path.write_text("1,2,1,9007199254740993\n2,1\n3\n")
    table = read_output_arrow(path, schema="node2vec", vid_type=vid_type)
    convert = int if vid_type == "int64" else str
    assert table.schema.types == [pa.list_(_schemas.VID_TYPES[vid_type])]
    assert table.to_pydict() == {"path": [list(map(convert, row)) for row in ([1, 2, 1, 2**53 + 1], [2, 1], [3])]}
    walks = read_json('[["1","2","1"],["2","3","2"]]', "node2vec", vid_type)["path"].to_pylist()
    assert walks == [list(map(convert, row)) for row in ([1, 2, 1], [2, 3, 2])]


def test_walks_are_not_numbers():
    with pytest.raises(ColumnTypeError) as caught:
        read_json('[["1","2"],["2","0.5"]]', "node2vec", "int64")
    assert (caught.value.row, caught.value.column, caught.value.value) == (1, "path", "0.5")
