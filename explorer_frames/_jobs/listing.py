"""Read a paginated list of jobs into one table.

Jobs may be added or deleted while the pages are read. Duplicates are removed, and a deletion raises an error. If jobs
are added and deleted at the same time, a deletion may not be detected.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime
from numbers import Integral
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from explorer_frames._arguments import checked_id, checked_limit
from explorer_frames._errors import add_context, as_given, escaped
from explorer_frames._http.api import Api
from explorer_frames._jobs.status import WORDS, id_of, moment, same_id, status_word, text
from explorer_frames.errors import ConfigError, EnvelopeError

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
    """List jobs; see `Explorer.list_jobs`."""
    workflow = None if workflow_id is None else checked_id("workflow_id", workflow_id)
    of_workflow = () if workflow is None else ("workflows", workflow)
    most = None if limit is None else checked_limit(limit)
    if order not in ("desc", "asc"):
        raise ConfigError(f"order must be 'desc' or 'asc', got {as_given(order)}")
    if name is not None and not isinstance(name, str):
        raise ConfigError(f"name must be a str, got {as_given(name)}")
    code = None if status is None else _code(status)
    filters = {
        "name": name,
        "status": code,
        "fromCreateTime": milliseconds("created_after", created_after),
        "toCreateTime": milliseconds("created_before", created_before),
        "orderByCreateTime": order,
    }
    wanted = {key: value for key, value in filters.items() if value is not None}
    until = api.deadline()

    def page(number: dict[str, str]) -> dict[str, Any]:
        params = {"filter": json.dumps(wanted, separators=(",", ":")), **number}
        return api.get(*of_workflow, "jobs", params=params, until=until)[0]

    with add_context("list of jobs"):
        return _table(_read(page, workflow, code, most))


def _code(status: object) -> int:
    """Return the code of a status, which may be a name or a code."""
    codes = {word: code for code, word in WORDS.items()}
    if isinstance(status, Integral) and not isinstance(status, bool):
        return int(status)
    if not isinstance(status, str):
        raise ConfigError(f"status must be a status name or a code, got {as_given(status)}")
    if status not in codes:
        raise ConfigError(f"unknown status {as_given(status)}", hint=f"Known: {', '.join(codes)}.")
    return codes[status]


def milliseconds(name: str, value: str | datetime | None) -> int | None:
    """Convert a datetime or an ISO 8601 string to milliseconds since 1970."""
    if value is None:
        return None
    try:
        # `pd.Timestamp` would also accept strings such as "now" or "Nov 30".
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(moment, date | np.datetime64) and not pd.isna(moment):
            return round(float(pd.Timestamp(moment).timestamp()) * 1000)
    except (ValueError, OverflowError):
        pass  # ConfigError is raised below
    raise ConfigError(
        f"{name} must be a datetime or an ISO 8601 string such as '2026-11-25', got {as_given(value)}",
        hint="Times without an offset are in UTC.",
    )


def _read(page: Page, workflow: str | None, status: int | None, limit: int | None) -> list[dict[str, Any]]:
    """Read up to `limit` jobs, and check that the pages are consistent."""
    size = PAGE_SIZE if limit is None else min(limit, PAGE_SIZE)
    jobs: dict[str, dict[str, Any]] = {}
    # A job that is added between two requests shifts another job to the next page, where it is counted again.
    count = total = first_total = 0
    number = 1
    while True:
        data = page({"pageSize": str(size), "page": str(number)})
        with add_context(f"page {number}"):
            items = _items(data, workflow, status)
            total = _total(data, total)
            first_total = total if number == 1 else first_total
            if items and items.keys() <= jobs.keys():
                raise EnvelopeError("invalid list of jobs: repeated page", hint="Retry.")
            jobs |= items
            count += len(items)
            _check_count(len(jobs), count, total, added=total - first_total, ended=not items)
        if count >= total or (limit is not None and len(jobs) >= limit):
            return list(jobs.values())[:limit]
        told = data.get("PageSize")
        if number == 1 and type(told) is int and len(items) <= told < size and told > 0:
            size = told  # the server caps the page size
        number += 1


def _items(data: dict[str, Any], workflow: str | None, status: int | None) -> dict[str, dict[str, Any]]:
    """Return the jobs of a page by id."""
    items = data.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise EnvelopeError("invalid list of jobs: items must be a list of objects", hint="Check the server's version.")
    jobs = {id_of(item.get("id"), "a job in the list"): item for item in items}
    if len(jobs) < len(items):
        raise EnvelopeError("invalid list of jobs: a page contains a duplicate job", hint="Check the server's version.")
    for job, item in jobs.items():
        its_workflow, its_status = item.get("workflowId"), item.get("status")
        wrong = ""
        if workflow is not None and its_workflow != workflow and not same_id(its_workflow, workflow):
            wrong = f"workflow {escaped(its_workflow, 40)!r} instead of workflow {workflow}"
        elif status is not None and (type(its_status) is not int or its_status != status):
            wrong = f"status {escaped(its_status, 40)} instead of status {status}"
        if wrong:
            raise EnvelopeError(
                f"server returned job {escaped(job, 40)} of {wrong}", hint="Check the server's version."
            )
    return jobs


def _total(data: dict[str, Any], before: int) -> int:
    """Return the total number of jobs, and compare it with the total `before`."""
    total = data.get("total")
    if type(total) is not int or total < 0:
        raise EnvelopeError(
            f"invalid list of jobs: total must be a non-negative integer, got {escaped(total, 40)}",
            hint="Check the server's version.",
        )
    if total < before:
        # A deletion shifts a job to the previous page, which has already been read.
        raise EnvelopeError("jobs were deleted while they were listed", hint="Retry.")
    return total


def _check_count(jobs: int, count: int, total: int, *, added: int, ended: bool) -> None:
    """Compare the counts with the total; `ended` is set after an empty page."""
    if jobs > total:
        raise EnvelopeError(f"invalid list of jobs: total is {total}, but {jobs} jobs were returned", hint="Retry.")
    if count - jobs > added:
        raise EnvelopeError(
            f"invalid list of jobs: {count - jobs} jobs are on two pages, but only {added} jobs were added",
            hint="Retry. If the error persists, the server ignores the page number.",
        )
    if ended and count < total:
        raise EnvelopeError(
            f"the list of jobs ended after {count} of {total} jobs",
            hint="Retry. Jobs may have been deleted during the call.",
        )


def _table(jobs: list[dict[str, Any]]) -> pa.Table:
    columns: list[list[Any]] = [
        [text(job.get(key)) for job in jobs] for key in ("id", "name", "workflowId", "workflowName")
    ]
    columns.append([status_word(job.get("status")) for job in jobs])
    columns += [[moment(job.get(key)) for job in jobs] for key in ("createTime", "runBeginTime", "runEndTime")]
    return pa.table(dict(zip(SCHEMA.names, columns, strict=True)), schema=SCHEMA)
