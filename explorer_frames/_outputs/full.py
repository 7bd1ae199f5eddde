"""One full result: what is asked for, and the batches of its parts, with the checks that belong to them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import pyarrow as pa

from explorer_frames import _schemas
from explorer_frames._decode.cells import to_table
from explorer_frames._decode.csv_rows import Block, Paths, Quoting, read_blocks
from explorer_frames._errors import StickyErrorIterator, add_context, escaped
from explorer_frames._files.digest import ContentHash
from explorer_frames._files.formats import Options
from explorer_frames._files.write import Receipt, write
from explorer_frames._outputs.parts import Part, Parts, output_url, pieces
from explorer_frames._progress import Done, count, progress_bar
from explorer_frames._provenance import Provenance, run_of, with_provenance, with_row_count
from explorer_frames._storage.paths import plain_path
from explorer_frames._storage.publish import Target
from explorer_frames._storage.sources import Store
from explorer_frames._threads import ahead, pipelined
from explorer_frames.errors import ColumnTypeError, ConfigError, FileReadError, JobError, RowShapeError

if TYPE_CHECKING:
    from explorer_frames._jobs.task import Task

_T = TypeVar("_T")
_LEFT = "Read all rows within the `with` block of open_output."

# Names of the columns in the vendor's documentation and product, beside our own: letters and digits are compared.
_SYNONYMS = {
    "id": {"vid"},
    "id1": {"vid1", "vid"},
    "id2": {"vid2", "vid"},
    "id3": {"vid3", "vid"},
    "root": {"vid", "id"},
    "community": {"label", "value"},
    "neighbor": {"value", "neighbour"},
    "score": {"value"},
    "core": {"value"},
    "distance": {"value"},
    "visited": {"count", "value"},
    "degree": {"outdegree", "indegree", "value"},
}
_NAMES = {name for entry in _schemas.ALGORITHMS for shape in entry.shapes for name, _ in shape}
_DOCUMENTED = frozenset(name.replace("_", "") for name in _NAMES).union(*_SYNONYMS.values())
_OF_IDS = {"id", "id1", "root", "vid", "vid1"}  # names of a first column
_K = "k"  # the column with the k of KCore's folders
_COMPONENT = re.compile(r"(?:analytics_\w+|query)_[0-9]+")


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
        self._shapes = [] if any(map(_schemas.takes_rest, shapes)) else shapes

    def __call__(self, cells: list[str]) -> bool:
        if self._header:
            self.line = self.line or cells
            found = cells == self.line
        else:
            names = [_letters(cell) for cell in cells]
            found = self._header is None and any(_may_name(names, shape) for shape in self._shapes)
        if found:
            self.width = len(cells)
        return found


def _may_name(names: list[str], shape: pa.Schema) -> bool:
    """Whether a line of these names can only be the header of a shape: of one column of text it may be a row."""
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in shape.types]
    numbers = [not _schemas.is_text(kind) for kind in kinds]
    if len(names) != len(shape) or (len(names) == 1 and not numbers[0]):
        return False
    columns = zip(names, shape.names, numbers, strict=True)
    return all(
        name in _names_of(column, is_number=is_number, is_first=not place)
        for place, (name, column, is_number) in enumerate(columns)
    )


def _names_of(column: str, *, is_number: bool, is_first: bool) -> frozenset[str]:
    """What a header may call a column; where it has numbers, any documented name is certainly none of its values."""
    own = frozenset({_letters(column)})
    if column in _SYNONYMS and not is_number:
        return own.union(_SYNONYMS[column])
    return own.union(_OF_IDS if is_first and not is_number else _DOCUMENTED)


def _letters(name: str) -> str:
    """Reduce a name to its letters and digits."""
    return re.sub(r"[\W_]+", "", name).lower()


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read, checked.

    Attributes
    ----------
    task
        Id of the task, where one is known.
    k
        The column with the k of KCore's folders, which is none of the parts' own.
    """

    path: str | os.PathLike[str] = field(repr=False)
    storage_options: Mapping[str, Any] | None = field(repr=False)
    schema: _schemas.SchemaRequest
    header: bool | None
    quoting: Quoting = "minimal"
    k: pa.Field[Any] | None = None
    job: str | None = None
    task: str | None = None
    run: Provenance | None = None
    progress: bool | None = None

    @classmethod
    def of(
        cls,
        path: str | os.PathLike[str],
        *,
        schema: object,
        vid_type: Any,
        header: object,
        quoting: object = "minimal",
        storage_options: Mapping[str, Any] | None,
        task: Task | None = None,
        component: str | None = None,
        folder: str | None = None,
    ) -> Request:
        """Check a caller's arguments; then, for a task, find its result below `path`.

        Raises
        ------
        ConfigError
        JobError, FileReadError
            The task is not in the state success, or its result was not found.
        """
        path, storage_options = plain_path(path, storage_options)
        vid_type = task._explorer._vid_type_or(vid_type) if task else vid_type  # noqa: SLF001 (our own)
        requested = _schemas.SchemaRequest.of(schema, vid_type)
        if requested.auto:
            name, source = _named(task, component) if task else (_component_in(path), "component")
            requested = replace(requested.for_task(name), source=source)
        if not isinstance(header, bool | None):
            raise ConfigError(f"header must be True, False or None, got {escaped(header, 60)!r}")
        if quoting not in get_args(Quoting):
            raise ConfigError(f"quoting must be 'minimal' or 'none', got {escaped(quoting, 60)!r}")
        request = cls(path, storage_options, requested, header, quoting)  # type: ignore[arg-type]
        if task is None:
            return request
        if task.status != "success":  # nothing in a folder on NFS shows whether it is finished
            raise JobError(
                f"task {task.task_id} is {task.status}, so its files may be incomplete",
                hint="Wait for the job, and get the task from the job again. To read incomplete files, pass their "
                "folder to read_output.",
            )
        ids = {"job_id": task.job_id, "task_id": task.task_id}
        path = output_url(path, **ids, folder=folder, component=component, storage_options=storage_options)
        shown = task._explorer._progress  # noqa: SLF001 (our own)
        return replace(request, path=path, job=task.job_id, task=task.task_id, run=run_of(task), progress=shown)

    def for_parts(self, parts: Parts) -> Request:
        """Adjust the schema to KCore's folders: they contain subgraphs, and their names contain k."""
        schema, by_k = self.schema.given, any(part.k is not None for part in parts.files)
        if isinstance(schema, pa.Schema):
            own = by_k and len(schema) > 1 and _is_k(schema[-1])
            return replace(self, schema=self.schema_of(schema.remove(len(schema) - 1)), k=schema[-1]) if own else self
        k = pa.field(_K, pa.int64(), nullable=False) if by_k else None
        if parts.of_subgraphs and (schema.name == "KCore" if schema else self.schema.auto):
            return replace(self, schema=self.schema_of(_schemas.named("KCoreSubgraph")), k=k)
        return replace(self, k=k)

    def schema_of(self, given: pa.Schema | _schemas.Algorithm) -> _schemas.SchemaRequest:
        """The same request for another schema."""
        return replace(self.schema, given=given, auto=False)

    def state(self, shown: str) -> Done:
        """How a progress bar names the result of this URL."""
        name = escaped(shown.rstrip("/").rpartition("/")[2], 30)
        if self.run is not None and self.run.task_name:
            name = f"job {escaped(self.job, 20)}, {escaped(self.run.task_name, 30)}"
        return Done(name, "B")

    def provenance(self, source: str) -> Provenance:
        """What is known before the first row."""
        return replace(
            self.run or Provenance(),
            source=source,
            job_id=self.job,
            task_id=self.task,
            read_at=datetime.now(UTC),
        )


