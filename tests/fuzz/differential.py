"""Inputs, schemas and checks that both fuzz targets share.

The first character of an input selects the schema, and the second one the sizes of the pieces. The other bytes are
read. Files of the corpus can therefore be edited by hand, such as ``A0{"code":0,"data":{"items":[["a","1"]]}}``.
"""

from __future__ import annotations

import math
import pickle
import random
import struct
from typing import TYPE_CHECKING, NamedTuple

import oracle
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from explorer_frames.errors import ExplorerFramesError

_CELLS = pa.schema([("cells", pa.list_(pa.string()))])


def _vectors(vid: pa.DataType, number: pa.DataType) -> pa.Schema:
    return pa.schema([pa.field("id", vid, nullable=False), pa.field("values", pa.list_(number))])


_SMALL = pa.schema([("a", pa.int8()), ("b", pa.uint64()), ("c", pa.float32()), ("d", pa.large_string())])
_OWN = pa.schema(
    [
        ("a", pa.bool_()),
        ("b", pa.date32()),
        ("c", pa.timestamp("ms")),
        ("d", pa.timestamp("us", "UTC")),
        ("e", pa.decimal128(5, 2)),
        ("f", pa.dictionary(pa.int32(), pa.string())),
    ]
)
_TIMES = pa.schema([("id", pa.string()), ("values", pa.list_(pa.timestamp("us", "UTC")))])


class Reading(NamedTuple):
    """Schema and its documented shapes, the default first; `oracle` describes the kinds.

    Without a schema, and for queries, rows with any other number of cells are read as text.
    """

    schema: object
    vid_type: str
    shapes: list[list[str]]


READINGS = {
    "A": Reading(None, "string", [["string", "double"], ["string", "double", "string"]]),
    "B": Reading(None, "int64", [["int64", "double"], ["int64", "double", "int64"]]),
    "C": Reading("Louvain", "string", [["string", "string"], ["string", "string", "double"]]),
    "D": Reading("Louvain", "int64", [["int64", "int64"], ["int64", "int64", "double"]]),
    "E": Reading("DegreeCentrality", "string", [["string", "int64", "int64", "int64"], ["string", "int64"]]),
    "F": Reading("TriangleCount", "string", [["string"] * 3, ["string", "int64"], ["int64"]]),
    "G": Reading("ShortestPath", "string", [["*string?"]]),
    "H": Reading("ShortestPath", "int64", [["*int64?"]]),
    "I": Reading(_vectors(pa.string(), pa.float64()), "string", [["string", "*double"]]),
    "J": Reading(_vectors(pa.int64(), pa.float32()), "int64", [["int64", "*float?"]]),
    "K": Reading(_CELLS, "string", [["*string?"]]),
    "L": Reading(_SMALL, "string", [["int8?", "uint64?", "float?", "string?"]]),
    "M": Reading("Node2Vec", "string", [["*string?"]]),
    "N": Reading("Node2Vec", "int64", [["*int64?"]]),
    "O": Reading("Query", "int64", [["string?"]]),
    "P": Reading(
        _OWN,
        "string",
        [["bool?", "date32[day]?", "timestamp[ms]?", "timestamp[us, tz=UTC]?", "decimal128(5, 2)?", "category?"]],
    ),
    "Q": Reading(_TIMES, "string", [["string?", "*timestamp[us, tz=UTC]?"]]),
}
_TYPES = {"string": {pa.string(), pa.large_string()}, "double": {pa.float64()}, "float": {pa.float32()}}
_TYPES["category"] = {pa.dictionary(pa.int32(), pa.string())}
CUTS = "0123456789abcdefghijklmnopqrstuvwxyz"


def taken_apart(data: bytes) -> tuple[Reading, bytes, str] | None:
    """Return the parts of an input, or None if it is invalid."""
    letter, cut = data[:1].decode("latin-1"), data[1:2].decode("latin-1")
    return (READINGS[letter], data[2:], cut) if letter in READINGS and cut and cut in CUTS else None


def pieces(text: bytes, cut: str) -> Iterator[bytes]:
    """Yield the whole text for ``0``, or pieces of pseudorandom sizes."""
    chance = random.Random(cut)
    most = len(text) or 1 if cut == "0" else chance.choice([1, 3, 8, 30, 300])
    at = 0
    while at < len(text):
        size = most if cut == "0" else chance.randint(0, most)
        yield text[at : at + size]
        at += size


def agree(rows: list[object] | None, reading: Reading, read: Callable[[], pa.Table]) -> ExplorerFramesError | None:
    """Assert that the result of `read` matches the oracle's rows; return our error, if any."""
    from explorer_frames.errors import ApiError, DecodeError

    shape, expected = _expected(rows, reading)
    table, refusal = None, None
    try:
        table = read()
    except (DecodeError, ApiError) as error:
        refusal = error
    if table is None:
        assert expected is None, f"refused what is right: {refusal}"
        _check_refusal(refusal)
        if rows is not None and (row := getattr(refusal, "row", None)) is not None:
            assert _is_bad(rows, row, shape), f"names a row that is right: {refusal}"
        return refusal
    assert expected is not None, f"read what is wrong: {table.to_pylist()}"
    table.validate(full=True)
    assert all(_is_of(kind, due) for kind, due in zip(table.schema.types, shape or [], strict=True)), table.schema
    found = [list(row.values()) for row in table.to_pylist()]
    assert len(found) == len(expected), found
    assert all(map(_same, found, expected)), f"{found} for {expected}"
    return None


def _expected(rows: list[object] | None, reading: Reading) -> tuple[list[str] | None, list[object] | None]:
    if rows is None:
        return None, None
    shape = oracle.shape_for(rows[0], reading.shapes) if rows else reading.shapes[0]
    if shape is None and reading.schema in (None, "Query") and isinstance(rows[0], list) and rows[0]:
        shape = ["string?"] * len(rows[0])
    if shape is None:
        return None, None
    try:
        return shape, [oracle.typed(row, shape) for row in rows]
    except oracle.RefusedError:
        return shape, None


def _is_bad(rows: list[object], number: int, shape: list[str] | None) -> bool:
    if number >= len(rows):
        return False
    if shape is None or not isinstance(rows[number], list):
        return number == 0 or not isinstance(rows[number], list)
    try:
        oracle.typed(rows[number], shape)
    except oracle.RefusedError:
        return True
    return False


def _check_refusal(error: ExplorerFramesError) -> None:
    """Check that an error has a short message and a hint, no context, and can be pickled."""
    told = str(error)
    assert error.what, repr(error)
    assert error.hint, told
    assert len(told) < 800, told
    assert told.isascii(), told
    assert error.__context__ is None, repr(error.__context__)
    assert str(pickle.loads(pickle.dumps(error))) == told


def _is_of(found: pa.DataType, kind: str) -> bool:
    if kind.startswith("*"):
        return pa.types.is_list(found) and _is_of(found.value_type, kind.removeprefix("*"))
    name = kind.removesuffix("?")
    return found in _TYPES.get(name, {found} if str(found) == name else set())


def _same(found: object, expected: object) -> bool:
    if isinstance(found, list) and isinstance(expected, list):
        return len(found) == len(expected) and all(map(_same, found, expected))
    if isinstance(found, float) and isinstance(expected, float):
        return struct.pack("d", found) == struct.pack("d", expected) or (math.isnan(found) and math.isnan(expected))
    return type(found) is type(expected) and found == expected
