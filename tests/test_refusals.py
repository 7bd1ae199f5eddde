"""What is told of an answer that is not read: every refusal in its exact words, and where it points."""

from __future__ import annotations

import pyarrow as pa
import pytest

from explorer_frames import _schemas
from explorer_frames._decode import envelope
from explorer_frames._decode.cells import to_batch
from explorer_frames._decode.envelope import data_of, read_rows
from explorer_frames._decode.rows import split
from explorer_frames._errors import _HINTS
from explorer_frames.errors import (
    BadRequestError,
    ColumnTypeError,
    ConfigError,
    EnvelopeError,
    ExplorerFramesError,
    NotFoundError,
    RowShapeError,
    ServerError,
)

PAIR = pa.schema([("id", pa.string()), ("score", pa.float64())])
IDS = pa.schema([pa.field("id", pa.int64(), nullable=False), ("score", pa.float64())])
REST = pa.schema([("id", pa.string()), ("embedding", pa.list_(pa.float32()))])
NO_ROW = "\nCheck that this is the result of a graph algorithm. Each element of `items` must be an array."
NO_SHAPE = (
    "\nPass schema='auto' to choose the schema by the task's name. To read rows of any length, pass "
    'schema=pa.schema([("cells", pa.list_(pa.string()))]).'
)
NO_CELL = "\nThe response does not match the documented API. Report it with the server's version."
NO_JSON = "\nCheck that url= is the URL of NebulaGraph Explorer, and that no proxy changes its responses."
CUT_OFF = "\nRetry. The server or a proxy truncated the response."
NO_RESULT = "\nCheck that url= is the URL of NebulaGraph Explorer, and that no proxy changes its responses."
EMPTY = (
    "\nIf cells may be empty, pass a pyarrow.Schema in which this column is a string, or vid_type='string' for vertex "
    "ids."
)


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
    (wrap(b'["c"]'), PAIR, "row 2 has the wrong number of cells: the schema has 2 columns (id, score)" + NO_SHAPE),
    (wrap(b'["c","3","4"]'), PAIR, "row 2 has the wrong number of cells: the schema has 2 columns (id, score)" + NO_SHAPE),
    (wrap(b'["c","3"],[]'), REST, "row 3 has too few cells: the schema requires at least 1 (id, embedding)" + NO_SHAPE),
    (wrap(b'["c",["3"]]'), PAIR, "row 2 contains a nested list\nCheck that this is the result of a graph algorithm. Each cell must be a string or a number."),
    (wrap(b'{"c":"3"}'), PAIR, "row 2 is not a list of cells: '{\"c\":\"3\"}],\"total\":3'" + NO_ROW),
    (wrap(b'\xff\xff"c","3"'), PAIR, "row 2 is not a list of cells: '\\\\xff\\\\xff\"c\",\"3\"],\"total\":3'" + NO_ROW),
    (wrap(b'7,["d","4"]'), PAIR, "row 2 is not a list of cells: '7'" + NO_ROW),
    (wrap(b'{"c":3},["d","4"]'), PAIR, "row 2 is not a list of cells: \"{'c': '3'}\"" + NO_ROW),
]  # fmt: skip
CELLS = [
    (wrap(b'["c",true]'), PAIR, "row 2: each cell must be a string or a number, got True" + NO_CELL, (2, None, "True")),
    (wrap(b'["c","3"],["\\ud800","4"]'), PAIR, "row 3: each cell must be a string or a number, got \\ud800" + NO_CELL, (3, None, "\\ud800")),
    (wrap(b'["c","3", {}]'), REST, "row 2: each cell must be a string or a number, got {}" + NO_CELL, (2, None, "{}")),
    (wrap(b'["c",[0]]').replace(b"[0]", b'{"x":"' + b"y" * 100 + b'"}'), PAIR, "row 2: each cell must be a string or a number, got {'x': '" + "y" * 70 + "..." + NO_CELL, (2, None, "{'x': '" + "y" * 70 + "...")),
    (wrap_ids(b'[null,"3"]'), IDS, "row 2, column 'id': cannot convert null to int64\nIf cells may be missing, pass a pyarrow.Schema in which this column is nullable.", (2, "id", "null")),
    (wrap(b'["c",""]'), PAIR, "row 2, column 'score': cannot convert '' to double" + EMPTY, (2, "score", "")),
    (wrap_ids(b'["","3"]'), IDS, "row 2, column 'id': cannot convert '' to int64" + EMPTY, (2, "id", "")),
    (wrap(b'["c","x1"]'), PAIR, "row 2, column 'score': cannot convert 'x1' to double\nPass schema='auto' to use the task's name, schema='query' to read every column as text, or a pyarrow.Schema in which this column is a string.", (2, "score", "x1")),
    (wrap(b'["c","1e400"]'), PAIR, "row 2, column 'score': cannot convert '1e400' to double\nThe number is out of range for double. Pass a pyarrow.Schema in which this column is a string.", (2, "score", "1e400")),
    (wrap(b'["c","3","1e39"]'), REST, "row 2, column 'embedding': cannot convert '1e39' to float\nThe number is out of range for float. Pass a pyarrow.Schema in which this column is a string.", (2, "embedding", "1e39")),
    (wrap_ids(b'["007","3"]'), IDS, "row 2, column 'id': cannot convert '007' to int64\nThe text is not a valid int64, or has leading zeros. For vertex ids, pass vid_type='string'. Otherwise, pass a pyarrow.Schema in which this column is a string.", (2, "id", "007")),
    (wrap(b'["c","' + b"y" * 100 + b'"]'), PAIR, "row 2, column 'score': cannot convert '" + "y" * 77 + "...' to double\nPass schema='auto' to use the task's name, schema='query' to read every column as text, or a pyarrow.Schema in which this column is a string.", (2, "score", "y" * 77 + "...")),
]  # fmt: skip
DOCUMENTS = [
    (b"", "the response is not valid JSON: Expecting value at character 0: ''" + NO_JSON),
    (b" <HTML>", "the response is not valid JSON: Expecting value at character 1: '<HTML>'\nThe response is an HTML page. Check that url= is the URL of the Explorer API, and that no proxy responds in its place."),
    (b"\xff", "the response is not valid JSON: not UTF-8 at byte 0" + NO_JSON),
    (b"0" + b"x" * 90, "the response is not valid JSON: Extra data at character 1: '" + "x" * 60 + "'" + NO_JSON),
    (b'{"code":0,"code":0}', "the response is not valid JSON: duplicate key in an object" + NO_JSON),
    (b'{"code":-Infinity}', "the response is not valid JSON: -Infinity is not valid JSON" + NO_JSON),
    (wrap(b'["c\\x","3"]'), "the response is not valid JSON: Invalid \\escape at character 3: '\\\\\\\\x\"]' [rows 2 to 2]" + NO_JSON),
    (wrap(b'["\\t","3"],["\\x","4"]'), "the response is not valid JSON: Invalid \\escape at character 7: '\\\\\\\\x\"]' [rows 2 to 3]" + NO_JSON),
    (wrap(b'["c", 3 4]'), "the response is not valid JSON: Expecting ',' delimiter at character 29: '4]]' [rows 0 to 2]" + NO_JSON),
    (wrap('["é\xffabcdefghij","3"]'.encode("latin-1")), "row 2 is not valid UTF-8: '\\\\xe9\\\\xffabcdefgh'\nCheck that no proxy changes the character encoding of responses."),
    (cut(b'["c"'), "the response ends in the middle of a row [row 2]" + CUT_OFF),
    (cut(b'["c","3"],'), "the response ends in the middle of a row [row 3]" + CUT_OFF),
    (cut(b'["c","3"]'), "expected a comma or the end of the rows, got the end of the response [row 3]" + CUT_OFF),
    (wrap(b'["c","3"]\xff["d","4"').replace(b"\xff[", b"\xff("), "expected a comma or the end of the rows, got '\\\\xff' [row 3]" + NO_RESULT),
]  # fmt: skip


