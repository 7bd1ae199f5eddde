"""What a result looks like: by its number of columns, and the book of documented algorithms.

The API sends every cell as text and no types, so the types are decided here: by a table, never by looking at
values. Source: the output tables of NebulaGraph Analytics' algorithm pages; ``VID`` there is the graph space's
vertex id type, and so is a community's label, which is the id of one of its vertices.

A last column of list type takes all the cells that are left in a row, however many. Paths and random walks, whose rows
differ in length, are typed that way; so can any other result be read as it came::

    pa.schema([("cells", pa.list_(pa.string()))])

A caller's own schema may also have bools, dates, timestamps, decimals and dictionaries: see the reference of schemas.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pyarrow as pa

from explorer_frames.errors import ConfigError, RowShapeError, escaped

VidType: TypeAlias = Literal["string", "int64"]
Shape: TypeAlias = tuple[tuple[str, str], ...]

_VID, _INT, _DOUBLE = "vid", "int", "double"
_VIDS = "list of vid"
VID_TYPES: dict[str, pa.DataType] = {"string": pa.string(), "int64": pa.int64()}

_PAIR: Shape = (("id", _VID), ("score", _DOUBLE))
_BY_WIDTH: dict[int, Shape] = {2: _PAIR, 3: (*_PAIR, ("community", _VID))}
_COMMUNITY: Shape = (("id", _VID), ("community", _VID))
_COMMUNITIES: tuple[Shape, ...] = (_COMMUNITY, (*_COMMUNITY, ("modularity", _DOUBLE)))
_DEGREES: tuple[Shape, ...] = (
    (("id", _VID), ("both_degree", _INT), ("out_degree", _INT), ("in_degree", _INT)),
    (("id", _VID), ("degree", _INT)),
)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An entry of the book.

    Attributes
    ----------
    name
        As the vendor's documentation spells it.
    shapes
        The columns it can have, as (name, kind) pairs, its default first; no two of the same width.
    aliases
        Other names it goes by.
    """

    name: str
    shapes: tuple[Shape, ...]
    aliases: tuple[str, ...] = ()


BOOK: tuple[Algorithm, ...] = (
    Algorithm("PageRank", (_PAIR,)),
    Algorithm("BetweennessCentrality", (_PAIR,), ("Betweenness",)),
    Algorithm("ClosenessCentrality", (_PAIR,), ("Closeness",)),
    # TYPE=global has the same columns and one row.
    Algorithm("ClusteringCoefficient", (_PAIR,), ("LocalClusteringCoefficient", "GlobalClusteringCoefficient")),
    Algorithm("KCore", ((("id", _VID), ("core", _INT)),)),
    # TYPE=subgraph is as wide as TYPE=vertex, so it needs a name of its own.
    Algorithm("KCoreSubgraph", ((("id", _VID), ("neighbor", _VID)),)),
    Algorithm("DegreeCentrality", _DEGREES, ("NStepDegree", "Degree")),
    Algorithm("DegreeWithTime", _DEGREES),
    Algorithm("LPA", _COMMUNITIES, ("LabelPropagation",)),
    Algorithm("HANP", _COMMUNITIES),
    Algorithm("WCC", _COMMUNITIES, ("ConnectedComponent", "ConnectedComponents")),
    Algorithm("Louvain", _COMMUNITIES),
    Algorithm("InfoMap", _COMMUNITIES),
    Algorithm("SSSP", ((("id", _VID), ("distance", _DOUBLE)),)),
    Algorithm("BFS", ((("root", _VID), ("visited", _INT)),)),
    Algorithm("APSP", ((("id1", _VID), ("id2", _VID), ("distance", _DOUBLE)),)),
    Algorithm("Jaccard", ((("id1", _VID), ("id2", _VID), ("score", _DOUBLE)),)),
    Algorithm(
        "TriangleCount",
        (
            (("id1", _VID), ("id2", _VID), ("id3", _VID)),
            (("id", _VID), ("count", _INT)),
            (("count", _INT),),
        ),
        ("Triangles",),
    ),
    Algorithm("HyperANF", ((("score", _DOUBLE),),)),
    Algorithm("ShortestPath", ((("path", _VIDS),),)),
    # One number for each statistic asked for; both, in this order, is the default.
    Algorithm("Tree_stat", ((("width", _INT), ("depth", _INT)), (("value", _INT),))),
    Algorithm("Node2Vec", ((("path", _VIDS),),)),  # the vertices of one random walk
)
COMMUNITY = "community"
# Columns that tell the rows of a result apart, for each shape: ids of vertices, or paths of them; no labels.
KEYS = frozenset(
    frozenset(name for name, kind in shape if kind in (_VID, _VIDS) and name != COMMUNITY)
    for entry in BOOK
    for shape in entry.shapes
)