def _named(task: Task, component: str | None) -> tuple[str, str]:
    """Return the name that contains a task's algorithm, the task's or the component's, and which one it is."""
    by_name, by_component = _schemas.find(task.name), _schemas.find(component or "")
    if by_name and by_component and not by_name.name.startswith(by_component.name):
        raise ConfigError(
            f"component {escaped(component, 60)!r} does not match task {escaped(task.name, 60)!r}: "
            f"{by_component.name} and {by_name.name}",
            hint="Pass the component of this task. If the task was renamed, pass the algorithm's name as schema=.",
        )
    return (component or "", "component") if by_component and not by_name else (task.name, "task name")


def _component_in(path: str | os.PathLike[str]) -> str | None:
    """Find the folder of a component, such as ``analytics_pagerank_1``, in a URL."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
    names = re.split(r"[\\/]", text) if isinstance(text, str) else []
    return next((name for name in reversed(names) if _COMPONENT.fullmatch(name)), None)


class Output:
    """The batches of one result, as they are read.

    Parameters
    ----------
    request
    store
    named
        The request whose columns a header may name, where the result is read as text.

    Attributes
    ----------
    schema
        Known as soon as the first row is; the provenance is in its metadata.
    provenance
        Complete when the iteration has ended.
    parts
    """

    def __init__(self, request: Request, store: Store, named: Request | None = None) -> None:
        self._store = store
        self.parts = Parts(store)
        request = request.for_parts(self.parts)
        self.provenance = request.provenance(store.shown)
        self._quoting = request.quoting
        self._header = Header(named.for_parts(self.parts) if named else request)
        self._read_rows: int | None = None  # in all, when the parts are at their end
        self._blocks = ahead(self._read())
        with ExitStack() as stack:
            stack.callback(self.close)
            first = next(self._blocks, None)
            resolved = choose(request, self._header, first)
            self.provenance = replace(self.provenance, algorithm=resolved.algorithm, schema_source=resolved.source)
            schema = resolved.schema
            self.schema = with_provenance(schema, self.provenance)
            self._typed = _Typed(self.schema, may_be_text=resolved.may_be_text)
            self._first = iter([self._typed.to_batch(*first)] if first else [])  # not kept when it has been read
            stack.pop_all()

    def close(self) -> None:
        """End the thread that reads, and close its file."""
        self._blocks.close()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        rows = 0
        for batch in chain(self._first, (self._typed.to_batch(*item) for item in self._blocks)):
            rows += batch.num_rows
            count(rows=batch.num_rows)
            yield batch
        if rows != self._read_rows:  # the thread was ended, or what it had read was thrown away
            raise FileReadError(
                "the reader was closed before the end of the result", where=self._store.shown, hint=_LEFT
            )
        self.provenance = with_row_count(self.provenance, rows, complete=True)

    def _read(self) -> Generator[tuple[Part, Block]]:
        """Read all parts; in another thread."""
        rows = 0
        for part in self.parts.files:
            for block in read_part(self._store, part, rows, self._header, self._quoting):
                rows += block.rows
                yield part, block
        self.parts.check_unchanged()
        self._read_rows = rows


class _Typed:
    """Gives the blocks of a result their types."""

    def __init__(self, columns: pa.Schema, *, may_be_text: bool = False) -> None:
        self._columns = columns
        self._may_be_text = may_be_text
        self._dictionaries: dict[str, pa.Array] = {}
        self._paths = Paths() if columns.names == ["path"] and _schemas.takes_rest(columns) else None

    def to_batch(self, part: Part, block: Block) -> pa.RecordBatch:
        try:
            return self._to_batch(part, block)
        except (ColumnTypeError, RowShapeError) as error:
            error._may_be_text = self._may_be_text  # noqa: SLF001 (our own)
            if self._may_be_text:
                error.hint = _schemas.AS_TEXT
            raise

    def _to_batch(self, part: Part, block: Block) -> pa.RecordBatch:
        with add_context(part.shown):
            if self._paths:
                return self._paths.to_batch(block, self._columns)
            columns = in_part(part, self._columns)
            batch = block.to_batch(columns, self._dictionaries)
        if len(columns) == len(self._columns):
            return batch
        k = pa.repeat(pa.scalar(part.k, self._columns.types[-1]), batch.num_rows)
        return pa.RecordBatch.from_arrays([*batch.columns, k], schema=self._columns)


def in_part(part: Part, columns: pa.Schema) -> pa.Schema:
    """The columns that a part itself has: all but the k of KCore's folders."""
    return columns.remove(len(columns) - 1) if part.k is not None and _is_k(columns[-1]) else columns


