"""Bytes -> batches: `_envelope`, `_rows` and `_decode` together, against the oracle."""

from __future__ import annotations

import json
import math
import random
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import oracle
import pyarrow as pa
import pytest
from faults.bodies import BAD_FLOATS, GOOD_FLOATS, IDS, INVALID, PUBLISHED, wrap
from hypothesis import example, given, strategies as st

from explorer_frames import _schemas
from explorer_frames._arguments import EVERYTHING
from explorer_frames._decode import envelope
from explorer_frames._decode.cells import to_batch
from explorer_frames._decode.envelope import read_rows
from explorer_frames._decode.rows import cut, split
from explorer_frames._provenance import Provenance
from explorer_frames._results.reading import Query, Result, RowLimits
from explorer_frames.errors import (
    ApiError,
    ColumnTypeError,
    DecodeError,
    EnvelopeError,
    ExplorerFramesError,
    RowShapeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def pieces(body: bytes, *sizes: int):
    at, turn = 0, 0
    while at < len(body):
        size = sizes[turn % len(sizes)]
        yield body[at : at + size]
        at, turn = at + size, turn + 1


def opened(
    body: bytes, *sizes: int, schema: object = None, vid_type: str = "string", limit: int | None = None
) -> Result:
    query = Query.of(1, "t", limit, _schemas.SchemaRequest.of(schema, vid_type))
    provenance = Provenance(server="s", limit=query.limit)
    given = pieces(body, *(sizes or (2**20,)))
    return Result(query, read_rows(given, query.limit or EVERYTHING), provenance, RowLimits(None))


def read(body: bytes, *sizes: int, **how: Any) -> pa.Table:
    result = opened(body, *sizes, **how)
    return pa.Table.from_batches(list(result), result.schema)


def refusal(body: bytes, *sizes: int, **how: Any) -> DecodeError | None:
    try:
        read(body, *sizes, **how)
    except DecodeError as error:
        return error
    return None


def regular(*parts: bytes) -> bool:
    return all(rows.quotes is not None for rows in read_rows(parts))


# --- decoding beside the receiving


def batches(body: bytes, size: int, take: Callable[[Result], Iterable[pa.RecordBatch]]) -> tuple[list, str, Any]:
    """What comes, up to an error, and what is known at the end."""
    seen, result = [], None
    try:
        result = opened(body, size)
        seen.extend(take(result))
    except ExplorerFramesError as error:
        return seen, repr(error), None
    return seen, "", replace(result.provenance, content_hash=None)  # of whole reads only


MANY = [f'["a{number}","{number}"]' for number in range(50)]
BAD_SCORE, BAD_ROW = '["a","x"]', '"a"'


def many(*more: str) -> bytes:
    return wrap(f"[{','.join([*MANY[:30], *more[:1], *MANY[30:], *more[1:]])}]")


IN_PIECES = INVALID | {
    "published": PUBLISHED,
    "many": many(),
    "a bad score": many(BAD_SCORE),
    "a bad score, then a bad row": many(BAD_SCORE, BAD_ROW),
    "a bad row, then a bad score": many(BAD_ROW, BAD_SCORE),
    "an error behind the rows": many().replace(b'"code":0,', b"")[:-1] + b',"code":50004000}',
}


LARGE = [name for name, body in INVALID.items() if len(body) > 10_000]


def same_beside(name: str, size: int) -> bool:
    return batches(IN_PIECES[name], size, Result.overlapped) == batches(IN_PIECES[name], size, iter)


@pytest.mark.parametrize("size", [7, 40, 400])
def test_decoding_in_a_thread_gives_the_same_result(size):
    assert [name for name in IN_PIECES if name not in LARGE and not same_beside(name, size)] == []


@pytest.mark.parametrize("name", LARGE)
def test_decoding_large_responses_in_a_thread_gives_the_same_result(name):
    assert same_beside(name, 400)


def test_batches_before_an_error_are_yielded_first():
    for body, error in ((many(BAD_SCORE, BAD_ROW), "ColumnTypeError"), (many(BAD_ROW, BAD_SCORE), "RowShapeError")):
        seen, raised, _ = batches(body, 40, Result.overlapped)
        assert sum(batch.num_rows for batch in seen) > 20
        assert raised.startswith(error)


# --- any valid envelope reads right


def test_the_published_answer():
    table = read(PUBLISHED)
    assert table.to_pydict() == {"id": ["player110", "team219"], "score": [0.15, 0.452126]}
    assert regular(PUBLISHED)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_keys_in_any_order_decoys_white_space_escapes_numbers(size):
    for body in (
        b'{"data":{"items":[["a","1"]]},"code":0}',
        b'{"message":"x","data":{"items":[["a","1"]],"more":[["z","9"]]},"code":0}',
        b'{"items":[["z","9"]],"code":0,"data":{"x":{"items":[["z","9"]]},"items":[["a","1"]]}}',
        b'{"x":"\\"data\\":{\\"items\\":[[","code":0,"data":{"items":[["a","1"]]}}',
        b'{"c\\u006fde":0,"d\\u0061ta":{"\\u0069tems":[["a","1"]]}}',
        b'\n { "code" :\t0 ,\r\n "data" : { "items" : [ [ "a" , "1" ] ] } } \n',
        b'{"code":0,"data":{"items":[["\\u0061","1"]]}}',
        b'{"code":0,"data":{"items":[["a",1]]}}',
        b'{"code":0,"data":{"items":[["a",1.0]]}}',
        b'{"code":0,"data":{"items":[["a","1"]],"items2":[["b","2"],["c","3"]]}}',
        b'{"code":0,"big":[[["deep"]],{"a":[1,2,{"b":null}]}],"data":{"items":[["a","1"]]}}',
        b'{"code":-0,"data":{"items":[["a","1"]]}}',
    ):
        assert read(body, size).to_pydict() == {"id": ["a"], "score": [1.0]}, body


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("size", [1000, 4096, 2**20])
def test_ids_come_through_byte_for_byte(ascii_only, indent, size):
    rows = [[text, "1"] for text in IDS]
    body = json.dumps({"code": 0, "data": {"items": rows}}, ensure_ascii=ascii_only, indent=indent).encode()
    assert read(body, size)["id"].to_pylist() == IDS


def test_unescaped_text_uses_the_fast_path():
    plain = [text for text in IDS if "\\" not in text and '"' not in text and text.isprintable()]
    for text in plain:
        body = json.dumps({"code": 0, "data": {"items": [[text, "1"]] * 3}}, ensure_ascii=False, separators=(",", ":"))
        assert regular(body.encode()), text[:100]
    assert len(plain) > 20


@pytest.mark.parametrize("width", [1, 2, 3])
def test_fast_path_is_used_for_any_chunk_boundary(width):
    for text in ("a", "", "\\\\", "漢"):
        body = wrap(json.dumps([[text] * width] * 4, ensure_ascii=False, separators=(",", ":")))
        assert all(regular(body[:at], body[at:]) for at in range(len(body))), text


@pytest.mark.parametrize("width", [1, 2])
def test_error_at_the_end_of_a_chunk_is_rejected(width):
    own = pa.schema([pa.field(f"c{number}", pa.string()) for number in range(width)])
    for tail in ('["","",""]', '["","', '[""', '["a', '[""x', "[", "[[", '"],["', '""', '"]', ","):
        body = wrap(json.dumps([["1"] * width] * 3, separators=(",", ":"))[:-1] + "," + tail + "]")
        with pytest.raises(oracle.RefusedError):
            oracle.read(body, ["string"] * width)
        assert [at for at in range(1, len(body)) if refusal(body, at, len(body), schema=own) is None] == [], tail


@pytest.mark.parametrize("filler", ["[1]", '["a"]', "[]"])
def test_irregular_rows_do_not_increase_the_buffer(filler):
    size, lengths = 2**14, [2**power for power in range(9, -1, -1)]
    head = ",".join(json.dumps(["x"] * length, separators=(",", ":")) for length in lengths)
    body = wrap(f"[{head},{','.join([filler] * 2**17)}]")
    found = list(read_rows(pieces(body, size)))
    assert sum(rows.count for rows in found) == len(lengths) + 2**17
    assert max(len(rows.data) for rows in found) <= 2 * size


def test_remainder_of_a_chunk_is_not_scanned_again(monkeypatch):
    looks = []
    monkeypatch.setattr(envelope, "cut", lambda data, first: looks.append(data) or cut(data, first))
    parts = list(pieces(wrap(json.dumps([["a", "1"]] * 1000, separators=(",", ":"))), 500))
    assert sum(rows.count for rows in read_rows(parts)) == 1000
    assert len(looks) <= len(parts) + 1


@pytest.mark.parametrize("width", [1, 2, 3])
def test_inserted_bytes_are_read_or_rejected_like_the_oracle(width):
    items = json.dumps([["a"] * width] * 3, separators=(",", ":"))
    own = pa.schema([pa.field(f"c{number}", pa.string()) for number in range(width)])
    for extra in ("x", "5", "5,", " ", '"', '","', "\\", "[", "]", "{", ",", ":", "null,", "\x1f", "\x00"):
        for at in range(len(items) + 1):
            body = wrap(items[:at] + extra + items[at:])
            try:
                expected = oracle.read(body, ["string"] * width)
            except oracle.RefusedError:
                assert refusal(body, schema=own), body
            else:
                assert [list(row.values()) for row in read(body, schema=own).to_pylist()] == expected, body


def test_escaped_text_also_uses_the_fast_path():
    rows = [[text, "1"] for text in IDS]
    body = json.dumps({"code": 0, "data": {"items": rows}}, separators=(",", ":")).encode()
    assert b"\\" in body
    assert regular(body)
    assert read(body)["id"].to_pylist() == IDS
    scores = wrap('[["a","\\u0031"],["b","2"],["c","\\u0078"]]')
    with pytest.raises(ColumnTypeError) as caught:
        read(scores)
    assert (caught.value.row, caught.value.value) == (2, "x")
    with pytest.raises(ColumnTypeError) as caught:
        read(wrap('[["a","1"],["b\\t","2"],["\\ud800","3"]]'))
    assert caught.value.row == 2
    with pytest.raises(EnvelopeError, match="rows 1 to 2"):
        read(wrap('[["a","1"],["b\\x","2"],["\\t","3"]]'))


@pytest.mark.parametrize(
    "some", [["\x1f"], ["a\x1fb", "\n"], ["\n", "\x1f", "\\", '"'], ["\x1f\x1f", "plain"], ["", "\\\x1f"]]
)
def test_separator_used_for_unescaping_can_be_in_cells(some):
    rows = [[text, "1"] for text in some]
    body = json.dumps({"code": 0, "data": {"items": rows}}, separators=(",", ":")).encode()
    assert regular(body)
    assert read(body)["id"].to_pylist() == some


def test_half_of_a_surrogate_pair_is_not_made_whole_by_the_next_cell():
    for some in (['["\\ud83d","1"]', '["\\ude00","2"]'], ['["\\ud83d","\\ude00"]']):
        with pytest.raises(ColumnTypeError) as caught:
            read(wrap(f"[{','.join(some)}]"))
        assert caught.value.row == 0


@pytest.mark.parametrize("width", [1, 2, 3, 4, 10])
@pytest.mark.parametrize("count", [0, 1, 2, 1000])
def test_any_width_and_count(width, count):
    rows = [[f"r{row}c{column}" for column in range(width)] for row in range(count)]
    own = pa.schema([(f"c{number}", pa.string()) for number in range(width)])
    for separators in ((",", ":"), (", ", ": ")):
        body = json.dumps({"code": 0, "data": {"items": rows}}, separators=separators).encode()
        table = read(body, 777, schema=own)
        assert [list(row.values()) for row in table.to_pylist()] == rows


def test_a_list_column_takes_the_rest_of_rows_of_any_length():
    body = wrap('[["a","b","c"],["d","e"],[]]')
    assert read(body, schema="shortestpath")["path"].to_pylist() == [["a", "b", "c"], ["d", "e"], []]
    assert read(wrap('[["a","b"],["d","e"]]'), schema="shortestpath")["path"].to_pylist() == [["a", "b"], ["d", "e"]]
    assert read(wrap('[["a","b","a"],["b"]]'), schema="node2vec")["path"].to_pylist() == [["a", "b", "a"], ["b"]]
    vectors = pa.schema([("id", pa.string()), ("values", pa.list_(pa.float64()))])
    table = read(wrap('[["a","1","2.5"],["b","-1","0"]]'), schema=vectors)
    assert table["values"].to_pylist() == [[1.0, 2.5], [-1.0, 0.0]]
    with pytest.raises(ColumnTypeError) as caught:
        read(wrap('[["a","1","2.5"],["b","-1","x"]]'), schema=vectors)
    assert (caught.value.row, caught.value.column, caught.value.value) == (1, "values", "x")
    with pytest.raises(ColumnTypeError) as caught:
        read(wrap('[["a","1"],["b","-1", "x"]]'), schema=vectors)
    assert caught.value.row == 1


def test_list_column_has_the_requested_type():
    own = pa.schema([("id", pa.string()), ("path", pa.list_(pa.field("vertex", pa.int8(), nullable=False)))])
    for items in ('[["a","1","2"],["b","3","4"]]', '[["a","1","2"],["b"]]'):
        table = read(wrap(items), schema=own)
        assert table.schema.types == own.types
        for kind in (table.schema.field("path").type, table["path"].chunk(0).type):
            assert (kind.value_field.name, kind.value_field.nullable) == ("vertex", False)
    with pytest.raises(ColumnTypeError, match="row 1, column 'path': cannot convert null to int8"):
        read(wrap('[["a","1"],["b",null]]'), schema=own)


# --- any invalid one is refused


def is_refused_well(name: str, size: int) -> bool:
    """Whether an error says what and what to do, is short, and keeps no document in its chain."""
    error = refusal(INVALID[name], size)
    return bool(error and error.what and error.hint) and len(str(error)) < 700 and error.__context__ is None


@pytest.mark.parametrize("size", [1, 5, 2**20])
def test_invalid_answers_are_refused(size):
    assert [name for name in INVALID if name not in LARGE and not is_refused_well(name, size)] == []


@pytest.mark.parametrize("name", LARGE)
def test_large_invalid_answers_are_refused(name):
    assert is_refused_well(name, 1000)
    assert is_refused_well(name, 2**20)
    with pytest.raises(oracle.RefusedError):
        oracle.read(INVALID[name], ["string", "double"])


def test_the_oracle_refuses_the_same():
    for name in INVALID.keys() - LARGE:
        with pytest.raises(oracle.RefusedError):
            oracle.read(INVALID[name], ["string", "double"])


def test_an_html_page_is_called_one():
    with pytest.raises(EnvelopeError, match="HTML page"):
        read(INVALID["HTML"])


def test_every_cut_of_an_answer_is_refused():
    pretty = json.dumps(json.loads(PUBLISHED), indent=1).encode()
    for body in (PUBLISHED, pretty, PUBLISHED.replace(b"p", b"\\u0070")):
        for size in (1, 13, 1000):
            assert [end for end in range(len(body)) if refusal(body[:end], size) is None] == []
        assert read(body).num_rows == 2


def test_error_code_takes_precedence_over_other_content():
    for body in (
        b'{"code":40404000,"message":"no","data":{"items":[{"x":1}]}}',
        b'{"data":null,"code":40404000}',
        b'{"data":{"items":[["a","1"]]},"code":40404000}',
        b'{"code":40404000}',
    ):
        with pytest.raises(ApiError) as caught:
            read(body)
        assert caught.value.code == 40404000


def test_more_rows_than_requested_are_rejected():
    assert read(PUBLISHED, limit=2).num_rows == 2
    with pytest.raises(EnvelopeError, match="more rows than limit=1"):
        read(PUBLISHED, limit=1)


@pytest.mark.parametrize("where", ["before", "after"])
def test_unbounded_data_besides_rows_is_rejected(where):
    def endless():
        yield {"before": b'{"x":"', "after": b'{"code":0,"data":{"items":[]},"x":"'}[where]
        for _ in range(40):
            yield b"y" * 2**20

    with pytest.raises(EnvelopeError, match="more than 16 MiB"):
        list(read_rows(endless()))


def test_one_row_may_not_grow_without_end():
    def endless():
        yield b'{"code":0,"data":{"items":[["a","1"],["'
        for _ in range(40):
            yield b"y" * 2**20

    with pytest.raises(RowShapeError, match="row 1 is larger than 16 MiB"):
        list(read_rows(endless()))


def test_rows_of_many_megabytes_are_fine():
    rows = [["x" * 5_000_000, "1"]] * 3
    assert read(json.dumps({"code": 0, "data": {"items": rows}}).encode(), 2**20).num_rows == 3


def test_mixed_answers_cost_no_more_than_their_size():
    # Each other row has a number: were regular rows taken one by one, this would read its bytes 20,000 times.
    items = ",".join(['["a","1"],["b",2]'] * 20_000)
    chunks = list(read_rows([wrap(f"[{items}]")]))
    assert len(chunks) == 1
    assert chunks[0].count == 40_000


# --- types


def test_scores_that_are_read():
    for text in GOOD_FLOATS:
        [[expected]] = oracle.read(wrap(json.dumps([[text]])), ["double"])
        value = read(wrap(json.dumps([["a", text]])))["score"][0].as_py()
        assert _same(value, expected), text


@pytest.mark.parametrize("ascii_only", [True, False])
def test_scores_that_are_refused(ascii_only):
    for text in BAD_FLOATS:
        rows = [["a", "1"], ["b", "inf"], ["c", text], ["d", "x"]]
        body = json.dumps({"code": 0, "data": {"items": rows}}, ensure_ascii=ascii_only, separators=(",", ":")).encode()
        error = refusal(body)
        assert isinstance(error, ColumnTypeError), text
        assert (error.row, error.column) == (2, "score"), text
        assert "row 2, column 'score'" in str(error), text
        assert error.hint, text
        with pytest.raises(oracle.RefusedError):
            oracle.read(body, ["string", "double"])


def test_label_in_score_column_hints_at_matching_schema():
    with pytest.raises(ColumnTypeError, match="Pass schema='auto'"):
        read(wrap('[["player1","player7"]]'))


def test_int64_ids_that_are_read():
    for text in ("0", "1", "-1", "9223372036854775807", "-9223372036854775808"):
        assert read(wrap(json.dumps([[text, "1"]])), vid_type="int64")["id"].to_pylist() == [int(text)]


def test_int64_ids_that_are_refused():
    bad = ["007", "+7", "-0", "0x10", "9223372036854775808", "1.0", "1e3", "", " 1", "player7", "１", "-", "--1"]
    for text in (*bad, "1" * 5000):
        error = refusal(wrap(json.dumps([["1", "1"], [text, "1"]])), vid_type="int64")
        assert isinstance(error, ColumnTypeError), text
        assert (error.row, error.column) == (1, "id"), text
        assert "vid_type='string'" in error.hint, text


def test_rows_are_numbered_over_all_pieces():
    rows = [["a", "1"]] * 10_000
    rows[7_777] = ["b", "bad"]
    for separators in ((",", ":"), (", ", ": ")):
        with pytest.raises(ColumnTypeError) as caught:
            read(json.dumps({"code": 0, "data": {"items": rows}}, separators=separators).encode(), 1000)
        assert caught.value.row == 7_777
        assert caught.value.value == "bad"
    rows[7_777] = ["b"]
    for separators in ((",", ":"), (", ", ": ")):
        with pytest.raises(RowShapeError) as caught:
            read(json.dumps({"code": 0, "data": {"items": rows}}, separators=separators).encode(), 1000)
        assert caught.value.row == 7_777


def test_invalid_utf8_names_its_row():
    rows = ",".join(f'["é{number}","1"]' for number in range(100))
    with pytest.raises(EnvelopeError, match="row 57 is not valid UTF-8"):
        read(wrap(f"[{rows}]").replace("é57".encode(), b"\xc3\x28"))


def test_own_types():
    own = pa.schema([("a", pa.large_string()), ("b", pa.int8()), ("c", pa.uint64()), ("d", pa.float32())])
    table = read(wrap('[["x","-128","18446744073709551615","1.5"],[null,null,null,null]]'), schema=own)
    assert table.to_pylist() == [
        {"a": "x", "b": -128, "c": 18446744073709551615, "d": 1.5},
        {"a": None, "b": None, "c": None, "d": None},
    ]
    for column, text in (("b", "128"), ("c", "-1"), ("d", "1e39")):
        row = ["x", "1", "1", "1"]
        row[own.names.index(column)] = text
        with pytest.raises(ColumnTypeError) as caught:
            read(wrap(json.dumps([row])), schema=own)
        assert caught.value.column == column


def test_missing_scores_are_null_and_missing_ids_an_error():
    assert read(wrap('[["a",null],["b","1"]]'))["score"].to_pylist() == [None, 1.0]
    with pytest.raises(ColumnTypeError) as caught:
        read(wrap('[["a","1"],[null,"1"]]'))
    assert (caught.value.row, caught.value.column, caught.value.value) == (1, "id", "null")


@pytest.mark.parametrize("vid_type", ["string", "int64"])
def test_one_schema_for_no_row_one_row_and_many(vid_type):
    samples = {"string": "7", "int64": "7", "double": "0.5"}
    for entry in _schemas.ALGORITHMS:
        for shape in entry.shapes or [_schemas.text_columns(1), _schemas.text_columns(9)]:
            expected = _schemas.to_schema(shape, vid_type)
            cells = [samples[str(getattr(kind, "value_type", kind))] for kind in expected.types]
            for count in (1, 2, 100):  # the last in many pieces
                table = read(wrap(json.dumps([cells] * count)), 99, schema=entry.name, vid_type=vid_type)
                assert table.schema.equals(expected), (entry.name, count)
        empty = read(wrap("[]"), schema=entry.name, vid_type=vid_type)
        assert empty.schema.equals(_schemas.to_schema((entry.shapes or [_schemas.text_columns(1)])[0], vid_type)), (
            entry.name
        )


# --- generated answers

cells = st.one_of(
    st.sampled_from(["0.150000", "1", "-1", "inf", "nan", "7", "1e400", "player110", *IDS[:40]]),
    st.text(max_size=12),
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
)
raw_cells = st.one_of(
    cells.map(lambda text: json.dumps(text, ensure_ascii=True)),
    cells.filter(lambda text: text.encode(errors="replace").decode() == text).map(
        lambda text: json.dumps(text, ensure_ascii=False)
    ),
    st.sampled_from(
        ["1", "2.5", "-0", "1e3", "null", "true", "[]", "{}", "NaN", '["x"]', "123456789012345678901234567890"]
    ),
)
plain_cells = st.one_of(
    st.text(st.characters(min_codepoint=32, exclude_characters='"\\', exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["0.150000", "1", "],[", "]]}}"]),
).map(lambda text: f'"{text}"')
spaces = st.sampled_from(["", "", "", " ", "\n  ", "\t", "\r\n"])


@st.composite
def answers(draw) -> bytes:
    """Envelopes, mostly valid: compact, pretty-printed or uneven; with decoys; some bytes of some changed."""
    width = draw(st.integers(1, 4))
    cell = draw(st.sampled_from([plain_cells, raw_cells]))
    even = draw(st.booleans())
    gap = st.just("") if even else spaces
    rows = draw(st.lists(st.lists(cell, min_size=width, max_size=width), max_size=12))
    if draw(st.integers(0, 9)) == 0:
        rows.append(draw(st.lists(cell, max_size=5)))
    items = ",".join(
        draw(gap) + "[" + ",".join(draw(gap) + text + draw(gap) for text in row) + "]" + draw(gap) for row in rows
    )
    data = [f'"items":{draw(gap)}[{items}{draw(gap)}]']
    data += draw(st.lists(st.sampled_from(['"total":3', '"x":[["a","b"]]', '"more":{"items":[]}']), max_size=2))
    members = ['"code":0', f'"data":{draw(gap)}{{{",".join(draw(st.permutations(data)))}}}']
    members += draw(
        st.lists(st.sampled_from(['"message":"Success"', '"items":[["x","1"]]', '"m":"\\"items\\":[["']), max_size=2)
    )
    body = (draw(gap) + "{" + ",".join(draw(st.permutations(members))) + "}" + draw(gap)).encode()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(body) - 1))
        change = draw(st.sampled_from([b"", b'"', b"\\", b"]", b"[", b",", b"x", b"\xff", b"\x00", b"}"]))
        body = body[:at] + change + body[at + draw(st.integers(0, 1)) :]
    return body