def _normal(name: str) -> str:
    """Reduce a name to its letters and digits, since pages and tasks spell it in several ways."""
    return re.sub(r"[\W_]+", "", name).lower()


_BY_NAME: dict[str, Algorithm] = {_normal(name): entry for entry in BOOK for name in (entry.name, *entry.aliases)}


def find(name: str) -> Algorithm | None:
    """Find the algorithm that a task's name speaks of: the longest words it begins with that name one.

    A task is named for its algorithm ("BFS", "BFS_2", "Louvain with modularity"), but users may rename it: so this is
    a hint. A name that has an algorithm's further on says nothing.

    Examples
    --------
    >>> from explorer_frames import schemas
    >>> schemas.find("KCore subgraph 2").name, schemas.find("all but BFS")
    ('KCoreSubgraph', None)
    """
    words = re.findall(r"[^\W_]+", name)
    words = words[1:] if words[:1] == ["analytics"] else words  # as components are called in inputs
    begins = ("".join(words[:count]).lower() for count in range(len(words), 0, -1))
    return next((_BY_NAME[begin] for begin in begins if begin in _BY_NAME), None)


def named(name: str) -> Algorithm:
    """Find an algorithm by one of its names, whatever the case and punctuation.

    Raises
    ------
    ConfigError
        No documented algorithm is called that; the message names the nearest.

    Examples
    --------
    >>> from explorer_frames import schemas
    >>> schemas.named("connected-component").name
    'WCC'
    """
    entry = _BY_NAME.get(_normal(name))
    if entry is not None:
        return entry
    import difflib  # noqa: PLC0415 (only a misspelt name needs it)

    near = difflib.get_close_matches(_normal(name), _BY_NAME, n=1)
    guess = f"Did you mean {_BY_NAME[near[0]].name!r}? " if near else ""
    raise ConfigError(
        f"no documented algorithm is called {escaped(name, 60)!r}",
        hint=f"{guess}Known: {', '.join(entry.name for entry in BOOK)}; or pass a pyarrow.Schema.",
    )


def arrow_type(kind: str, vid_type: str) -> pa.DataType:
    """The Arrow type of a column of that kind."""
    if kind.startswith("list of "):
        return pa.list_(arrow_type(kind.removeprefix("list of "), vid_type))
    return {_VID: VID_TYPES[vid_type], _INT: pa.int64(), _DOUBLE: pa.float64()}[kind]


def to_schema(shape: Shape, vid_type: str = "string") -> pa.Schema:
    """Make a shape an Arrow schema.

    Only doubles may be null: an id, a label or a count that is missing is an error, a score that is missing is not.
    """
    return pa.schema([pa.field(name, arrow_type(kind, vid_type), kind == _DOUBLE) for name, kind in shape])


def checked(schema: pa.Schema) -> pa.Schema:
    """Refuse a caller's schema that no result could be read with, before anything is asked for.

    Raises
    ------
    ConfigError
        No columns, two of one name, a type that text cannot be cast to exactly, a list that is not last.
    """
    for number, field in enumerate(schema):
        kind = field.type
        if _is_outer(kind, last=number == len(schema) - 1):
            kind = kind.value_type
        if not _castable(kind):
            raise ConfigError(
                f"column {field.name!r} cannot be a {field.type}",
                hint="Use string, large_string, bool, an integer, float32, float64, date32, timestamp, decimal128 or "
                "decimal256 (0 <= scale <= precision); or an unordered dictionary of one of these; or, for the last "
                "column, a list of one of these.",
            )
        if pa.types.is_timestamp(kind) and kind.tz is not None and not _is_zone(kind.tz):
            raise ConfigError(
                f"column {field.name!r} has an unknown time zone: {escaped(kind.tz, 60)!r}",
                hint="Use a name such as 'UTC' or 'Asia/Shanghai', or an offset such as '+08:00'.",
            )
    if len(set(schema.names)) != len(schema.names) or not schema.names:
        raise ConfigError(f"a schema needs columns, each of its own name: {schema.names}")
    return schema


def _is_outer(kind: pa.DataType, *, last: bool) -> bool:
    """Whether the cells of a column have the type's value type."""
    return bool(pa.types.is_list(kind) and last) or bool(pa.types.is_dictionary(kind) and not kind.ordered)


