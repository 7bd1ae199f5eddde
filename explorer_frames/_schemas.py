"""Schemas of results: algorithm registry and resolution of `schema` arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias, TypeVar

import pyarrow as pa

from explorer_frames._errors import as_given, escaped, plural
from explorer_frames._private import private
from explorer_frames._types import NAMES as TYPE_NAMES, is_column_type
from explorer_frames._warnings import warn_caller
from explorer_frames.errors import ColumnTypeError, ConfigError, RowShapeError, SchemaWarning

_T = TypeVar("_T")
VidType: TypeAlias = Literal["string", "int64"]
Shape: TypeAlias = tuple[tuple[str, str], ...]

_VID, _INT, _DOUBLE, _TEXT = "vid", "int", "double", "text"
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
    """Algorithm and the columns of its results.

    Attributes
    ----------
    name
        Name in the vendor's documentation.
    shapes
        Possible columns of a result, as tuples of (name, kind) pairs. The first tuple is the default. No two tuples
        have the same length. Empty for Query, because queries can return any columns.
    aliases
        Other names of the algorithm.
    """

    name: str
    shapes: tuple[Shape, ...]
    aliases: tuple[str, ...] = ()


# `_plot.plot` contains the axis labels of algorithms, and `_outputs.full` contains the column names in file headers.
# Digits at the end of a task's name are the number of the component. Do not add a name that ends in digits if the rest
# of it is also a name.
ALGORITHMS: tuple[Algorithm, ...] = (
    Algorithm("PageRank", (_PAIR,)),
    Algorithm("BetweennessCentrality", (_PAIR,), ("Betweenness",)),
    Algorithm("ClosenessCentrality", (_PAIR,), ("Closeness",)),
    # With TYPE=global, the result is one row with the same columns.
    Algorithm("ClusteringCoefficient", (_PAIR,), ("LocalClusteringCoefficient", "GlobalClusteringCoefficient")),
    Algorithm("KCore", ((("id", _VID), ("core", _INT)),)),
    # KCore with TYPE=subgraph has a separate name, because TYPE=vertex has the same number of columns.
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
    # Each column is a requested statistic. By default, both are requested.
    Algorithm("Tree_stat", ((("width", _INT), ("depth", _INT)), (("value", _INT),))),
    Algorithm("Node2Vec", ((("path", _VIDS),),)),  # each row is a random walk
    Algorithm("Query", (), ("GraphQuery", "nGQL")),  # the API does not return the column names
)
COMMUNITY = "community"
_QUERY = ALGORITHMS[-1]
_CELLS = pa.schema([("cells", pa.list_(pa.string()))])
_TEXT_COLUMNS = Algorithm("text", ())  # columns of any result, not only of a Query
# Key columns of each shape, which identify its rows. Community labels are not keys.
KEYS = frozenset(
    frozenset(name for name, kind in shape if kind in (_VID, _VIDS) and name != COMMUNITY)
    for entry in ALGORITHMS
    for shape in entry.shapes
)


def _normal(name: str) -> str:
    """Normalize a name to lowercase letters and digits."""
    return re.sub(r"[\W_]+", "", name).lower()


_BY_NAME: dict[str, Algorithm] = {_normal(name): entry for entry in ALGORITHMS for name in (entry.name, *entry.aliases)}


@private
@lru_cache(maxsize=256)
def find(name: str) -> Algorithm | None:
    """Find the algorithm of a task by the first words of the task's name.

    By default, a task is named after its algorithm, such as "BFS" or "BFS_2". Users can rename tasks, so the result
    may be wrong.

    Parameters
    ----------
    name : str
        Name of the task.

    Returns
    -------
    Algorithm or None
        The algorithm with the longest matching name. None if no name matches.

    Examples
    --------
    >>> from explorer_frames import schemas
    >>> schemas.find("KCore subgraph 2").name, schemas.find("all but BFS")
    ('KCoreSubgraph', None)
    """
    words = [word.lower() for word in re.findall(r"[A-Za-z]+|[0-9]+|[^\W_A-Za-z0-9]+", name)]
    words = words[1:] if words[:1] == ["analytics"] else words  # component ids start with it
    begins = ("".join(words[:count]) for count in range(len(words), 0, -1))
    return next((_BY_NAME[begin] for begin in begins if begin in _BY_NAME), None)


@private
def named(name: str) -> Algorithm:
    """Find an algorithm by name or alias, ignoring case and punctuation.

    Parameters
    ----------
    name : str
        Name or alias of the algorithm.

    Returns
    -------
    Algorithm
        The algorithm with this name.

    Raises
    ------
    ConfigError
        No documented algorithm has this name. The hint contains the closest match.

    Examples
    --------
    >>> from explorer_frames import schemas
    >>> schemas.named("connected-component").name
    'WCC'
    """
    entry = _BY_NAME.get(_normal(name))
    if entry is not None:
        return entry
    import difflib  # noqa: PLC0415 (only a misspelled name needs it)

    near = difflib.get_close_matches(_normal(name), _BY_NAME, n=1)
    guess = f"Did you mean {_BY_NAME[near[0]].name!r}? " if near else ""
    raise ConfigError(
        f"unknown algorithm {escaped(name, 60)!r}",
        hint=f"{guess}Known: {', '.join(entry.name for entry in ALGORITHMS)}. You can also pass a pyarrow.Schema.",
    )


def arrow_type(kind: str, vid_type: str) -> pa.DataType:
    """Return the Arrow type of a kind of column."""
    if kind.startswith("list of "):
        return pa.list_(arrow_type(kind.removeprefix("list of "), vid_type))
    return {_VID: VID_TYPES[vid_type], _INT: pa.int64(), _DOUBLE: pa.float64(), _TEXT: pa.string()}[kind]


def text_columns(width: int | None) -> Shape:
    """Return `width` text columns, or one if the width is unknown."""
    return tuple((f"column_{number}", _TEXT) for number in range(1, (width or 1) + 1))


@private
@lru_cache(maxsize=256)
def to_schema(shape: Shape, vid_type: str = "string") -> pa.Schema:
    """Convert the columns of an algorithm to an Arrow schema.

    Columns of doubles and text are nullable. Other columns are not.

    Parameters
    ----------
    shape : tuple of tuple
        One of the `shapes` of an `Algorithm`.
    vid_type : str
        Type of vertex ids: ``"string"`` or ``"int64"``. Default: ``"string"``.

    Returns
    -------
    pyarrow.Schema
        One field per column.

    Examples
    --------
    >>> from explorer_frames import schemas
    >>> schemas.to_schema(schemas.named("SSSP").shapes[0]).names
    ['id', 'distance']
    """
    nullable = (_DOUBLE, _TEXT)
    return pa.schema([pa.field(name, arrow_type(kind, vid_type), kind in nullable) for name, kind in shape])


def checked_vid_type(vid_type: object) -> VidType:
    """Validate the argument `vid_type`."""
    if not isinstance(vid_type, str) or vid_type not in VID_TYPES:
        raise ConfigError(f"vid_type must be 'string' or 'int64', got {as_given(vid_type)}")
    return vid_type  # type: ignore[return-value]  # validated above


def checked(schema: pa.Schema) -> pa.Schema:
    """Validate the types and names of a custom schema."""
    for number, field in enumerate(schema):
        kind = field.type
        is_rest = pa.types.is_list(kind) and number == len(schema) - 1
        if is_rest or (pa.types.is_dictionary(kind) and not kind.ordered):
            kind = kind.value_type
        if not is_column_type(kind):
            raise ConfigError(
                f"unsupported type {field.type} for column {field.name!r}",
                hint=f"Use one of {TYPE_NAMES}, or an unordered dictionary of one of these types. The last column can "
                "also be a list of one of these types.",
            )
        check_zone(field.name, kind)
    if len(set(schema.names)) != len(schema.names) or not schema.names:
        raise ConfigError(f"schema must have at least one column and unique column names, got {schema.names}")
    return schema


def check_zone(column: str, kind: pa.DataType) -> None:
    """Raise ConfigError for a time zone that Arrow does not support."""
    zone = kind.tz if pa.types.is_timestamp(kind) else None
    if zone is None:
        return
    try:
        pa.lib.string_to_tzinfo(zone)
    except (ValueError, KeyError, OSError):
        pass
    else:
        return
    what = f"column {escaped(column, 60)!r} has an unknown time zone: {escaped(zone, 60)!r}"
    raise ConfigError(what, hint="Use a name such as 'UTC' or 'Asia/Shanghai', or an offset such as '+08:00'.")


def with_large_strings(schema: pa.Schema) -> pa.Schema:
    """Replace `string` columns by `large_string`, except inside lists."""
    for place, field in enumerate(schema):
        if field.type == pa.string():
            schema = schema.set(place, field.with_type(pa.large_string()))
    return schema


def fits(schema: pa.Schema, width: int) -> bool:
    """Return whether rows of `width` cells match the schema."""
    return width == len(schema) or (width >= len(schema) - 1 and takes_rest(schema))


def takes_rest(schema: pa.Schema) -> bool:
    """Return whether the last column is a list of all remaining cells."""
    return bool(pa.types.is_list(schema.types[-1]))


@dataclass(frozen=True, slots=True)
class ResolvedSchema:
    """Schema of a result and its source."""

    schema: pa.Schema
    algorithm: str | None
    source: str  # "argument", "task name", "component", "column count" or "text fallback"
    may_be_text: bool = False  # read all columns as text if a cell cannot be converted


@dataclass(frozen=True, slots=True)
class SchemaRequest:
    """Validated arguments `schema` and `vid_type` of a reader."""

    given: pa.Schema | Algorithm | None  # None to choose the columns by their number
    vid_type: str = "string"
    auto: bool = False  # whether the task's name determines the algorithm
    source: str = "argument"

    @classmethod
    def of(cls, schema: object, vid_type: object) -> SchemaRequest:
        """Validate the arguments."""
        vid_type = checked_vid_type(vid_type)
        if isinstance(schema, pa.Schema):
            return cls(checked(schema), vid_type)
        if isinstance(schema, str):
            return cls(None, vid_type, auto=True) if schema == "auto" else cls(named(schema), vid_type)
        if schema is None:
            return cls(None, vid_type)
        raise ConfigError(
            f"schema must be a str, a pyarrow.Schema or None, got {type(schema).__name__}",
            hint="Pass an algorithm's name, 'auto', a pyarrow.Schema or None.",
        )

    def for_task(self, name: str | None) -> SchemaRequest:
        """Return a copy with the algorithm in the task's name, if `auto` is set."""
        return replace(self, given=find(name or ""), source="task name") if self.auto else self

    @property
    def needs_name(self) -> bool:
        """Whether `resolve` or `contradicts` depends on the task's name."""
        return self.auto or isinstance(self.given, Algorithm)

    @property
    def algorithm(self) -> str | None:
        """Name of the requested algorithm."""
        return self.given.name if isinstance(self.given, Algorithm) else None

    def contradicts(self, task_name: str | None) -> bool:
        """Return whether the task's name matches another algorithm."""
        found = find(task_name or "")
        # The name KCore also matches KCoreSubgraph, and every result can be read with the schema of a Query.
        if self.auto or self.algorithm in (None, _QUERY.name) or found is None:
            return False
        return not str(self.algorithm).startswith(found.name)

    def candidates(self) -> list[pa.Schema]:
        """Return all possible schemas, except the ones of queries."""
        if isinstance(self.given, pa.Schema):
            return [self.given]
        shapes = [*(self.given.shapes if self.given else ())]
        if self.auto or self.given is None:
            shapes += _BY_WIDTH.values()
        return [to_schema(shape, self.vid_type) for shape in shapes]

    @property
    def only(self) -> pa.Schema | None:
        """The schema, or None if it depends on the number of columns."""
        first, *others = self.candidates() or [pa.schema([])]
        return first if first.names and (not others or takes_rest(first)) else None

    def resolve(self, width: int | None) -> ResolvedSchema:
        """Resolve the schema of a result with `width` columns; None for an empty result."""
        given = self.given
        if isinstance(given, pa.Schema):
            if width is None or fits(given, width):
                return ResolvedSchema(given, None, self.source)
            raise _width_error(width, f"the schema has {len(given)} ({', '.join(given.names)})")
        if given is not None:
            for shape in given.shapes or [text_columns(width)]:
                schema = to_schema(shape, self.vid_type)
                if width is None or fits(schema, width):
                    if given is _TEXT_COLUMNS:
                        return ResolvedSchema(schema, None, self.source, may_be_text=True)
                    return ResolvedSchema(schema, given.name, self.source)
            if given.shapes and not self.auto:
                widths = " or ".join(sorted({str(len(shape)) for shape in given.shapes}))
                raise _width_error(width or 0, f"{given.name} results have {widths}")
        if width == 0:
            raise RowShapeError("row 0 has no cells", row=0, hint="Check the task's result in Explorer.")
        shape = _PAIR if width is None else _BY_WIDTH.get(width) or text_columns(width)
        is_guess = self.auto and given is None
        return ResolvedSchema(to_schema(shape, self.vid_type), None, "column count", may_be_text=is_guess)