def _same(ours: object, expected: object) -> bool:
    if isinstance(ours, float) and isinstance(expected, float):
        return struct.pack("d", ours) == struct.pack("d", expected) or (math.isnan(ours) and math.isnan(expected))
    return ours == expected


@given(
    body=answers(),
    kinds=st.lists(st.sampled_from(["string", "double", "int64"]), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
@example(body=PUBLISHED, kinds=["string", "double"], seed=0)
def test_same_as_the_oracle_or_refused_by_both(body, kinds, seed):
    types = {"string": pa.string(), "double": pa.float64(), "int64": pa.int64()}
    own = pa.schema([pa.field(f"c{n}", types[kind], kind == "double") for n, kind in enumerate(kinds)])
    try:
        expected = oracle.read(body, kinds)
    except oracle.RefusedError:
        expected = None
    chance = random.Random(seed)
    sizes = [chance.randint(1, chance.choice([3, 30, 1000])) for _ in range(20)]
    try:
        ours = [list(row.values()) for row in read(body, *sizes, schema=own).to_pylist()]
    except DecodeError:
        ours = None
    assert (ours is None) == (expected is None)
    for our_row, row in zip(ours or [], expected or [], strict=True):
        assert all(_same(a, b) for a, b in zip(our_row, row, strict=True))


@given(
    rows=st.lists(st.lists(plain_cells, min_size=2, max_size=2), min_size=1, max_size=30),
    size=st.integers(1, 64),
)
def test_the_regular_and_the_exact_way_agree(rows, size):
    items = ",".join(f"[{','.join(row)}]" for row in rows)
    compact, spaced = wrap(f"[{items}]"), wrap(f"[ {items}\n]")
    own = pa.schema([("a", pa.string()), ("b", pa.string())])
    expected = json.loads(compact)["data"]["items"]
    for body in (compact, spaced):
        batches = [to_batch(split(chunk), own) for chunk in read_rows(pieces(body, size))]
        assert [list(row.values()) for batch in batches for row in batch.to_pylist()] == expected
