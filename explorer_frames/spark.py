"""Read results as Spark 4 data sources: ``explorer`` for samples, ``explorer_output`` for full results.

Needs the extra ``spark`` on the driver and on the workers.

Secrets cannot be options, because Spark shows options in plans, logs and its UI. Set credentials for Explorer in the
environment of the driver and of the workers: ``EXPLORER_FRAMES_TOKEN``, or ``EXPLORER_FRAMES_USER``,
``EXPLORER_FRAMES_PASSWORD`` and ``EXPLORER_FRAMES_GRAPHD``. Set storage options in the environment variables of
the fsspec driver, such as ``AWS_*``, or in fsspec's configuration (``FSSPEC_S3='{"endpoint_url": "..."}'`` or a file).
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import closing
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any, ClassVar

import pyarrow as pa

from explorer_frames import _schemas
from explorer_frames._client import Explorer
from explorer_frames._errors import escaped
from explorer_frames._extras import require
from explorer_frames._http.profiles import PREFIX
from explorer_frames._outputs.full import Header, Request, in_part, preview, read_batches
from explorer_frames._outputs.parts import CHANGED, Parts
from explorer_frames._private import private
from explorer_frames._results.columns import task_schemas, united
from explorer_frames._results.reading import Query
from explorer_frames._schemas import SchemaRequest
from explorer_frames._storage.address import may_hold_secret
from explorer_frames._storage.sources import Store
from explorer_frames._types import NAMES as TYPE_NAMES, is_column_type
from explorer_frames.errors import ConfigError, FileReadError, JobError, NotFoundError

with require("explorer_frames.spark", extra="spark"):
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession, types
    from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema


__all__ = ["OutputSource", "SampleSource", "register"]

_SECRETS = {"token", "password", "user", "graphd"}
_TASK = pa.field("task_id", pa.string(), nullable=False)
_TRUTH = {"true": True, "false": False}


@private
def register(spark: SparkSession) -> None:
    """Register the formats ``explorer`` and ``explorer_output`` in a Spark session.

    Parameters
    ----------
    spark
        Session of Spark 4.0 or later.

    Notes
    -----
    Options of ``explorer``, which reads samples with one partition per task:

    ``job_id``, ``task_id``
        Ids of a job and its task. To read several tasks, separate their ids by commas. The first column is then
        ``task_id``, followed by the union of the columns of the results. Columns that a result does not have are null.
    ``limit``
        Number of rows to request for each task. Default: all rows. If a result may be incomplete, a
        TruncatedResultWarning is written only to the worker's log.
    ``url``
        URL of Explorer. Default: ``EXPLORER_FRAMES_URL``.

    Options of ``explorer_output``, which reads full results with one partition per part:

    ``path``
        Path or URL, as in `explorer_frames.read_output`, which the workers can read. ``load(path)`` is also supported.
    ``header``
        ``true`` or ``false``. Default: as in `explorer_frames.read_output`.
    ``quoting``
        ``minimal`` (default) or ``none``, as in `explorer_frames.read_output`.

    Options of both formats:

    ``schema``
        Name of an algorithm, ``query`` for text columns, or ``auto`` (default). With ``auto``, ``explorer`` uses the
        name of each task. ``explorer_output`` uses a folder name in the path, such as ``analytics_pagerank_1``.

        To define the columns yourself, use Spark's ``.schema(...)`` instead of this option. Strings, booleans, numbers,
        decimals, dates and timestamps are supported. The last column may also be an array of these types.
    ``vid_type``
        ``string`` (default) or ``int64``.

    ``load()`` validates the options. If the columns depend on the data, it also reads the first rows of each result.
    Jobs, tasks and folders are looked up when a query is planned, and each task must have the status ``success``. With
    ``.schema(...)``, the options are validated when the query is planned.

    Errors are the same as in `explorer_frames.read_sample_result` and `explorer_frames.read_output`, but Spark wraps
    their messages in its own exceptions. Spark discards the rows of a failed partition, so a write is not committed.

    Unlike `explorer_frames.read_output`, a query does not detect parts that are added after it was planned. It also
    does not detect a part that was replaced by one of the same size before it was read.

    Examples
    --------
    >>> register(spark)
    >>> frame = spark.read.format("explorer").option("job_id", job_id).option("task_id", task_id).load()
    >>> frame.columns, frame.count()
    (['id', 'score'], 77)
    """
    spark.dataSource.register(SampleSource)
    spark.dataSource.register(OutputSource)


class _Source(DataSource):
    """Base of both data sources: validates options and determines columns."""

    _options: ClassVar[tuple[str, ...]]
    _columns: pa.Schema | None = None  # determined by load(), unless the caller passed a schema

    def __init__(self, options: MutableMapping[str, str]) -> None:
        # Options are validated here, because Spark does not call schema() if the caller passed one.
        super().__init__(options)
        names = {name.lower() for name in options}
        hint = f"Known options: {', '.join(self._options)}."
        if names & _SECRETS:
            variables = ", ".join(PREFIX + name.upper() for name in sorted(names & _SECRETS))
            raise ConfigError(
                f"secrets cannot be options, because plans show them: {', '.join(sorted(names & _SECRETS))}",
                hint=f"Set {variables} in the environment of the driver and of the workers. {hint}",
            )
        unknown = ", ".join(escaped(name, 60) for name in sorted(names - {*self._options}))
        if unknown:
            raise ConfigError(f"format {self.name()!r} has no option {unknown}", hint=hint)

    def schema(self) -> types.StructType:
        self._columns = self._decide()
        return from_arrow_schema(self._columns)

    def _decide(self) -> pa.Schema:
        raise NotImplementedError

    def _required(self, name: str) -> str:
        value: str | None = self.options.get(name)
        if not value:
            hint = f"Known options: {', '.join(self._options)}."
            raise ConfigError(f"format {self.name()!r} requires the option {name}", hint=hint)
        return value

    def _wanted(self, schema: types.StructType) -> pa.Schema:
        """Return the columns to read: those determined by load(), or those of the caller."""
        if self._columns is not None:
            return self._columns
        if self.options.get("schema"):
            raise ConfigError(
                "the option schema and .schema(...) are mutually exclusive", hint="Pass only one of them."
            )
        for field in schema:
            kind = field.dataType.elementType if isinstance(field.dataType, types.ArrayType) else field.dataType
            if not _is_column_type(kind):
                hint = (
                    f"Use a type that Spark converts to one of {TYPE_NAMES}. The last column may also be an array of "
                    "these."
                )
                raise ConfigError(
                    f"unsupported type {field.dataType.simpleString()} for column {field.name!r}", hint=hint
                )
        return _schemas.checked(_to_arrow(schema))


class SampleSource(_Source):
    """Data source for the format ``explorer``; see `register`."""

    _options = ("job_id", "task_id", "limit", "schema", "vid_type", "url")

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "explorer"

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        limit, tasks = options.get("limit"), [task.strip() for task in self._required("task_id").split(",")]
        if len({*tasks}) < len(tasks):
            raise ConfigError("the option task_id contains duplicate ids", hint="List each task once.")
        number = int(limit) if limit and limit.isdecimal() else limit
        requested = SchemaRequest.of(options.get("schema", "auto"), options.get("vid_type", "string"))
        self._queries = [Query.of(self._required("job_id"), task, number, requested) for task in tasks]
        self._own: list[pa.Schema] = []  # schema of each task, determined by load()

    def reader(self, schema: types.StructType) -> SampleReader:
        """Return the reader, which Spark sends to the workers."""
        columns = self._wanted(schema)
        if len(self._queries) > 1 and (columns.names[0] != _TASK.name or columns.types[0] != _TASK.type):
            hint = "Add `task_id string` as the first column of the schema."
            raise ConfigError("several tasks require task_id as the first column", hint=hint)
        several = len(self._queries) > 1
        own = self._own or [pa.schema([*columns][several:])] * len(self._queries)
        return SampleReader(self.options.get("url"), self._queries, own, _to_arrow(schema))

    def _decide(self) -> pa.Schema:
        if self._queries[0].schema.only is not None:
            self._own = task_schemas(self._queries, lambda _: None)
        else:
            with Explorer(self.options.get("url")) as explorer:
                self._own = task_schemas(self._queries, explorer._results.table)  # noqa: SLF001
        columns = united(self._own)
        return columns if len(self._queries) == 1 else _schemas.checked(pa.schema([_TASK, *columns]))


@dataclass
class SampleReader(DataSourceReader):
    """Reader for samples, with one partition per task.

    Parameters
    ----------
    url
        URL of Explorer, or None for the URL in the environment.
    queries
        One query per task.
    own
        Validated schema of each task's result.
    target
        All columns, with Spark's types.
    """

    url: str | None
    queries: list[Query]
    own: list[pa.Schema]
    target: pa.Schema

    def partitions(self) -> list[InputPartition]:
        """Look up the job, and return one partition per task.

        Raises
        ------
        NotFoundError
            The job does not exist, or does not have one of the tasks.
        JobError
            The status of a task is not ``success``.
        """
        number = self.queries[0].job
        with Explorer(self.url) as explorer:
            states = {task.task_id: task.status for task in explorer.job(number).tasks}
        for query in self.queries:
            if query.task not in states:
                hint = f"Pass one of its tasks: {escaped(', '.join(states), 400)}."
                raise NotFoundError("the job does not have this task", where=query.where, hint=hint)
            if states[query.task] != "success":
                what = f"the task is {states[query.task]}, so its result may be incomplete"
                raise JobError(what, where=query.where, hint="Wait for the job to end, then read again.")
        return [InputPartition(place) for place in range(len(self.queries))]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read the result of one task."""
        query, columns = self.queries[partition.value], self.own[partition.value]
        several = len(self.queries) > 1
        # There is no deadline, because Spark may process one batch for a long time before it requests the next.
        with (
            Explorer(self.url, deadline=None) as explorer,
            explorer.open_sample_result(query.job, query.task, query.limit, schema=columns) as reader,
        ):
            for batch in reader:
                named = batch.add_column(0, _TASK, pa.repeat(query.task, batch.num_rows)) if several else batch
                yield _fitted(named, self.target)