@pytest.mark.parametrize("size", [2**20, 7])
@pytest.mark.parametrize(("body", "schema", "said"), ROWS)
def test_a_row_of_another_shape(body, schema, said, size):
    with pytest.raises(RowShapeError) as caught:
        read(body, schema, size)
    assert str(caught.value) == said or size == 7  # what stands there may not have come yet
    assert str(caught.value).partition(" ")[2].startswith(f"{caught.value.row}")
    assert said.startswith(f"row {caught.value.row}")


def test_a_row_of_another_shape_in_a_later_piece():
    before, behind = wrap(b'["c","3"],7,["d","4"]').split(b'["c"')
    with pytest.raises(RowShapeError) as caught:
        read_pieces([before, b'["c"' + behind], PAIR)
    assert (str(caught.value), caught.value.row) == (f"row 3 is not a list of cells: '7'{NO_ROW}", 3)


@pytest.mark.parametrize(("body", "schema", "said", "at"), CELLS)
def test_a_cell_of_another_type(body, schema, said, at):
    with pytest.raises(ColumnTypeError) as caught:
        read(body, schema)
    assert str(caught.value) == said
    assert (caught.value.row, caught.value.column, caught.value.value) == at


@pytest.mark.parametrize(("body", "said"), DOCUMENTS)
def test_invalid_json_document_raises_envelope_error(body, said):
    with pytest.raises(EnvelopeError) as caught:
        read(body, PAIR)
    assert str(caught.value) == said