def _castable(kind: pa.DataType) -> bool:
    if pa.types.is_decimal128(kind) or pa.types.is_decimal256(kind):
        return bool(0 <= kind.scale <= kind.precision)
    numbers = (pa.float32(), pa.float64())
    others = (pa.bool_(), pa.date32())
    return is_text(kind) or kind in (*numbers, *others) or pa.types.is_integer(kind) or pa.types.is_timestamp(kind)


def _is_zone(name: str) -> bool:
    """Whether Arrow, and so pandas, knows a time zone."""
    try:
        pa.lib.string_to_tzinfo(name)
    except (ValueError, KeyError, OSError):
        return False
    return True


def is_text(kind: pa.DataType) -> bool:
    """Whether a column holds the text of its cells, unchanged."""
    return kind in (pa.string(), pa.large_string())


def with_large_strings(schema: pa.Schema) -> pa.Schema:
    """The same schema, with offsets of 64 bits for columns of text; those in lists stay."""
    large = {pa.string(): pa.large_string()}
    return pa.schema([field.with_type(large.get(field.type, field.type)) for field in schema], schema.metadata)


def fits(schema: pa.Schema, width: int) -> bool:
    """Whether rows of `width` cells can fill the schema."""
    return width >= len(schema) - 1 if takes_rest(schema) else width == len(schema)


def takes_rest(schema: pa.Schema) -> bool:
    """Whether the last column takes all cells that are left."""
    return bool(pa.types.is_list(schema.types[-1]))


def asked(schema: object, vid_type: str) -> tuple[pa.Schema | Algorithm | None, bool]:
    """Check what a caller passed for `schema` and `vid_type`, before any I/O.

    Returns
    -------
    tuple
        What `choose` takes for its `schema`, and whether the name of the task is to decide (``"auto"``).

    Raises
    ------
    ConfigError
    """
    if not isinstance(vid_type, str) or vid_type not in VID_TYPES:
        raise ConfigError(f"vid_type must be 'string' or 'int64': {escaped(vid_type, 60)!r}")
    if isinstance(schema, pa.Schema):
        return checked(schema), False
    if isinstance(schema, str):
        return (None, True) if schema == "auto" else (named(schema), False)
    if schema is None:
        return None, False
    raise ConfigError(
        f"schema cannot be a {type(schema).__name__}",
        hint="Pass an algorithm's name, 'auto', a pyarrow.Schema or None.",
    )


def shapes_of(schema: Algorithm | None) -> tuple[Shape, ...]:
    """The shapes that a result can have; None is for one that nothing else is known of."""
    return tuple(_BY_WIDTH.values()) if schema is None else schema.shapes


def choose(
    schema: pa.Schema | Algorithm | None, width: int | None, vid_type: str = "string", *, hint: bool = False
) -> pa.Schema:
    """Decide on the schema of a result.

    Parameters
    ----------
    schema
        The caller's own, an entry of the book, or None for the rule by the number of columns.
    width
        Number of cells in the first row; None for a result without rows, which gets the default of its kind.
    vid_type
        Type of the space's vertex ids.
    hint
        Whether an entry of the book was only guessed: where no shape of it fits, the count decides as without it.

    Raises
    ------
    RowShapeError
        Nothing that was asked for has so many columns; the message names what has.
    """
    if isinstance(schema, pa.Schema):
        if width is None or fits(schema, width):
            return schema
        raise RowShapeError(
            f"the result has {width} columns and the schema {len(schema)}: {', '.join(schema.names)}",
            row=0,
            hint=fitting(width),
        )
    if hint and isinstance(schema, Algorithm) and width is not None:
        known = any(fits(to_schema(shape, vid_type), width) for shape in schema.shapes)
        schema = schema if known else None
    for shape in shapes_of(schema):
        candidate = to_schema(shape, vid_type)
        if width is None or fits(candidate, width):
            return candidate
    whose = "without a schema, 2 or 3 are expected" if schema is None else f"{schema.name} has none of that width"
    raise RowShapeError(f"the result has {width} column{'s' * (width != 1)}: {whose}", row=0, hint=fitting(width or 0))


def fitting(width: int) -> str:
    """Say which schemas have so many columns."""
    names = [
        entry.name
        for entry in BOOK
        for shape in entry.shapes
        if len(shape) == width and not shape[-1][1].startswith("list")
    ]
    offer = f"Pass schema= one of {', '.join(names)}" if names else "No documented algorithm has so many columns: pass"
    own = ', or a pyarrow.Schema, such as pa.schema([("cells", pa.list_(pa.string()))]) to see the rows as they came.'
    return (offer + own) if names else (offer + own.removeprefix(", or"))
