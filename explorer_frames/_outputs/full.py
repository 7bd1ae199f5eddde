"""One full result: what is asked for, and the batches of its parts, with the checks that belong to them."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from explorer_frames import schemas
from explorer_frames._decode.csv_rows import Block, read_blocks
from explorer_frames._decode.indexed import Indexed
from explorer_frames._files.digest import ContentHash
from explorer_frames._files.write import planned, write
from explorer_frames._outputs.parts import Part, Parts, pieces
from explorer_frames._provenance import Provenance
from explorer_frames._storage.sources import Store
from explorer_frames._threads import ahead, pipelined
from explorer_frames.errors import ConfigError, Enduring, FileReadError, escaped, located

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Iterator, Mapping

    from explorer_frames._files.write import Receipt
    from explorer_frames._provenance import Run

_LEFT = "Read it within the `with` block of open_output, from its beginning."

# The columns' names in the vendor's documentation: the only ones by which a first line is known to be none of data.
_DOCUMENTED = frozenset(
    tuple(names.split(","))
    for names in (
        "vid,value",
        "vid,label",
        "vid,label,modularity",
        "vid,distance",
        "vid,count",
        "vid,both_degree,out_degree,in_degree",
        "vid,out_degree",
        "vid,in_degree",
        "root,visited",
        "vid1,vid2,distance",
        "vid1,vid2,value",
        "vid1,vid2,vid3",
        "count",
        "value",
    )
)


class Named(Protocol):
    """What tells of a task, as `explorer_frames.Task` does."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def job_id(self) -> str: ...

    @property
    def run(self) -> Run | None: ...


class Header:
    """Tells of each part's first line whether it is a header: called with its cells.

    Parameters
    ----------
    request
    line
        What `line` was when the first parts were read, where others are read elsewhere.

    Attributes
    ----------
    width
        How many cells the header has; None while none was seen.
    line
        With ``header=True``, the first part's first line; None while none was seen.
    """

    def __init__(self, request: Request, line: list[str] | None = None) -> None:
        self.width: int | None = None
        self.line = line
        self._header = request.header
        shapes = request.schema.candidates()
        # A path of one vertex may be called anything: where rows differ in length, no first line is a header for sure.
        varying = any(map(schemas.takes_rest, shapes))
        known = {*_DOCUMENTED, *(tuple(map(str.lower, shape.names)) for shape in shapes)}
        self._known = set() if varying else {names for names in known if any(_may_name(names, s) for s in shapes)}

    def __call__(self, cells: list[str]) -> bool:
        if self._header:
            self.line = self.line or cells
            found = cells == self.line
        else:
            found = self._header is None and tuple(map(str.lower, cells)) in self._known
        if found:
            self.width = len(cells)
        return found


