"""Read, stream and export one full result from its files."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import pyarrow as pa

from explorer_frames import _schemas
from explorer_frames._decode.cells import to_table
from explorer_frames._decode.csv_rows import Block, Paths, Quoting, read_blocks
from explorer_frames._errors import StickyErrorIterator, add_context, as_given, escaped
from explorer_frames._files.digest import ContentHash
from explorer_frames._files.formats import Options
from explorer_frames._files.write import Receipt, write
from explorer_frames._outputs.parts import Part, Parts, output_url, pieces
from explorer_frames._progress import Done, count, progress_bar
from explorer_frames._provenance import Provenance, run_of, with_provenance, with_row_count
from explorer_frames._signals import suppressed
from explorer_frames._storage.paths import plain_path
from explorer_frames._storage.publish import Target
from explorer_frames._storage.sources import Store
from explorer_frames._threads import pipelined, prefetch
from explorer_frames.errors import ConfigError, FileReadError, JobError

if TYPE_CHECKING:
    from explorer_frames._jobs.task import Task

_T = TypeVar("_T")
_LEFT = "Read all rows within the `with` block of open_output."

# Alternative column names in the vendor's documentation and product. Only letters and digits are compared.
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
_OF_IDS = {"id", "id1", "root", "vid", "vid1"}  # possible names of the first column
_WHAT = "full result"  # location in warnings
_BATCHES = 16  # to prefetch, enough to continue while a row group is written
_K = "k"  # column with the k from the names of KCore's folders
_COMPONENT = re.compile(r"(?:analytics_\w+|query)_[0-9]+")


class Header:
    """Callable that returns whether the first line of a file is a header."""

    def __init__(self, request: Request, line: list[str] | None = None) -> None:
        self.width: int | None = None  # number of cells in the header
        self.line = line  # with header=True, the first line of the first file
        self._header = request.header
        shapes = request.schema.candidates()
        # A path may consist of one vertex with any text, so headers cannot be detected if rows differ in length.
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
    """Return whether the cells of a line can only be column names."""
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in shape.types]
    numbers = [kind not in (pa.string(), pa.large_string()) for kind in kinds]
    # A single text column is ambiguous.
    if len(names) != len(shape) or (len(names) == 1 and not numbers[0]):
        return False
    columns = zip(names, shape.names, numbers, strict=True)
    return all(
        name in _names_of(column, is_number=is_number, is_first=not place)
        for place, (name, column, is_number) in enumerate(columns)
    )


def _names_of(column: str, *, is_number: bool, is_first: bool) -> frozenset[str]:
    """Return the possible names of a column in a header."""
    # In a numeric column, any documented name must be part of a header, because it is not a number.
    own = frozenset({_letters(column)})
    if column in _SYNONYMS and not is_number:
        return own.union(_SYNONYMS[column])
    return own.union(_OF_IDS if is_first and not is_number else _DOCUMENTED)


def _letters(name: str) -> str:
    """Reduce a name to its letters and digits."""
    return re.sub(r"[\W_]+", "", name).lower()


@dataclass(frozen=True, slots=True)
class Request:
    """Validated arguments of a reader."""

    path: str | os.PathLike[str] = field(repr=False)
    storage_options: Mapping[str, Any] | None = field(repr=False)
    schema: _schemas.SchemaRequest
    header: bool | None
    quoting: Quoting = "minimal"
    k: pa.Field[Any] | None = None  # column with the k of KCore's folders, which the files do not contain
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
        """Validate the arguments. For a task, also find its result in the folder `path`."""
        path, storage_options = plain_path(path, storage_options)
        vid_type = task._explorer._vid_type_or(vid_type) if task else vid_type  # noqa: SLF001 (our own)
        requested = _schemas.SchemaRequest.of(schema, vid_type)
        if requested.auto:
            name, source = _named(task, component) if task else (_component_in(path), "component")
            requested = replace(requested.for_task(name), source=source)
        if not isinstance(header, bool | None):
            raise ConfigError(f"header must be True, False or None, got {as_given(header)}")
        if quoting not in get_args(Quoting):
            raise ConfigError(f"quoting must be 'minimal' or 'none', got {as_given(quoting)}")
        request = cls(path, storage_options, requested, header, quoting)  # type: ignore[arg-type]
        if task is None:
            return request
        if task.status != "success":  # Results on NFS have no completion marker.
            raise JobError(
                f"task {task.task_id} is {task.status}, so its files may be incomplete",
                hint="Wait for the job to end, and then get the task from it again. To read incomplete files, pass "
                "their folder to read_output.",
            )
        ids = {"job_id": task.job_id, "task_id": task.task_id}
        path = output_url(path, **ids, folder=folder, component=component, storage_options=storage_options)
        shown = task._explorer._progress  # noqa: SLF001 (our own)
        return replace(request, path=path, job=task.job_id, task=task.task_id, run=run_of(task), progress=shown)

    def for_parts(self, parts: Parts) -> Request:
        """Adapt the schema to the folders of KCore's subgraphs."""
        schema, by_k = self.schema.given, any(part.k is not None for part in parts.files)
        if isinstance(schema, pa.Schema):
            own = by_k and len(schema) > 1 and _is_k(schema[-1])
            return replace(self, schema=self.schema_of(schema.remove(len(schema) - 1)), k=schema[-1]) if own else self
        k = pa.field(_K, pa.int64(), nullable=False) if by_k else None
        if parts.of_subgraphs and (schema.name == "KCore" if schema else self.schema.auto):
            return replace(self, schema=self.schema_of(_schemas.named("KCoreSubgraph")), k=k)
        return replace(self, k=k)

    def schema_of(self, given: pa.Schema | _schemas.Algorithm) -> _schemas.SchemaRequest:
        """Return the schema request with another schema."""
        return replace(self.schema, given=given, auto=False)

    def state(self, shown: str) -> Done:
        """Return the initial state of a progress bar for this URL."""
        name = escaped(shown.rstrip("/").rpartition("/")[2], 30)
        if self.run is not None and self.run.task_name:
            name = f"job {escaped(self.job, 20)}, {escaped(self.run.task_name, 30)}"
        return Done(name)

    def provenance(self, source: str) -> Provenance:
        """Return the provenance that is known before the first row is read."""
        return replace(
            self.run or Provenance(),
            source=source,
            job_id=self.job,
            task_id=self.task,
            read_at=datetime.now(UTC),
        )


