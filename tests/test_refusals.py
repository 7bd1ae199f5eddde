"""Errors for responses and schemas that cannot be used: class, attributes and key facts of each message."""

from __future__ import annotations

import pyarrow as pa
import pytest
from texts import missing

from explorer_frames import _schemas
from explorer_frames._decode import envelope
from explorer_frames._decode.cells import to_batch
from explorer_frames._decode.envelope import data_of, read_rows
from explorer_frames._decode.rows import split
from explorer_frames._errors import _HINTS
from explorer_frames.errors import (
    ApiError,
    BadRequestError,
    ColumnTypeError,
    ConfigError,
    EnvelopeError,
    NotFoundError,
    RowShapeError,
    ServerError,
)

PAIR = pa.schema([("id", pa.string()), ("score", pa.float64())])
IDS = pa.schema([pa.field("id", pa.int64(), nullable=False), ("score", pa.float64())])
REST = pa.schema([("id", pa.string()), ("embedding", pa.list_(pa.float32()))])


def read(body: bytes, schema: pa.Schema, size: int = 2**20) -> None:
    read_pieces([body[at : at + size] for at in range(0, len(body), size)], schema)


def read_pieces(pieces: list[bytes], schema: pa.Schema) -> None:
    for rows in read_rows(pieces):
        to_batch(split(rows), schema)


def wrap(items: bytes) -> bytes:
    return b'{"code":0,"data":{"items":[["a","1"],["b","2"],' + items + b'],"total":3},"message":"ok"}'


def cut(items: bytes) -> bytes:
    return wrap(items).partition(b'],"total"')[0]


def wrap_ids(items: bytes) -> bytes:
    return wrap(items).replace(b'"a"', b'"1"').replace(b'"b"', b'"2"')


ROWS = [
    (wrap(b'["c"]'), PAIR, 2, ["wrong number of cells", "2 columns (id, score)", "schema='auto'"]),
    (wrap(b'["c","3","4"]'), PAIR, 2, ["wrong number of cells", "2 columns (id, score)", "schema='auto'"]),
    (wrap(b'["c","3"],[]'), REST, 3, ["too few cells", "at least 1 (id, embedding)", "schema='auto'"]),
    (wrap(b'["c",["3"]]'), PAIR, 2, ["nested list", "string or a number"]),
    (wrap(b'{"c":"3"}'), PAIR, 2, ["not a list", "'{\"c\":\"3\"}],\"total\":3'", "`items`"]),
    (wrap(b'\xff\xff"c","3"'), PAIR, 2, ["not a list", "'\\\\xff\\\\xff\"c\",\"3\"],\"total\":3'", "`items`"]),
    (wrap(b'7,["d","4"]'), PAIR, 2, ["not a list", "'7'", "`items`"]),
    (wrap(b'{"c":3},["d","4"]'), PAIR, 2, ["not a list", "{'c': '3'}", "`items`"]),
]  # fmt: skip
CELLS = [
    (wrap(b'["c",true]'), PAIR, (2, None, "True"), ["string or a number", "version"]),
    (wrap(b'["c","3"],["\\ud800","4"]'), PAIR, (3, None, "\\ud800"), ["string or a number", "version"]),
    (wrap(b'["c","3", {}]'), REST, (2, None, "{}"), ["string or a number", "version"]),
    (wrap(b'["c",[0]]').replace(b"[0]", b'{"x":"' + b"y" * 100 + b'"}'), PAIR, (2, None, "{'x': '" + "y" * 70 + "..."), ["string or a number", "version"]),
    (wrap_ids(b'[null,"3"]'), IDS, (2, "id", "null"), ["int64", "nullable"]),
    (wrap(b'["c",""]'), PAIR, (2, "score", ""), ["'' to double", "vid_type='string'"]),
    (wrap_ids(b'["","3"]'), IDS, (2, "id", ""), ["'' to int64", "vid_type='string'"]),
    (wrap(b'["c","x1"]'), PAIR, (2, "score", "x1"), ["double", "schema='auto'", "schema='query'"]),
    (wrap(b'["c","1e400"]'), PAIR, (2, "score", "1e400"), ["out of range for double", "pyarrow.Schema"]),
    (wrap(b'["c","3","1e39"]'), REST, (2, "embedding", "1e39"), ["out of range for float", "pyarrow.Schema"]),
    (wrap_ids(b'["007","3"]'), IDS, (2, "id", "007"), ["int64", "leading zeros", "vid_type='string'"]),
    (wrap(b'["c","' + b"y" * 100 + b'"]'), PAIR, (2, "score", "y" * 77 + "..."), ["double", "schema='auto'"]),
]  # fmt: skip
DOCUMENTS = [
    (b"", None, ["not valid JSON", "character 0", "url="]),
    (b" <HTML>", None, ["not valid JSON", "character 1", "'<HTML>'", "HTML page", "url="]),
    (b"\xff", None, ["not valid JSON", "UTF-8 at byte 0", "url="]),
    (b"0" + b"x" * 90, None, ["not valid JSON", "character 1", "'" + "x" * 60 + "'", "url="]),
    (b'{"code":0,"code":0}', None, ["not valid JSON", "duplicate key", "url="]),
    (b'{"code":-Infinity}', None, ["not valid JSON", "-Infinity", "url="]),
    (wrap(b'["c\\x","3"]'), "rows 2 to 2", ["not valid JSON", "escape at character 3", "'\\\\\\\\x\"]'", "url="]),
    (wrap(b'["\\t","3"],["\\x","4"]'), "rows 2 to 3", ["not valid JSON", "escape at character 7", "'\\\\\\\\x\"]'", "url="]),
    (wrap(b'["c", 3 4]'), "rows 0 to 2", ["not valid JSON", "',' delimiter at character 29", "'4]]'", "url="]),
    (wrap('["é\xffabcdefghij","3"]'.encode("latin-1")), None, ["row 2", "UTF-8", "'\\\\xe9\\\\xffabcdefgh'", "encoding"]),
    (cut(b'["c"'), "row 2", ["middle of a row", "Retry"]),
    (cut(b'["c","3"],'), "row 3", ["middle of a row", "Retry"]),
    (cut(b'["c","3"]'), "row 3", ["comma", "end of the response", "Retry"]),
    (wrap(b'["c","3"]\xff["d","4"').replace(b"\xff[", b"\xff("), "row 3", ["comma", "'\\\\xff'", "url="]),
]  # fmt: skip