MORE = "the response contains more than 0 MiB outside the rows" + NO_RESULT


@pytest.mark.parametrize(("most", "said"), [(100, None), (99, MORE)])
@pytest.mark.parametrize("rows", [b"", b'["a","1"]'])
def test_data_besides_rows_is_limited(monkeypatch, most, said, rows):
    tail = b'],"more":"' + b"x" * 88 + b'"}}'
    document = b'{"code":0,"data":{"items":[' + rows + tail
    monkeypatch.setattr(envelope, "MAX_HELD", most)
    pieces = [
        document[: -len(tail) + 1],
        *(document[at : at + 1] for at in range(len(document) - len(tail) + 1, len(document))),
    ]
    assert len(tail) == 101
    if said is None:
        assert sum(chunk.count for chunk in read_rows(pieces)) == bool(rows)
        return
    with pytest.raises(EnvelopeError) as caught:
        list(read_rows(pieces))
    assert str(caught.value) == said


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
    assert (str(caught.value), caught.value.row) == (f"row 2 is larger than 0 MiB{NO_RESULT}", 2)


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


NO_ENVELOPE = (
    "\nCheck that url= is the URL of NebulaGraph Explorer. Its documented versions, 3.1 to 3.8, are supported."
)
ASK = f"\n{_HINTS[NotFoundError]}"
LATER = f"\n{_HINTS[ServerError]}"


@pytest.mark.parametrize(
    ("members", "status", "trace", "said"),
    [
        ({"code": 0, "data": {}}, 204, "t", "invalid response: unexpected HTTP status 204 [trace t]" + NO_ENVELOPE),
        ({"code": 0, "data": {}}, 204, "t" * 90, f"invalid response: unexpected HTTP status 204 [trace {'t' * 77}...]" + NO_ENVELOPE),
        ({"code": 0, "data": None}, 200, None, "invalid response: unexpected data" + NO_ENVELOPE),
        ({"code": False, "data": {}}, 200, None, "invalid response: unexpected code" + NO_ENVELOPE),
        ([], 399, None, "invalid response: unexpected HTTP status 399" + NO_ENVELOPE),
        ([], 200, None, "invalid response: unexpected code" + NO_ENVELOPE),
        ({"code": 0, "message": "m", "data": None}, 404, "t", "server returned HTTP status 404: m [trace t]" + ASK),
        ({"code": 0, "data": None}, 400, None, f"server returned HTTP status 400\n{_HINTS[BadRequestError]}"),
        ({"message": "m"}, 500, "t", "server returned HTTP status 500: m [trace t]" + LATER),
        ({"code": 40404000, "message": "m"}, 200, "t", "server returned error 40404000: m [trace t]" + ASK),
        ({"code": 40404000, "message": "m"}, 500, "t", "server returned error 40404000: m [trace t]" + ASK),
    ],
)  # fmt: skip
def test_envelope_with_error_or_without_code(members, status, trace, said):
    with pytest.raises(ExplorerFramesError) as caught:
        data_of(members, status, trace)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    ("schema", "vid_type", "said"),
    [
        ("lovain", "string", "unknown algorithm 'lovain'\nDid you mean 'Louvain'? Known: "),
        ("é" * 70, "string", f"unknown algorithm '{(chr(92) * 2 + 'xe9') * 14}\\\\...'\nKnown: "),
        (5, "string", "schema must be a str, a pyarrow.Schema or None, got int\n"),
        (None, "x" * 61, f"vid_type must be 'string' or 'int64', got '{'x' * 57}...'"),
        (None, ["string"], "vid_type must be 'string' or 'int64', got ['string']"),
        (pa.schema([("a", pa.binary())]), "string", "unsupported type binary for column 'a'"),
        (pa.schema([("a", pa.list_(pa.binary()))]), "string", "unsupported type list<item: binary> for column 'a'"),
        (pa.schema([("a", pa.timestamp("s", "Mars"))]), "string", "column 'a' has an unknown time zone: 'Mars'\n"),
        (pa.schema([("a", pa.list_(pa.string())), ("b", pa.string())]), "string", "unsupported type list<item: string> for column 'a'"),
        (pa.schema([("a", pa.string()), ("a", pa.int8())]), "string", "schema must have at least one column and unique column names, got ['a', 'a']"),
        (pa.schema([]), "string", "schema must have at least one column and unique column names, got []"),
    ],
)  # fmt: skip
def test_invalid_schema_argument_raises_config_error(schema, vid_type, said):
    with pytest.raises(ConfigError) as caught:
        _schemas.SchemaRequest.of(schema, vid_type)
    assert str(caught.value).startswith(said)