class OutputSource(_Source):
    """Data source for the format ``explorer_output``; see `register`."""

    _options = ("path", "schema", "vid_type", "header", "quoting")

    @classmethod
    def name(cls) -> str:
        """Return the name of the format."""
        return "explorer_output"

    def __init__(self, options: MutableMapping[str, str]) -> None:
        super().__init__(options)
        path, header = self._required("path"), options.get("header")
        if may_hold_secret(path):
            hint = "Set credentials in the environment variables of the fsspec driver, or in FSSPEC_... variables."
            raise ConfigError("the path contains a password or a query, which would be visible in plans", hint=hint)
        self._request = Request.of(
            path,
            schema=options.get("schema", "auto"),
            vid_type=options.get("vid_type", "string"),
            quoting=options.get("quoting", "minimal"),
            header=_TRUTH.get(header.lower(), header) if header is not None else None,
            storage_options=None,
        )

    def reader(self, schema: types.StructType) -> OutputReader:
        """Return the reader, which Spark sends to the workers."""
        return OutputReader(replace(self._request, schema=SchemaRequest(self._wanted(schema))), _to_arrow(schema))

    def _decide(self) -> pa.Schema:
        request = self._request
        of_core = (request.schema.algorithm or "").startswith("KCore")
        columns = None if of_core or request.schema.auto else request.schema.only
        if columns is None:  # the columns depend on the folders of KCore or on the first row
            store = Store(request.path)
            columns, _ = preview(request, store, Parts(store))
        return columns