@pytest.mark.parametrize("size", [2**20, 7])
@pytest.mark.parametrize(("body", "schema", "row", "words"), ROWS)
def test_row_of_wrong_shape(body, schema, row, words, size):
    with pytest.raises(RowShapeError) as caught:
        read(body, schema, size)
    assert type(caught.value) is RowShapeError
    assert caught.value.row == row
    known = words if size > 7 else words[:1]  # in a small chunk, the rest of the row may not have been received
    assert missing(caught.value, f"row {row} ", *known) == []


def test_row_of_wrong_shape_in_a_later_chunk():
    before, behind = wrap(b'["c","3"],7,["d","4"]').split(b'["c"')
    with pytest.raises(RowShapeError) as caught:
        read_pieces([before, b'["c"' + behind], PAIR)
    assert caught.value.row == 3
    assert missing(caught.value, "row 3 ", "not a list", "'7'") == []


@pytest.mark.parametrize(("body", "schema", "at", "words"), CELLS)
def test_cell_of_wrong_type(body, schema, at, words):
    with pytest.raises(ColumnTypeError) as caught:
        read(body, schema)
    assert type(caught.value) is ColumnTypeError
    assert (caught.value.row, caught.value.column, caught.value.value) == at
    row, column, value = at
    place = f"row {row}, column {column!r}:" if column else f"row {row}:"
    assert missing(caught.value, place, value, *words) == []


@pytest.mark.parametrize(("body", "where", "words"), DOCUMENTS)
def test_invalid_json_document_raises_envelope_error(body, where, words):
    with pytest.raises(EnvelopeError) as caught:
        read(body, PAIR)
    assert type(caught.value) is EnvelopeError
    assert caught.value.where == where
    assert missing(caught.value, *words) == []


@pytest.mark.parametrize(("most", "fits"), [(100, True), (99, False)])
@pytest.mark.parametrize("rows", [b"", b'["a","1"]'])
def test_data_besides_rows_is_limited(monkeypatch, most, fits, rows):
    tail = b'],"more":"' + b"x" * 88 + b'"}}'
    document = b'{"code":0,"data":{"items":[' + rows + tail
    monkeypatch.setattr(envelope, "MAX_HELD", most)
    pieces = [
        document[: -len(tail) + 1],
        *(document[at : at + 1] for at in range(len(document) - len(tail) + 1, len(document))),
    ]
    assert len(tail) == 101
    if fits:
        assert sum(chunk.count for chunk in read_rows(pieces)) == bool(rows)
        return
    with pytest.raises(EnvelopeError) as caught:
        list(read_rows(pieces))
    assert missing(caught.value, "0 MiB", "outside the rows", "url=") == []


def test_data_before_the_rows_is_limited(monkeypatch):
    document = b'{"note":"' + b"x" * 100 + b'","code":0,"data":{"items":[["a","1"]]}}'
    pieces = [document[at : at + 1] for at in range(len(document))]
    assert document.index(b"[") > 128  # to which the buffer grows in powers of two
    monkeypatch.setattr(envelope, "MAX_HELD", 128)
    assert sum(chunk.count for chunk in read_rows(pieces)) == 1
    monkeypatch.setattr(envelope, "MAX_HELD", 127)
    with pytest.raises(EnvelopeError, match="outside the rows"):
        list(read_rows(pieces))


def test_one_row_is_held_up_to_a_limit(monkeypatch):
    document = wrap(b'["' + b"x" * 100 + b'","3"]')
    at = document.index(b'["x')
    whole = len(b'["' + b"x" * 100 + b'","3"')  # all but its bracket
    pieces = [document[:at], document[at : at + whole], document[at + whole :]]
    monkeypatch.setattr(envelope, "MAX_HELD", whole)
    assert sum(chunk.count for chunk in read_rows(pieces)) == 3
    monkeypatch.setattr(envelope, "MAX_HELD", whole - 1)
    with pytest.raises(RowShapeError) as caught:
        list(read_rows(pieces))
    assert caught.value.row == 2
    assert missing(caught.value, "row 2 ", "larger", "0 MiB", "url=") == []


