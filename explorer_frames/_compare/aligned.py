"""Align two tables and match their rows by key.

Both tables get the same columns and types. Keys are encoded as integers, so numpy can match them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from explorer_frames._errors import add_context, escaped, plural
from explorer_frames._schemas import COMMUNITY, KEYS
from explorer_frames.errors import ConfigError

_KEYS = {*KEYS, frozenset({"id", "neighbor", "k"})}  # full results of KCore, whose subgraphs have a column k
_NAMES = frozenset().union(*_KEYS)
_OWN: tuple[tuple[str, ...], ...] = (
    ("id",),
    ("id1", "id2"),
    ("root",),
    ("path",),
)  # keys of tables with other id columns
_UNORDERED = {"id1", "id2", "id3"}  # triangles, whose vertices can be in any order


Numbers: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class AlignedTables:
    """Two results with the same columns and types, and their matched rows."""

    a: pa.Table
    b: pa.Table
    keys: tuple[str, ...]  # id columns
    measures: tuple[str, ...]  # value columns
    numbers: tuple[str, ...]  # numeric value columns
    label: str | None  # community column
    rows: Matched

    @classmethod
    def of(cls, a: pa.Table, b: pa.Table) -> AlignedTables:
        """Align two tables, or raise ConfigError if they cannot be compared."""
        a, b = _of_same_columns(a, b)
        found = _key(a.column_names)
        label = COMMUNITY if COMMUNITY in a.column_names else None
        a, b = _of_same_types(a, b, {*found, COMMUNITY})
        measures = tuple(name for name in a.column_names if name not in found and name != COMMUNITY)
        numbers = tuple(name for name in measures if a.schema.field(name).type in (pa.int64(), pa.float64()))
        for side, table in (("a", a), ("b", b)):
            with add_context(side):
                _check_ids(table, found, label)
        numbers_a, numbers_b = _keys(a, b, found)
        if len(found) == len(a.column_names):  # without value columns, rows are a set, so duplicates count once
            a, numbers_a = _distinct(a, numbers_a)
            b, numbers_b = _distinct(b, numbers_b)
        for side, table, ids in (("a", a, numbers_a), ("b", b, numbers_b)):
            with add_context(side):
                _refuse_twice(table, found, ids)
        return cls(a, b, found, measures, numbers, label, matched(numbers_a, numbers_b))


def _of_same_columns(a: pa.Table, b: pa.Table) -> tuple[pa.Table, pa.Table]:
    if set(a.column_names) != set(b.column_names):
        only = {"a": sorted({*a.column_names} - {*b.column_names}), "b": sorted({*b.column_names} - {*a.column_names})}
        said = "; ".join(f"only {side} has {_listed(names)}" for side, names in only.items() if names)
        hint = "Read or export both with the same schema=, or drop the extra columns."
        raise ConfigError(f"a and b have different columns: {said}", hint=hint)
    return a, b.select(a.column_names)


def _key(names: list[str]) -> tuple[str, ...]:
    """Return the key columns: those of a known result, or the first complete key in _OWN."""
    known = tuple(name for name in names if name in _NAMES)
    return known if {*known} in _KEYS else next((own for own in _OWN if {*own} <= {*known}), ())


def _of_same_types(a: pa.Table, b: pa.Table, ids: set[str]) -> tuple[pa.Table, pa.Table]:
    kinds: dict[str, pa.DataType] = {}
    for name in a.column_names:
        first, second = (_kind(table, name) for table in (a, b))
        if pa.types.is_null(first) and pa.types.is_null(second):
            first = pa.large_string() if name in ids else pa.float64()
        kinds[name] = second if pa.types.is_null(first) else first
        if kinds[name] != second and not pa.types.is_null(second):
            hint = (
                "Read both results with the same vid_type="
                if name in ids
                else f"Convert column {escaped(name, 60)} to the same type in both results"
            )
            if name in ids and any(
                pa.types.is_floating(kind) for kind in (first, second)
            ):  # pandas converts integer ids to floats if one is missing
                hint = f"Drop rows without {escaped(name, 60)}, and convert the column to integers or strings"
            types = f"{a.schema.field(name).type} in a and {b.schema.field(name).type} in b"
            raise ConfigError(f"column {escaped(name, 60)} has type {types}", hint=f"{hint}.")
        _check_type(name, kinds[name], is_id=name in ids)
    return _cast(a, kinds, "a"), _cast(b, kinds, "b")


def _kind(table: pa.Table, name: str) -> pa.DataType:
    """Return a column's type; null for the float64 that pandas uses for an empty column."""
    kind = _plain(table.schema.field(name).type)
    return pa.null() if pa.types.is_float64(kind) and not table.num_rows else kind


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type without dictionary encoding and bit width."""
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_plain(kind.value_type))
    if pa.types.is_string(kind):
        return pa.large_string()
    if pa.types.is_integer(kind):
        return pa.int64()
    return pa.float64() if pa.types.is_floating(kind) else kind


def _check_type(name: str, kind: pa.DataType, *, is_id: bool) -> None:
    """Raise ConfigError for a type that cannot be compared."""
    shown = f"column {escaped(name, 60)} has type {kind}"
    inner = kind.value_type if pa.types.is_large_list(kind) and name != COMMUNITY else kind
    if is_id:
        if pa.types.is_int64(inner) or pa.types.is_large_string(inner):
            return
        hint = "Ids and labels must be strings or integers. pandas converts integers to floats if a value is missing."
        raise ConfigError(f"{shown}, which is not supported for ids", hint=hint)
    try:
        pc.equal(pa.array([], kind), pa.array([], kind))
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise ConfigError(f"{shown}, which cannot be compared", hint="Drop the column.") from None


def _cast(table: pa.Table, kinds: Mapping[str, pa.DataType], side: str) -> pa.Table:
    columns = []
    for name, kind in kinds.items():
        column = table.column(name)
        try:
            column = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
            columns.append(column.cast(kind))
        except pa.ArrowException as raised:
            what = f"cannot convert {escaped(name, 60)} to {kind}: {escaped(raised)}"
            raise ConfigError(what, where=side, hint="Use integers up to 2**63 - 1.") from None
    return pa.table(columns, names=list(kinds)).combine_chunks()  # take() is much faster on a single chunk


def _check_ids(table: pa.Table, found: tuple[str, ...], label: str | None) -> None:
    for name in (*found, *([label] if label else [])):
        column = table.column(name)
        inner = pc.list_flatten(column) if pa.types.is_large_list(column.type) else column
        missing = column.null_count or inner.null_count
        if missing:
            hint = "Drop these rows." if name in found else "Fill the missing labels, or drop these rows."
            raise ConfigError(
                f"column {escaped(name, 60)} has no value in {missing} {plural(missing, 'row')}", hint=hint
            )


def _keys(a: pa.Table, b: pa.Table, found: tuple[str, ...]) -> tuple[Numbers, Numbers]:
    """Encode the keys of both tables as integers; equal keys get equal integers."""
    if not found:
        for side, table in (("a", a), ("b", b)):
            if table.num_rows > 1:
                raise ConfigError(
                    f"cannot match {table.num_rows} rows without an id column: {_listed(table.column_names)}",
                    where=side,
                    hint="Rename the column of vertex ids to `id`, or the columns of vertex pairs to `id1` and `id2`.",
                )
        return np.zeros(a.num_rows, np.int64), np.zeros(b.num_rows, np.int64)
    columns_a, columns_b = ([table.column(name) for name in found] for table in (a, b))
    if {*found} == _UNORDERED:
        _, numbers = numbered(*columns_a, *columns_b)
        sides = (np.sort(np.column_stack(side), axis=1) for side in (numbers[: len(found)], numbers[len(found) :]))
        pairs = [list(pair) for pair in zip(*(side.T for side in sides), strict=True)]
    else:
        pairs = [numbered(*pair)[1] for pair in zip(columns_a, columns_b, strict=True)]
    first, second = reduce(_joined, pairs)
    return first, second


def _distinct(table: pa.Table, numbers: Numbers) -> tuple[pa.Table, Numbers]:
    places = np.sort(np.unique(numbers, return_index=True)[1])  # first row of each key
    return (table, numbers) if len(places) == len(numbers) else (table.take(places), numbers[places])


def _refuse_twice(table: pa.Table, found: tuple[str, ...], numbers: Numbers) -> None:
    times = np.bincount(numbers)
    if times.max(initial=0) > 1:
        often = times[numbers]
        place = int(np.argmax(often > 1))
        count = int((times > 1).sum())
        key = ", ".join(f"{name} {escaped(table.column(name)[place].as_py(), 60)!r}" for name in found)
        raise ConfigError(
            f"duplicate ids: {key} occurs {often[place]} times ({count} duplicate {plural(count, 'id')} in total)",
            hint="Keep one row per id. To compare more than two results, compare them in pairs.",
        )


def _listed(names: list[str]) -> str:
    return ", ".join(repr(escaped(name, 60)) for name in names[:20]) or "none"


@dataclass(frozen=True, slots=True)
class Matched:
    """Row numbers of matched rows, in the order of a, and of unmatched rows."""

    both_a: Numbers
    both_b: Numbers
    only_a: Numbers
    only_b: Numbers


def numbered(*columns: pa.ChunkedArray) -> tuple[pa.Array, list[Numbers]]:
    """Encode columns of one type as integers, with one dictionary for all of them.

    Returns the distinct values without nulls, whose positions are the integers, and the integers of each column.
    """
    kind = columns[0].type
    if pa.types.is_large_list(kind):
        columns, kind = _as_bytes(columns), pa.large_binary()
    encoded = pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind).dictionary_encode()
    values = encoded.chunk(0).dictionary if encoded.num_chunks else pa.array([], kind)
    numbers = [chunk.indices.to_numpy() for chunk in encoded.chunks]
    together = np.concatenate([*numbers, np.empty(0, np.int32)]).astype(np.int64)
    return values, np.split(together, np.cumsum([len(column) for column in columns])[:-1])


def matched(a: Numbers, b: Numbers) -> Matched:
    """Match the rows of two tables by key; keys must be unique within each table."""
    places = np.full(max(a.max(initial=-1), b.max(initial=-1)) + 1, -1)
    places[b] = np.arange(len(b))
    found = places[a]
    both_b = found[found >= 0]
    only_b = np.setdiff1d(np.arange(len(b)), both_b, assume_unique=True)
    return Matched(np.flatnonzero(found >= 0), both_b, np.flatnonzero(found < 0), only_b)


def _joined(pair: list[Numbers], other: list[Numbers]) -> list[Numbers]:
    """Encode pairs of integers as integers."""
    most = max(numbers.max(initial=0) for numbers in other) + 1
    together = [pa.chunked_array([first * most + second]) for first, second in zip(pair, other, strict=True)]
    return numbered(*together)[1]


def _as_bytes(columns: Sequence[pa.ChunkedArray]) -> tuple[pa.ChunkedArray, ...]:
    """Encode each list of ids as bytes; equal lists give equal bytes."""
    _, flat = numbered(*map(pc.list_flatten, columns))
    made = []
    for column, numbers in zip(columns, flat, strict=True):
        ends = np.cumsum(pc.list_value_length(column).to_numpy())
        offsets = np.concatenate([[0], ends]).astype(np.int64) * numbers.itemsize
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(numbers)]
        made.append(pa.chunked_array([pa.Array.from_buffers(pa.large_binary(), len(column), buffers)]))
    return tuple(made)
