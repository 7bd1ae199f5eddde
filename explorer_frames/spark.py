"""Spark: the samples and the full results of tasks as data sources of Spark 4, ``explorer`` and ``explorer_output``.

Needs the extra ``spark``, on the driver and on the workers. Options are part of Spark's plans, which its UI and its
logs show: so no secret can be one. Who we are to an Explorer comes from the environment of driver and workers
(``EXPLORER_FRAMES_TOKEN``, or ``_USER``, ``_PASSWORD`` and ``_GRAPHD``), settings of a store from its driver's own
variables (such as ``AWS_*``) or from fsspec's configuration (``FSSPEC_S3='{"endpoint_url": "..."}'`` or a file).
"""

from __future__ import annotations

import warnings
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from explorer_frames import schemas
from explorer_frames._client import Explorer
from explorer_frames._extras import require
from explorer_frames._http.config import PREFIX
from explorer_frames._outputs.full import Header, Request, in_part, preview, read_batches
from explorer_frames._outputs.parts import CHANGED, Parts
from explorer_frames._results.result import Query
from explorer_frames._storage.address import may_hold_secret
from explorer_frames._storage.sources import Store
from explorer_frames.errors import (
    ConfigError,
    FileReadError,
    JobError,
    NotFoundError,
    TruncatedResultWarning,
    escaped,
)

with require("explorer_frames.spark", extra="spark"):
    from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
    from pyspark.sql.types import ArrayType, DoubleType, FloatType, IntegralType, StringType

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

__all__ = ["OutputSource", "SampleSource", "register"]

_SECRETS = {"token", "password", "user", "graphd"}
_TASK = pa.field("task", pa.string(), nullable=False)
_TYPES = (StringType, IntegralType, FloatType, DoubleType)
_TRUTH = {"true": True, "false": False}


def register(spark: SparkSession) -> None:
    """Make ``explorer`` and ``explorer_output`` formats of a session.

    Parameters
    ----------
    spark
        Of Spark 4.0 or later.

    Notes
    -----
    Options of ``explorer``, for samples; one partition is made for each task:

    ``job``, ``task``
        Ids. Several tasks are separated by commas and have the same columns: those of the first. Then a column ``task``
        comes before the others.
    ``limit``
        Rows of each task; all without it. Where as many came, Spark cannot tell whether there are more.
    ``url``
        Of the Explorer. Default: ``EXPLORER_FRAMES_URL``.

    Options of ``explorer_output``, for full results; one partition is made for each part:

    ``path``
        As `explorer_frames.read_output` takes it, and as ``load(path)``. Workers need to reach it too.
    ``header``
        ``true`` or ``false``; as in `explorer_frames.read_output` without it.
    ``quoting``
        ``minimal`` (default) or ``none``, as in `explorer_frames.read_output`.

    Options of both:

    ``schema``
        An algorithm's name; without it, the number of columns decides. ``auto``, only of ``explorer``, looks at the
        name of the (first) task. Columns of your own are those of Spark's ``.schema(...)``, in place of this option.
    ``vid_type``
        ``string`` or ``int64``.

    ``load()`` checks the options, and reads one row at most: where the columns depend on it. Jobs and tasks and folders
    are looked at when a query is planned; a task has to have ended well. With columns of your own, Spark makes nothing
    of the options before that either.

    Errors are those of `explorer_frames.read_sample_result` and `explorer_frames.read_output`. Spark hands their text
    on within its own exceptions, and discards the rows of a partition that failed: a write is not committed. Unlike
    `explorer_frames.read_output`, a query does not see parts that appear after it was planned, nor a part that was
    replaced by one of the same size before it was read.

    Examples
    --------
    >>> register(spark)
    >>> frame = spark.read.format("explorer").option("job", job_id).option("task", task_id).load()
    >>> frame.columns, frame.count()
    (['id', 'score'], 77)
    """
    spark.dataSource.register(SampleSource)
    spark.dataSource.register(OutputSource)