@pytest.mark.parametrize(
    ("body", "says"), [(b"[" * 100_000, "nested too deeply"), (b'{"code":' + b"1" * 5000 + b"}", "5000 digits")]
)
def test_nested_or_large_json_raises_envelope_error(body, says):
    with pytest.raises(EnvelopeError, match=f"(?i)the response is not valid JSON: .*{says}"):
        read(body, PAIR)


@pytest.mark.parametrize("place", [1, 2, 3, 4])
@pytest.mark.parametrize(("space", "read"), [(b" ", True), (b"\r\n\t", True), (b"\x0b", False), (b"\x0c", False)])
def test_json_white_space_across_chunks_is_accepted(space, read, place):
    pieces = [b'{"code":0,"data":{"items":[', b'["a","1"]', b",", b'["b","2"]', b"]}}"]
    pieces[place] = space + pieces[place]
    if read:
        assert sum(chunk.count for chunk in read_rows(pieces)) == 2
    else:
        with pytest.raises((EnvelopeError, RowShapeError)):
            list(read_rows(pieces))


@pytest.mark.parametrize(
    ("members", "status", "trace", "words"),
    [
        ({"code": 0, "data": {}}, 204, "t", ["HTTP status 204", "[trace t]", "url=", "3.1 to 3.8"]),
        ({"code": 0, "data": {}}, 204, "t" * 90, ["HTTP status 204", f"[trace {'t' * 77}...]"]),
        ({"code": 0, "data": None}, 200, None, ["data", "url=", "3.1 to 3.8"]),
        ({"code": False, "data": {}}, 200, None, ["code", "url="]),
        ([], 399, None, ["HTTP status 399", "url="]),
        ([], 200, None, ["code", "url="]),
    ],
)  # fmt: skip
def test_response_without_error_or_data(members, status, trace, words):
    with pytest.raises(EnvelopeError) as caught:
        data_of(members, status, trace)
    assert type(caught.value) is EnvelopeError
    assert missing(caught.value, *words) == []
    assert trace or caught.value.where is None


@pytest.mark.parametrize(
    ("members", "status", "trace", "kind", "words"),
    [
        ({"code": 0, "message": "m", "data": None}, 404, "t", NotFoundError, ["HTTP status 404: m"]),
        ({"code": 0, "data": None}, 400, None, BadRequestError, ["HTTP status 400"]),
        ({"message": "m"}, 500, "t", ServerError, ["HTTP status 500: m"]),
        ({"code": 40404000, "message": "m"}, 200, "t", NotFoundError, ["error 40404000: m"]),
        ({"code": 40404000, "message": "m"}, 500, "t", NotFoundError, ["error 40404000: m"]),
    ],
)  # fmt: skip
def test_response_with_an_error(members, status, trace, kind, words):
    with pytest.raises(ApiError) as caught:
        data_of(members, status, trace)
    error = caught.value
    assert type(error) is kind
    assert (error.code or 0, error.http_status) == (members.get("code", 0), status)
    assert (error.server_message, error.trace_id) == (members.get("message"), trace)
    assert error.where == (f"trace {trace}" if trace else None)
    assert error.hint == _HINTS[kind]
    assert missing(error, *words) == []


@pytest.mark.parametrize(
    ("schema", "vid_type", "words"),
    [
        ("lovain", "string", ["algorithm 'lovain'", "Did you mean 'Louvain'?", "Known: "]),
        ("é" * 70, "string", [f"algorithm '{(chr(92) * 2 + 'xe9') * 14}\\\\...'", "Known: "]),
        (5, "string", ["schema must be", "pyarrow.Schema", "got int"]),
        (None, "x" * 61, ["vid_type must be", "'string' or 'int64'", f"'{'x' * 57}...'"]),
        (None, ["string"], ["vid_type must be", "'string' or 'int64'", "got ['string']"]),
        (pa.schema([("a", pa.binary())]), "string", ["type binary", "column 'a'"]),
        (pa.schema([("a", pa.list_(pa.binary()))]), "string", ["type list<item: binary>", "column 'a'"]),
        (pa.schema([("a", pa.timestamp("s", "Mars"))]), "string", ["time zone", "column 'a'", "'Mars'"]),
        (pa.schema([("a", pa.list_(pa.string())), ("b", pa.string())]), "string", ["type list<item: string>", "column 'a'"]),
        (pa.schema([("a", pa.string()), ("a", pa.int8())]), "string", ["unique column names", "['a', 'a']"]),
        (pa.schema([]), "string", ["at least one column", "got []"]),
    ],
)  # fmt: skip
def test_invalid_schema_argument_raises_config_error(schema, vid_type, words):
    with pytest.raises(ConfigError) as caught:
        _schemas.SchemaRequest.of(schema, vid_type)
    assert type(caught.value) is ConfigError
    assert missing(caught.value, *words) == []
