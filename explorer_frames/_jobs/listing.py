"""Lists of jobs: pages -> one frame.

No job is returned twice, and jobs that are added while pages are read push none out; a deletion in that time is an
error. A deletion that an addition makes up for cannot be detected with this API.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from explorer_frames._arguments import checked_id, checked_limit
from explorer_frames._errors import add_context, escaped
from explorer_frames._http.api import Api
from explorer_frames._jobs.status import WORDS, id_of, moment, same_id, status_word, text
from explorer_frames.errors import ConfigError, EnvelopeError

if TYPE_CHECKING:
    Page: TypeAlias = Callable[[dict[str, str]], dict[str, Any]]

Order: TypeAlias = Literal["desc", "asc"]
PAGE_SIZE = 1000
_TIME = pa.timestamp("ms", "UTC")
SCHEMA = pa.schema(
    [
        pa.field("job_id", pa.string(), nullable=False),
        ("name", pa.string()),
        ("workflow_id", pa.string()),
        ("workflow_name", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        ("create_time", _TIME),
        ("begin_time", _TIME),
        ("end_time", _TIME),
    ]
)


def listed(
    api: Api,
    workflow_id: object,
    limit: object,
    *,
    status: str | int | None,
    name: str | None,
    created_after: str | datetime | None,
    created_before: str | datetime | None,
    order: Order,
) -> pa.Table:
    """List jobs: see `Explorer.list_jobs`."""
    workflow = None if workflow_id is None else checked_id("workflow_id", workflow_id)
    of_workflow = () if workflow is None else ("workflows", workflow)
    most = None if limit is None else checked_limit(limit)
    wanted = _filter(status, name, created_after, created_before, order)
    until = api.deadline()

    def page(number: dict[str, str]) -> dict[str, Any]:
        return api.get(*of_workflow, "jobs", params={"filter": wanted, **number}, until=until)[0]

    with add_context("list of jobs"):
        return _table(_Listing(workflow, json.loads(wanted).get("status")).read(page, most))


def _filter(
    status: str | int | None,
    name: str | None,
    created_after: str | datetime | None,
    created_before: str | datetime | None,
    order: Order,
) -> str:
    """Make the ``filter`` of a list of jobs.

    Raises
    ------
    ConfigError
        An unknown status or order, or an invalid time.
    """
    if order not in ("desc", "asc"):
        raise ConfigError(f"order must be 'desc' or 'asc': {escaped(order, 40)!r}")
    codes = {word: code for code, word in WORDS.items()}
    if isinstance(status, str) and status not in codes:
        raise ConfigError(f"no status is called {escaped(status, 40)!r}", hint=f"Known: {', '.join(codes)}.")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"name must be a str: {escaped(name, 40)}")
    if status is not None and (isinstance(status, bool) or not isinstance(status, str | Integral)):
        raise ConfigError(f"status must be a word or a code: {escaped(status, 40)}")
    wanted = {
        "name": name,
        "status": codes[status] if isinstance(status, str) else None if status is None else int(status),
        "fromCreateTime": milliseconds("created_after", created_after),
        "toCreateTime": milliseconds("created_before", created_before),
        "orderByCreateTime": order,
    }
    return json.dumps({key: value for key, value in wanted.items() if value is not None}, separators=(",", ":"))


def milliseconds(name: str, value: str | datetime | None) -> int | None:
    """Convert a time to epoch milliseconds: a datetime or a text in ISO 8601, in UTC without an offset.

    Raises
    ------
    ConfigError
    """
    if value is None:
        return None
    try:
        # pandas would guess at other texts, such as "now" or "Nov 30".
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, date | np.datetime64) and not pd.isna(moment):
            return round(float(pd.Timestamp(moment).timestamp()) * 1000)
    except (ValueError, OverflowError):
        pass  # raised below, as for a number
    raise ConfigError(
        f"{name} must be a datetime or a text in ISO 8601 such as '2026-11-25', got {escaped(value, 40)!r}",
        hint="Without an offset, a time is in UTC.",
    )


@dataclass(slots=True)
class _Listing:
    """The pages of one list of jobs, checked as they are read.

    Attributes
    ----------
    workflow, status
        That every job must have; None for any.
    jobs
        By id, in the server's order.
    count
        Items of all pages. Jobs that are added between two requests push others to the next page, which are then
        counted twice.
    first_total, total
        The list's ``total`` on the first and on the last page.
    """

    workflow: str | None
    status: int | None
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    count: int = 0
    first_total: int | None = None
    total: int = 0

    def read(self, page: Page, limit: int | None) -> list[dict[str, Any]]:
        """Read as many pages as needed.

        Parameters
        ----------
        page
            Gets one page's ``data``, by its query.
        limit
            The most jobs to return; None for all.

        Raises
        ------
        EnvelopeError
            A page does not have the documented shape, contradicts the pages before it, or has jobs that were not
            requested; or the pages end before their total.
        """
        size = PAGE_SIZE if limit is None else min(limit, PAGE_SIZE)
        number = 1
        while True:
            data = page({"pageSize": str(size), "page": str(number)})
            with add_context(f"page {number}"):
                items = self._add(data)
            if self.count >= self.total or (limit is not None and len(self.jobs) >= limit):
                return list(self.jobs.values())[:limit]
            told = data.get("PageSize")
            if number == 1 and type(told) is int and len(items) <= told < size and told > 0:
                size = told  # the server's own limit: pages are counted in it from here on
            number += 1

    def _add(self, data: dict[str, Any]) -> list[dict[str, Any]]:
        """Check a page and add its jobs."""
        items, total = data.get("items"), data.get("total")
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise EnvelopeError("the list's items are no list of objects", hint="Check the server's version.")
        if type(total) is not int or total < 0:
            raise EnvelopeError(
                f"the list's total is not a count of jobs: {escaped(total, 40)}", hint="Check the server's version."
            )
        if total < self.total:
            # Those behind a deleted one moved up, past the end of the page before.
            raise EnvelopeError("jobs were deleted while they were listed", hint="Try again.")
        new = {id_of(item.get("id"), "a job in the list"): item for item in items}
        if len(new) < len(items):
            raise EnvelopeError("a job is in the page twice", hint="Check the server's version.")
        for job, item in new.items():
            self._check_requested(job, item)
        self.total = total
        self.first_total = total if self.first_total is None else self.first_total
        if items and new.keys() <= self.jobs.keys():
            raise EnvelopeError("a page of the list has only jobs of the pages before", hint="Try again.")
        self.jobs.update(new)
        self.count += len(items)
        self._check_count(bool(items))
        return items

    def _check_requested(self, job: str, item: dict[str, Any]) -> None:
        workflow, status = item.get("workflowId"), item.get("status")
        wrong = ""
        if self.workflow is not None and workflow != self.workflow and not same_id(workflow, self.workflow):
            wrong = f"workflow {escaped(workflow, 40)!r} instead of workflow {self.workflow}"
        elif self.status is not None and (type(status) is not int or status != self.status):
            wrong = f"status {escaped(status, 40)} instead of status {self.status}"
        if wrong:
            raise EnvelopeError(
                f"server returned job {escaped(job, 40)} of {wrong}", hint="Check the server's version."
            )

    def _check_count(self, more: bool) -> None:  # noqa: FBT001
        """Compare the jobs read so far with the total; `more` is whether the last page had any job."""
        if len(self.jobs) > self.total:
            raise EnvelopeError(
                f"the list has {len(self.jobs)} jobs or more, but its total is {self.total}", hint="Try again."
            )
        added = self.total - (self.first_total or 0)
        if self.count - len(self.jobs) > added:
            raise EnvelopeError(
                f"{self.count - len(self.jobs)} jobs are in two pages, but only {added} were added meanwhile",
                hint="Try again. If it happens again, the server does not keep to the page number.",
            )
        if not more and self.count < self.total:
            raise EnvelopeError(
                f"the pages ended after {self.count} jobs of {self.total}",
                hint="Jobs were deleted meanwhile, or the server counts its pages otherwise: try again.",
            )


def _table(jobs: list[dict[str, Any]]) -> pa.Table:
    codes = [job.get("status") for job in jobs]
    words = {code: status_word(code) for code in {code for code in codes if type(code) is int}}
    status = pa.array([words[code] if type(code) is int else status_word(code) for code in codes], pa.string())
    columns = [_texts(jobs, key) for key in ("id", "name", "workflowId", "workflowName")]
    columns += [status, *(_times(jobs, key) for key in ("createTime", "runBeginTime", "runEndTime"))]
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