class _Source(DataSource):
    """What both sources have in common: how options are checked, and how columns are decided on."""

    _options: ClassVar[tuple[str, ...]]
    _columns: pa.Schema | None = None  # as decided on at load(); None where they are the caller's own

    def __init__(self, options: MutableMapping[str, str]) -> None:
        # Here, since schema() is not called where the caller gave one.
        super().__init__(options)
        names = {name.lower() for name in options}
        hint = f"Known options: {', '.join(self._options)}."
        if names & _SECRETS:
            variables = ", ".join(PREFIX + name.upper() for name in sorted(names & _SECRETS))
            raise ConfigError(
                f"no option, since plans are shown: {', '.join(sorted(names & _SECRETS))}",
                hint=f"Set {variables} in the environment of the driver and of the workers. {hint}",
            )
        unknown = ", ".join(escaped(name, 60) for name in sorted(names - {*self._options}))
        if unknown:
            raise ConfigError(f"format {self.name()!r} has no option {unknown}", hint=hint)

    def schema(self) -> StructType:
        self._columns = self._decide()
        return from_arrow_schema(self._columns)

    def _decide(self) -> pa.Schema:
        raise NotImplementedError

    def _required(self, name: str) -> str:
        value: str | None = self.options.get(name)
        if not value:
            hint = f"Known options: {', '.join(self._options)}."
            raise ConfigError(f"format {self.name()!r} needs the option {name}", hint=hint)
        return value

    def _wanted(self, schema: StructType) -> pa.Schema:
        """The columns to read: as decided on at load(), or else the caller's own."""
        if self._columns is not None:
            return self._columns
        if self.options.get("schema"):
            raise ConfigError("there are two schemas: an option and .schema(...)", hint="Pass only one of them.")
        for field in schema:  # Spark's own conversion fails at some other types without a word
            kind = field.dataType.elementType if isinstance(field.dataType, ArrayType) else field.dataType
            if not isinstance(kind, _TYPES):
                hint = "Use string, an integer or a floating type; or, for the last column, an array of one."
                raise ConfigError(f"column {field.name!r} cannot be {field.dataType.simpleString()}", hint=hint)
        return schemas.checked(to_arrow_schema(schema))


class SampleSource(_Source):
    """Format ``explorer``: see `register`."""

    _options = ("job", "task", "limit", "schema", "vid_type", "url")

    @classmethod
    def name(cls) -> str:
        """Name of the format."""
        return "explorer"

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        limit, tasks = options.get("limit"), [task.strip() for task in self._required("task").split(",")]
        if len({*tasks}) < len(tasks):
            raise ConfigError("the option task names one task twice")
        self._vid_type: Any = options.get("vid_type", "string")
        number = int(limit) if limit and limit.isdecimal() else limit
        self._queries = [
            Query.of(self._required("job"), task, number, options.get("schema"), self._vid_type) for task in tasks
        ]

    def reader(self, schema: StructType) -> SampleReader:
        """What reads the partitions, on the workers."""
        columns = self._wanted(schema)
        if len(self._queries) > 1 and (columns.names[0] != _TASK.name or columns.types[0] != _TASK.type):
            hint = "Begin the schema with task string: it says which task a row is of."
            raise ConfigError("several tasks need a first column task", hint=hint)
        return SampleReader(self.options.get("url"), self._queries, columns, to_arrow_schema(schema))

    def _decide(self) -> pa.Schema:
        first = self._queries[0]
        columns = _only_shape(first.schema, first.vid_type)
        if columns is None:
            with Explorer(self.options.get("url")) as explorer, warnings.catch_warnings():
                warnings.simplefilter("ignore", TruncatedResultWarning)
                asked = {"schema": self.options.get("schema"), "vid_type": self._vid_type}
                columns = explorer.read_sample_result_arrow(first.job, first.task, 1, **asked).schema.remove_metadata()
        if len(self._queries) == 1:
            return columns
        return schemas.checked(pa.schema([_TASK, *columns]))