def _named(task: Task, component: str | None) -> tuple[str, str]:
    """Return the text with the name of the algorithm, and its source."""
    by_name, by_component = _schemas.find(task.name), _schemas.find(component or "")
    if by_name and by_component and not by_name.name.startswith(by_component.name):
        raise ConfigError(
            f"component {escaped(component, 60)!r} ({by_component.name}) does not match task "
            f"{escaped(task.name, 60)!r} ({by_name.name})",
            hint="Pass the component of this task. If the task was renamed, pass the algorithm's name as schema=.",
        )
    return (component or "", "component") if by_component and not by_name else (task.name, "task name")


def _component_in(path: str | os.PathLike[str]) -> str | None:
    """Find the folder of a component, such as ``analytics_pagerank_1``, in a URL."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else ""
    names = re.split(r"[\\/]", text) if isinstance(text, str) else []
    return next((name for name in reversed(names) if _COMPONENT.fullmatch(name)), None)


class Output:
    """Record batches of one result, read in a background thread."""

    def __init__(self, request: Request, schema: _schemas.SchemaRequest, store: Store) -> None:
        self._store = store
        self.parts = Parts(store)
        self.provenance = request.provenance(store.shown)
        self._quoting = request.quoting
        self._header = Header(request.for_parts(self.parts))
        request = replace(request, schema=schema).for_parts(self.parts)
        self._read_rows: int | None = None  # total, set after the last file
        self._blocks = prefetch(self._read())
        try:
            first = next(self._blocks, None)
            resolved = choose(request, self._header, first)
            self.provenance = replace(self.provenance, algorithm=resolved.algorithm, schema_source=resolved.source)
            # The provenance in the schema's metadata is not complete yet.
            self.schema = with_provenance(resolved.schema, self.provenance)
            self._typed = _Typed(self.schema, may_be_text=resolved.may_be_text)
            # An iterator releases the batch after it is read.
            self._first = iter([self._typed.to_batch(*first)] if first else [])
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stop the background thread and close its file."""
        # After a second interrupt, the thread of an export may still run the generator. `__iter__` then closes it.
        with suppressed(ValueError):
            self._blocks.close()

    def __iter__(self) -> Generator[pa.RecordBatch]:
        rows = 0
        with closing(self._blocks):
            for batch in chain(self._first, (self._typed.to_batch(*item) for item in self._blocks)):
                rows += batch.num_rows
                count(rows=batch.num_rows)
                yield batch
        if rows != self._read_rows:  # The thread was stopped, or its blocks were discarded.
            raise FileReadError(
                "the reader was closed before the end of the result", where=self._store.shown, hint=_LEFT
            )
        self.provenance = with_row_count(self.provenance, rows, complete=True)

    def _read(self) -> Generator[tuple[Part, Block]]:
        """Read the blocks of all files in the background thread."""
        rows = 0
        for part in self.parts.files:
            for block in read_part(self._store, part, rows, self._header, self._quoting):
                rows += block.rows
                yield part, block
        self.parts.check_unchanged()
        self._read_rows = rows


