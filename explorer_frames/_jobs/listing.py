"""Lists of jobs: pages -> one frame.

No job comes twice, and jobs that appear meanwhile push none out; one that is deleted meanwhile is an error. The API
has nothing by which a deletion that an addition makes up for could be seen.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pyarrow as pa

from explorer_frames._arguments import checked_id, checked_limit
from explorer_frames._jobs.status import WORDS, moment, status_word, text
from explorer_frames.errors import ConfigError, EnvelopeError, escaped, located

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from explorer_frames._http.api import Api

    Page: TypeAlias = Callable[[dict[str, str]], dict[str, Any]]

Order: TypeAlias = Literal["desc", "asc"]
PAGE_SIZE = 1000
_TIME = pa.timestamp("ms", "UTC")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        ("name", pa.string()),
        ("workflow_id", pa.string()),
        ("workflow_name", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        ("create_time", _TIME),
        ("run_begin_time", _TIME),
        ("run_end_time", _TIME),
    ]
)


def listed(
    api: Api,
    workflow_id: object,
    limit: object,
    *,
    status: str | int | None,
    name: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
    order: Order,
) -> pa.Table:
    """List jobs: see `Explorer.list_jobs`."""
    of_workflow = () if workflow_id is None else ("workflows", checked_id("workflow_id", workflow_id))
    most = None if limit is None else checked_limit(limit)
    wanted = _filter(status, name, created_after, created_before, order)
    until = api.deadline()

    def page(number: dict[str, str]) -> dict[str, Any]:
        return api.get(*of_workflow, "jobs", params={"filter": wanted, **number}, until=until)[0]

    with located("list of jobs"):
        return _read_pages(page, most)


def _filter(
    status: str | int | None,
    name: str | None,
    created_after: datetime | None,
    created_before: datetime | None,
    order: Order,
) -> str:
    """Make the ``filter`` of a list of jobs.

    Raises
    ------
    ConfigError
        An unknown status or order, or a time without a zone.
    """
    if order not in ("desc", "asc"):
        raise ConfigError(f"order must be 'desc' or 'asc': {escaped(order, 40)!r}")
    codes = {word: code for code, word in WORDS.items()}
    if isinstance(status, str) and status not in codes:
        raise ConfigError(f"no status is called {escaped(status, 40)!r}", hint=f"Known: {', '.join(codes)}.")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"name must be a str: {escaped(name, 40)}")
    if status is not None and not isinstance(status, str | int):
        raise ConfigError(f"status must be a word or a code: {escaped(status, 40)}")
    wanted = {
        "name": name,
        "status": codes[status] if isinstance(status, str) else status,
        "fromCreateTime": milliseconds("created_after", created_after),
        "toCreateTime": milliseconds("created_before", created_before),
        "orderByCreateTime": order,
    }
    return json.dumps({key: value for key, value in wanted.items() if value is not None}, separators=(",", ":"))


def milliseconds(name: str, value: datetime | None) -> int | None:
    """Check a time, and make it what the API counts in."""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ConfigError(
            f"{name} must be a datetime with a time zone: {escaped(value, 40)!r}",
            hint="For instance datetime.now(UTC) - timedelta(days=1).",
        )
    return round(value.timestamp() * 1000)


def _read_pages(page: Page, limit: int | None) -> pa.Table:
    """Read as many pages as it takes.

    Parameters
    ----------
    page
        Gets one page's ``data``, by its query.
    limit
        The most jobs to return; None for all.

    Raises
    ------
    EnvelopeError
        A page is not made as documented, or the pages end before the total that they tell of.
    """
    jobs: dict[str, dict[str, Any]] = {}
    for items in _pages(page, limit):
        before = len(jobs)
        # Jobs that appear while paging push others to the next page: seen before, they are not taken twice.
        jobs.update(zip(map(_id, items), items, strict=True))
        if items and len(jobs) == before:
            raise EnvelopeError("a page of the list has only jobs of the pages before", hint="Try again.")
        if limit is not None and len(jobs) >= limit:
            break
    return _table(list(jobs.values())[:limit])


def _id(item: dict[str, Any]) -> str:
    number = item.get("id")
    if type(number) is str and number:
        return number
    if isinstance(number, bool) or not isinstance(number, str | int) or number == "":
        raise EnvelopeError(f"a job in the list has no id: {escaped(number, 40)}", hint="Check the server's version.")
    return str(number)


def _pages(page: Page, limit: int | None) -> Iterator[list[dict[str, Any]]]:
    size = PAGE_SIZE if limit is None else min(limit, PAGE_SIZE)
    number, seen, most = 1, 0, 0
    while True:
        data = page({"pageSize": str(size), "page": str(number)})
        items, total = data.get("items") or [], data.get("total")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise EnvelopeError(
                "the list's items are no list of objects", where=f"page {number}", hint="Check the server's version."
            )
        if isinstance(total, int):
            if total < most:
                # Those behind a deleted one moved up, past the end of the page before.
                raise EnvelopeError(
                    "jobs were deleted while they were listed", where=f"page {number}", hint="Try again."
                )
            most = total
        told = data.get("PageSize", size)
        if number == 1 and isinstance(told, int) and 0 < told < size:
            size = told  # the server's own limit: pages are counted in it from here on
        seen += len(items)
        yield items
        if isinstance(total, int) and seen >= total:
            return
        if not items:
            if isinstance(total, int):
                raise EnvelopeError(
                    f"the pages ended after {seen} jobs of {total}",
                    where=f"page {number}",
                    hint="Jobs were deleted meanwhile, or the server counts its pages otherwise: try again.",
                )
            return
        number += 1


def _table(jobs: list[dict[str, Any]]) -> pa.Table:
    codes = [job.get("status") for job in jobs]
    words = {code: status_word(code) for code in {code for code in codes if type(code) is int}}
    status = pa.array([words[code] if type(code) is int else status_word(code) for code in codes], pa.string())
    columns = [
        _texts(jobs, "id"),
        _texts(jobs, "name"),
        _texts(jobs, "workflowId"),
        _texts(jobs, "workflowName"),
        status,
    ]
    columns += [_times(jobs, "createTime"), _times(jobs, "runBeginTime"), _times(jobs, "runEndTime")]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


# Nearly always Arrow can take a column as it came, which keeps a list of 10,000 jobs near the time of its bare
# requests; where it cannot, the words and times are read one by one.


def _texts(jobs: list[dict[str, Any]], key: str) -> pa.Array:
    values = [job.get(key) for job in jobs]
    if set(map(type, values)) == {int}:
        values = list(map(str, values))
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowException, TypeError, UnicodeEncodeError):
        return pa.array([text(value) for value in values], pa.string())


def _times(jobs: list[dict[str, Any]], key: str) -> pa.Array:
    values: list[Any] = [job.get(key) for job in jobs]
    if set(map(type, values)) == {int} and min(values) > 0 and max(values) < _YEAR_9999:
        return pa.array(values, pa.int64()).cast(_TIME)
    return pa.array([moment(value) for value in values], _TIME)


_YEAR_9999 = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1000