@dataclass
class OutputReader(DataSourceReader):
    """Reader for a full result, with one partition per part.

    Parameters
    ----------
    request
        Request with the columns to read.
    target
        The same columns, with Spark's types.
    """

    request: Request
    target: pa.Schema

    def partitions(self) -> list[InputPartition]:
        """List the folder, and return one partition per part."""
        store = Store(self.request.path)
        parts = Parts(store)
        # All parts begin with the same header, so it is read from the first part.
        line = preview(self.request, store, parts)[1].line if self.request.header else None
        return [InputPartition((part, line)) for part in parts.files]

    def read(self, partition: InputPartition) -> Iterator[pa.RecordBatch]:
        """Read one part."""
        planned, line = partition.value
        store = Store(self.request.path).at(planned.path)
        parts = Parts(store)
        part = replace(parts.files[0], k=planned.k)
        if part.size != planned.size:
            what = f"the file size changed from {planned.size} to {part.size} bytes since the query was planned"
            raise FileReadError(what, where=store.shown, hint=CHANGED)
        request = self.request
        columns = request.schema.only
        header = Header(replace(request, schema=SchemaRequest(in_part(part, columns))), line)
        with closing(read_batches(store, part, header, columns, request.quoting)) as batches:
            for batch in batches:
                yield _fitted(batch, self.target)
        parts.check_unchanged()


def _is_column_type(kind: types.DataType) -> bool:
    """Return whether a Spark type is supported for columns."""
    try:
        return is_column_type(_to_arrow(types.StructType([types.StructField("column", kind)])).types[0])
    except PySparkException:  # raised for types that Spark cannot convert
        return False


def _to_arrow(schema: types.StructType) -> pa.Schema:
    """Return the Arrow schema that Spark requires; Spark 4.0 takes no time zone, but uses UTC."""
    zone: dict[str, Any] = {"timezone": "UTC"} if "timezone" in signature(to_arrow_schema).parameters else {}
    return to_arrow_schema(schema, **zone)


def _fitted(batch: pa.RecordBatch, target: pa.Schema) -> pa.RecordBatch:
    """Return the batch with all columns, cast to Spark's types."""
    columns = [
        batch.column(field.name).cast(field.type)
        if field.name in batch.schema.names
        else pa.nulls(len(batch), field.type)
        for field in target
    ]
    return pa.RecordBatch.from_arrays(columns, schema=target)