def _may_name(names: tuple[str, ...], shape: pa.Schema) -> bool:
    """Whether a line of these names can only be the header of a shape: of one column of text it may be a row."""
    kind = shape.types[0]
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return (len(names) > 1 or not schemas.is_text(kind)) and len(names) == len(shape)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read, checked.

    Attributes
    ----------
    task
        Id of the task, where one is known.
    """

    url: str | os.PathLike[str] = field(repr=False)
    storage_options: Mapping[str, Any] | None = field(repr=False)
    schema: schemas.SchemaRequest
    header: bool | None
    job: str | None = None
    task: str | None = None
    run: Run | None = None

    @classmethod
    def of(
        cls,
        url: str | os.PathLike[str],
        *,
        schema: object,
        vid_type: str,
        header: object,
        storage_options: Mapping[str, Any] | None,
        task: Named | None = None,
    ) -> Request:
        """Check a caller's arguments, before any I/O.

        Raises
        ------
        ConfigError
        """
        requested = schemas.SchemaRequest.of(schema, vid_type)
        if requested.auto and task is None:
            hint = "Pass an algorithm's name, a pyarrow.Schema or None; or use Task.read_output."
            raise ConfigError("schema='auto' needs the task's name, which a file does not have", hint=hint)
        if not isinstance(header, bool | None):
            raise ConfigError(f"header must be True, False or None: {escaped(header, 60)!r}")
        if task is None:
            return cls(url, storage_options, requested, header)
        return cls(url, storage_options, requested.for_task(task.name), header, task.job_id, task.id, task.run)

    def provenance(self, source: str) -> Provenance:
        """What is known before the first row."""
        known = Provenance(
            source=source,
            job=self.job,
            task=self.task,
            read_at=datetime.now(UTC),
        )
        return known.with_run(self.run) if self.run else known


class Output:
    """The batches of one result, as they are read.

    Attributes
    ----------
    schema
        Known as soon as the first row is; the provenance is in its metadata.
    provenance
        Complete when the iteration has ended.
    parts
    """

    def __init__(self, request: Request, store: Store) -> None:
        self.provenance = request.provenance(store.shown)
        self._store = store
        self.parts = Parts(store)
        self._header = Header(request)
        self._read_rows: int | None = None  # in all, when the parts are at their end
        self._blocks = ahead(self._read())
        with ExitStack() as stack:
            stack.callback(self.close)
            first = next(self._blocks, None)
            resolved = choose(request, self._header, first)
            self.provenance = replace(self.provenance, algorithm=resolved.algorithm, schema_source=resolved.source)
            schema = resolved.schema
            self.schema = schema.with_metadata({**(schema.metadata or {}), **self.provenance.to_metadata()})
            stack.pop_all()
        self._rest = chain([first] if first else [], self._blocks)

    def close(self) -> None:
        """End the thread that reads, and close its file."""
        self._blocks.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rows = 0
        dictionaries: dict[str, pa.Array] = {}
        for part, block in self._rest:
            with located(part.shown):
                batch = block.to_batch(self.schema, dictionaries)
            rows += batch.num_rows
            yield batch
        if rows != self._read_rows:  # the thread was ended, or what it had read was thrown away
            raise FileReadError("reading was ended before its end", where=self._store.shown, hint=_LEFT)
        self.provenance = self.provenance.with_row_count(rows, complete=True)

    def _read(self) -> Generator[tuple[Part, Block]]:
        """Read all parts; in another thread."""
        rows = 0
        for part in self.parts.files:
            for block in read_part(self._store, part, rows, self._header):
                rows += block.rows
                yield part, block
        self.parts.check_unchanged()
        self._read_rows = rows


def read_part(store: Store, part: Part, first: int, header: Header) -> Generator[Block]:
    """The blocks of one part; `first` is the number of its first row."""
    with located(part.shown), closing(pieces(store, part)) as text:
        yield from read_blocks(text, first, header)


def read_batches(store: Store, part: Part, header: Header, columns: pa.Schema) -> Generator[pa.RecordBatch]:
    """The rows of one part with their types, for who reads it alone: `row` of errors counts from its start."""
    dictionaries: dict[str, pa.Array] = {}
    with closing(read_part(store, part, 0, header)) as blocks:
        for number, block in enumerate(blocks):
            with located(part.shown):
                if number == 0:  # its error says what fits
                    with block.located():
                        schemas.SchemaRequest(columns).resolve(block.width)
                batch = block.to_batch(columns, dictionaries)
            yield batch


def preview(request: Request, store: Store, parts: Parts) -> tuple[pa.Schema, Header]:
    """Read up to the first row, and no further: what the columns are, and whether a header was seen."""
    header = Header(request)
    for part in parts.files:
        with closing(read_part(store, part, 0, header)) as blocks:
            first = next(blocks, None)
        if first is not None:
            return choose(request, header, (part, first)).schema, header
    return choose(request, header, None).schema, header


def choose(request: Request, header: Header, first: tuple[Part, Block] | None) -> schemas.ResolvedSchema:
    """Decide on the schema by the first row, where there is one, or else by the header."""
    if first is None:
        return request.schema.resolve(header.width)
    part, block = first
    with located(part.shown), block.located():
        return request.schema.resolve(block.width)


def read_table(request: Request) -> pa.Table:
    """Read a result whole."""
    with closing(Output(request, Store(request.url, request.storage_options))) as output:
        indexed, content = Indexed(output.schema), ContentHash(output.schema)
        with closing(pipelined(content.passed, iter(output))) as batches:
            table = indexed.restore(pa.Table.from_batches(map(indexed.take, batches), indexed.schema))
    known = replace(output.provenance, content_hash=content.result())
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **known.to_metadata()})


@contextmanager
def open_reader(request: Request) -> Iterator[pa.RecordBatchReader]:
    """Read a result batch by batch."""
    with closing(Output(request, Store(request.url, request.storage_options))) as output:
        yield pa.RecordBatchReader.from_batches(output.schema, Enduring(iter(output)))


def export(request: Request, target: str | os.PathLike[str], options: dict[str, Any]) -> Receipt:
    """Write a result to a file."""
    plan = planned(target, **options)
    with closing(Output(request, Store(request.url, request.storage_options))) as output:
        output.parts.refuse_among(plan[0].url)
        reader = pa.RecordBatchReader.from_batches(output.schema, iter(output))

        def finish() -> dict[str, Any]:
            return output.provenance.to_dict()  # another one than now

        return write(reader, plan, finish)