class SampleReader(DataSourceReader):
    """Reads samples, one task a partition.

    Parameters
    ----------
    url
    queries
        One for each task.
    columns
        To read, checked.
    target
        The same as Spark takes them.
    """

    def __init__(self, url: str | None, queries: list[Query], columns: pa.Schema, target: pa.Schema) -> None:
        self._url = url
        self._queries = queries
        self._columns = columns
        self._target = target

    def partitions(self) -> list[InputPartition]:
        """Look at the job, and make a partition of each task.

        Raises
        ------
        NotFoundError
            There is no such job, or no such task in it.
        JobError
            A task has not ended well.
        """
        number = self._queries[0].job
        with Explorer(self._url) as explorer:
            states = {task.id: task.status for task in explorer.job(number).tasks}
        for query in self._queries:
            if query.task not in states:
                hint = f"Its tasks: {escaped(', '.join(states), 400)}."
                raise NotFoundError("the job has no such task", where=query.where, hint=hint)
            if states[query.task] != "success":
                what = f"the task is {states[query.task]}, so its rows may not be all"
                raise JobError(what, where=query.where, hint="Wait for the job, and read again.")
        return [InputPartition(place) for place in range(len(self._queries))]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read one task."""
        query, several = self._queries[partition.value], len(self._queries) > 1
        columns = pa.schema([*self._columns][several:])
        # Without a deadline: what the rest of the query does between two batches would count.
        with (
            Explorer(self._url, deadline=None) as explorer,
            explorer.open_sample_result(query.job, query.task, query.limit, schema=columns) as reader,
        ):
            for batch in reader:
                names = [pa.repeat(query.task, batch.num_rows)] * several
                yield _fitted([*names, *batch.columns], self._target)


class OutputSource(_Source):
    """Format ``explorer_output``: see `register`."""

    _options = ("path", "schema", "vid_type", "header", "quoting")

    @classmethod
    def name(cls) -> str:
        """Name of the format."""
        return "explorer_output"

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        path, header = self._required("path"), options.get("header")
        if may_hold_secret(path):
            hint = "Set it where the driver of the store looks for it, or in fsspec's configuration (FSSPEC_...)."
            raise ConfigError("the path has a password or a query in it, and plans are shown", hint=hint)
        self._request = Request.of(
            path,
            schema=options.get("schema", "auto"),
            vid_type=options.get("vid_type", "string"),
            quoting=options.get("quoting", "minimal"),
            header=_TRUTH.get(header.lower(), header) if header is not None else None,
            storage_options=None,
        )

    def reader(self, schema: StructType) -> OutputReader:
        """What reads the partitions, on the workers."""
        return OutputReader(replace(self._request, schema=self._wanted(schema)), to_arrow_schema(schema))

    def _decide(self) -> pa.Schema:
        request = self._request
        of_core = isinstance(request.schema, schemas.Algorithm) and request.schema.name.startswith("KCore")
        columns = None if of_core or request.auto else _only_shape(request.schema, request.vid_type)
        if columns is None:  # KCore's folders decide, or the first row
            store = Store(request.url)
            columns, _ = preview(request, store, Parts(store))
        return columns


class OutputReader(DataSourceReader):
    """Reads a full result, one part a partition.

    Parameters
    ----------
    request
        With the columns to read.
    target
        The same as Spark takes them.
    """

    def __init__(self, request: Request, target: pa.Schema) -> None:
        self._request = request
        self._target = target

    def partitions(self) -> list[InputPartition]:
        """Look at the folder, and make a partition of each part."""
        store = Store(self._request.url)
        parts = Parts(store)
        # A header comes again in every part: which line it is, the first part tells.
        line = preview(self._request, store, parts)[1].line if self._request.header else None
        return [InputPartition((part.path, part.size, part.k, line)) for part in parts.files]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read one part."""
        path, size, k, line = partition.value
        store = Store(self._request.url).at(path)
        parts = Parts(store)
        part = replace(parts.files[0], k=k)
        if part.size != size:
            what = f"it had {size} bytes when the query was planned, and has {part.size}"
            raise FileReadError(what, where=store.shown, hint=CHANGED)
        request = self._request
        header = Header(replace(request, schema=in_part(part, request.schema)), line)
        with closing(read_batches(store, part, header, request.schema, request.quoting)) as batches:
            for batch in batches:
                yield _fitted(batch.columns, self._target)
        parts.check_unchanged()


def _only_shape(schema: pa.Schema | schemas.Algorithm | None, vid_type: str) -> pa.Schema | None:
    """The columns of an algorithm whose results all have the same, which nothing needs to be read for."""
    if isinstance(schema, schemas.Algorithm) and len(schema.shapes) == 1:
        return schemas.to_schema(schema.shapes[0], vid_type)
    return None


def _fitted(columns: list[pa.Array], target: pa.Schema) -> pa.RecordBatch:
    """The same values in the types that Spark compares with its own: they differ in names and nulls of list items."""
    pairs = zip(columns, target.types, strict=True)
    return pa.RecordBatch.from_arrays([column.cast(kind) for column, kind in pairs], schema=target)