class _Typed:
    """Converter from blocks of text to typed record batches."""

    def __init__(self, columns: pa.Schema, *, may_be_text: bool = False) -> None:
        self._columns = columns
        self._may_be_text = may_be_text
        self._dictionaries: dict[str, pa.Array] = {}
        self._paths = Paths() if columns.names == ["path"] and _schemas.takes_rest(columns) else None

    def to_batch(self, part: Part, block: Block) -> pa.RecordBatch:
        with _schemas.noting_fallback(may_be_text=self._may_be_text), add_context(part.shown):
            if self._paths:
                return self._paths.to_batch(block, self._columns)
            columns = in_part(part, self._columns)
            batch = block.to_batch(columns, self._dictionaries)
        if len(columns) == len(self._columns):
            return batch
        k = pa.repeat(pa.scalar(part.k, self._columns.types[-1]), batch.num_rows)
        return pa.RecordBatch.from_arrays([*batch.columns, k], schema=self._columns)


def in_part(part: Part, columns: pa.Schema) -> pa.Schema:
    """Return the columns that the files contain, without the k of KCore's folders."""
    return columns.remove(len(columns) - 1) if part.k is not None and _is_k(columns[-1]) else columns


def _is_k(field: pa.Field[Any]) -> bool:
    return field.name == _K and field.type in (pa.int32(), pa.int64())


def read_part(store: Store, part: Part, first: int, header: Header, quoting: Quoting) -> Generator[Block]:
    """Yield the blocks of one file. `first` is the index of its first row."""
    with add_context(part.shown), closing(pieces(store, part)) as text:
        yield from read_blocks(text, first, header, quoting)


def read_batches(
    store: Store, part: Part, header: Header, columns: pa.Schema, quoting: Quoting
) -> Generator[pa.RecordBatch]:
    """Yield the record batches of one file."""
    # Row numbers in errors are relative to the start of the file.
    typed = _Typed(columns)
    with closing(read_part(store, part, 0, header, quoting)) as blocks:
        for number, block in enumerate(blocks):
            with add_context(part.shown):
                if number == 0:  # The error lists the matching schemas.
                    with block.located():
                        _schemas.SchemaRequest(in_part(part, columns)).resolve(block.width)
            yield typed.to_batch(part, block)


def preview(request: Request, store: Store, parts: Parts) -> tuple[pa.Schema, Header]:
    """Return the schema and the header detector after reading only the first rows."""
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
    """Choose the schema by the first row, or by the header if there are no rows."""
    if first is None:
        resolved = request.schema.resolve(header.width)
    else:
        part, block = first
        with add_context(part.shown), block.located():
            resolved = request.schema.resolve(block.width)
    return replace(resolved, schema=resolved.schema.append(request.k)) if request.k else resolved


def read_table(request: Request) -> pa.Table:
    """Read a result into a table."""

    def attempt(output: Output) -> pa.Table:
        content = ContentHash(output.schema)
        with closing(pipelined(content.passed, iter(output))) as batches:
            table = to_table(batches, output.schema)
        known = replace(output.provenance, content_hash=content.result())
        return table.replace_schema_metadata(with_provenance(table.schema, known).metadata)

    return _call(request, attempt)


@contextmanager
def open_reader(request: Request) -> Iterator[pa.RecordBatchReader]:
    """Open a result as a stream of record batches."""

    def opened(schema: _schemas.SchemaRequest) -> Output:
        return Output(request, schema, Store(request.path, request.storage_options))

    with closing(_schemas.read_or_as_text(request.schema, opened, _WHAT)) as output:
        yield pa.RecordBatchReader.from_batches(output.schema, StickyErrorIterator(iter(output)))


def export(request: Request, plan: tuple[Target, Options]) -> Receipt:
    """Write a result to a file."""

    def attempt(output: Output) -> Receipt:
        output.parts.refuse_among(plan[0].url)

        def finish() -> dict[str, Any]:
            return output.provenance.to_dict()  # called after the last batch, when the provenance is complete

        # Writing takes as long as all other steps, so another thread converts the cells.
        with closing(prefetch(iter(output), _BATCHES)) as batches:
            return write(pa.RecordBatchReader.from_batches(output.schema, batches), plan, finish)

    return _call(request, attempt)


def _call(request: Request, attempt: Callable[[Output], _T]) -> _T:
    """Call `attempt` with an open result, and show a progress bar."""

    def read(schema: _schemas.SchemaRequest) -> _T:
        store = Store(request.path, request.storage_options)
        with (
            progress_bar(request.progress, request.state(store.shown)) as bar,
            closing(Output(request, schema, store)) as output,
        ):
            bar.state = bar.state._replace(total=output.parts.size)
            return attempt(output)

    return _schemas.read_or_as_text(request.schema, read, _WHAT)