# Schemas that are tried if a result does not match the default columns. The second one accepts rows of any length.
FALLBACKS = tuple(SchemaRequest(given, source="text fallback") for given in (_TEXT_COLUMNS, _CELLS))
_AS_TEXT = "Pass schema='query' to read every column as text, or a pyarrow.Schema."


@contextmanager
def noting_fallback(*, may_be_text: bool) -> Iterator[None]:
    """Mark the conversion errors of the block that allow a fallback to text."""
    try:
        yield
    except (ColumnTypeError, RowShapeError) as error:
        error._may_be_text = may_be_text  # noqa: SLF001 (our own)
        if may_be_text:
            error.hint = _AS_TEXT
        raise


def read_or_as_text(schema: SchemaRequest, read: Callable[[SchemaRequest], _T], where: str) -> _T:
    """Read with a schema, or as text with a warning if the default columns do not match."""
    refused: ColumnTypeError | RowShapeError | None = None
    for attempt in (schema, *FALLBACKS):
        try:
            result = read(attempt)
        except (ColumnTypeError, RowShapeError) as error:
            if not error._may_be_text:  # noqa: SLF001 (our own)
                raise
            refused = refused or error
        else:
            break
    if refused is not None:
        warn_caller(
            f"all columns are read as text, because the default columns do not match ({refused.what})",
            SchemaWarning,
            refused.where or where,
            "Pass schema= to choose the columns.",
        )
    return result


def _width_error(width: int, expected: str) -> RowShapeError:
    return RowShapeError(
        f"the result has {width} {plural(width, 'column')}, but {expected}",
        row=0,
        hint="Pass schema='auto' to use the task's name, schema='query' to read every column as text, or a "
        'pyarrow.Schema. To read any number of columns, pass schema=pa.schema([("cells", '
        "pa.list_(pa.string()))]).",
    )