def _is_k(field: pa.Field[Any]) -> bool:
    return field.name == _K and field.type in (pa.int32(), pa.int64())


def read_part(store: Store, part: Part, first: int, header: Header, quoting: Quoting) -> Generator[Block]:
    """The blocks of one part; `first` is the number of its first row."""
    with add_context(part.shown), closing(pieces(store, part)) as text:
        yield from read_blocks(text, first, header, quoting)


def read_batches(
    store: Store, part: Part, header: Header, columns: pa.Schema, quoting: Quoting
) -> Generator[pa.RecordBatch]:
    """The rows of one part with their types, for who reads it alone: `row` of errors counts from its start."""
    typed = _Typed(columns)
    with closing(read_part(store, part, 0, header, quoting)) as blocks:
        for number, block in enumerate(blocks):
            with add_context(part.shown):
                if number == 0:  # its error says what fits
                    with block.located():
                        _schemas.SchemaRequest(in_part(part, columns)).resolve(block.width)
            yield typed.to_batch(part, block)


def preview(request: Request, store: Store, parts: Parts) -> tuple[pa.Schema, Header]:
    """Read the first rows, and no further: what the columns are, and whether a header was seen."""
    request = request.for_parts(parts)
    header = Header(request)
    for part in parts.files:
        with closing(read_part(store, part, 0, header, request.quoting)) as blocks:
            first = next(blocks, None)
        if first is not None:

            def read(schema: _schemas.SchemaRequest, part: Part = part, first: Block = first) -> pa.Schema:
                resolved = choose(replace(request, schema=schema), header, (part, first))
                _Typed(resolved.schema, may_be_text=resolved.may_be_text).to_batch(part, first)
                return resolved.schema

            return _schemas.read_or_as_text(request.schema, read, store.shown), header
    return choose(request, header, None).schema, header


def choose(request: Request, header: Header, first: tuple[Part, Block] | None) -> _schemas.ResolvedSchema:
    """Decide on the schema by the first row, where there is one, or else by the header."""
    if first is None:
        resolved = request.schema.resolve(header.width)
    else:
        part, block = first
        with add_context(part.shown), block.located():
            resolved = request.schema.resolve(block.width)
    return replace(resolved, schema=resolved.schema.append(request.k)) if request.k else resolved


def read_table(request: Request) -> pa.Table:
    """Read a result whole."""

    def attempt(output: Output) -> pa.Table:
        content = ContentHash(output.schema)
        with closing(pipelined(content.passed, iter(output))) as batches:
            table = to_table(batches, output.schema)
        known = replace(output.provenance, content_hash=content.result())
        return table.replace_schema_metadata(with_provenance(table.schema, known).metadata)

    return _call(request, attempt)


@contextmanager
def open_reader(request: Request) -> Iterator[pa.RecordBatchReader]:
    """Read a result batch by batch."""
    with ExitStack() as stack:
        output = _call(request, lambda output: output, stack)
        yield pa.RecordBatchReader.from_batches(output.schema, StickyErrorIterator(iter(output)))


def export(request: Request, plan: tuple[Target, Options]) -> Receipt:
    """Write a result to a file."""

    def attempt(output: Output) -> Receipt:
        output.parts.refuse_among(plan[0].url)
        reader = pa.RecordBatchReader.from_batches(output.schema, iter(output))

        def finish() -> dict[str, Any]:
            return output.provenance.to_dict()  # another one than now

        return write(reader, plan, finish)

    return _call(request, attempt)


def _call(request: Request, attempt: Callable[[Output], _T], stack: ExitStack | None = None) -> _T:
    """Open a result for `attempt`; it stays open as long as `stack`, or else until the attempt ends."""

    def read(schema: _schemas.SchemaRequest) -> _T:
        with ExitStack() as own:
            store = Store(request.path, request.storage_options)
            if stack is None:  # who reads a stream shows how far it is
                bar = own.enter_context(progress_bar(request.progress, request.state(store.shown)))
            output = own.enter_context(closing(Output(replace(request, schema=schema), store, request)))
            if stack is None:
                bar.show(bar.state._replace(total=output.parts.size))
            result = attempt(output)
            if stack is not None:
                stack.enter_context(own.pop_all())
            return result

    return _schemas.read_or_as_text(request.schema, read, "full result")
