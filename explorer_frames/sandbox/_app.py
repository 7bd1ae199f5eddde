"""The published HTTP API with its paths, response envelopes and validation."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import math
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer_frames.sandbox._faults import Code, Fault
from explorer_frames.sandbox._jobs import Inputs, Job, Jobs
from explorer_frames.sandbox._options import AuthEncoding, Options
from explorer_frames.sandbox._parameters import check_names
from explorer_frames.sandbox._results import pieces
from explorer_frames.sandbox._sessions import Sessions

_COOKIE = "explorer_token"
_JSON = "application/json; charset=utf-8"
_MAX_BODY = 2**20  # bytes
_FILTERS = {"name": str, "status": int, "fromCreateTime": int, "toCreateTime": int, "orderByCreateTime": str}

Endpoint = Callable[[Request], Awaitable[Response]]


class RequestRecord(NamedTuple):
    """Request, with the status of its response."""

    method: str
    path: str
    status: int


@dataclass(frozen=True)
class Api:
    """Endpoints of the API."""

    jobs: Jobs
    sessions: Sessions
    options: Options

    def app(self, record: Callable[[RequestRecord], None]) -> Starlette:
        """Return the ASGI application, which calls `record` for every request."""
        calls: Iterable[tuple[str, str, Endpoint]] = [
            ("POST", "/connect", self.connect),
            ("GET", "/jobs", self.list_jobs),
            ("GET", "/jobs/{job}", self.show_job),
            ("PUT", "/jobs/{job}/cancel", self.cancel_job),
            ("GET", "/jobs/{job}/tasks/{task}/sample_result", self.sample_result),
            ("GET", "/workflows/{workflow}/jobs", self.list_jobs),
            ("POST", "/workflows/{workflow}/jobs", self.add_job),
        ]
        middleware = [Middleware(_Frame, record=record)]
        if self.options.gzip:
            middleware.append(Middleware(GZipMiddleware, compresslevel=6))
        app = Starlette(
            routes=[
                Route(f"/api-open/v1{path}", self._guard(endpoint), methods=[method])
                for method, path, endpoint in calls
            ],
            middleware=middleware,
            exception_handlers={HTTPException: self._no_such_call},
        )
        app.router.redirect_slashes = False
        return app

    async def connect(self, request: Request) -> Response:
        """Log in, and return the token as a cookie."""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        credentials = _decode_credentials(encoded, self.options.auth_encoding)
        if scheme != "Bearer" or credentials != (self.options.user, self.options.password):
            raise Fault(Code.ErrUnauthorized, "the user name or the password is wrong")
        body = await _read_object(request)
        host, _, port = self.options.graphd.rpartition(":")
        if (body.get("address"), body.get("port")) != (host, int(port)):
            raise Fault(Code.ErrParam, "no graphd at this address")
        answer = self._success({"success": True})
        answer.headers["set-cookie"] = (
            f"{_COOKIE}={self.sessions.issue()}; Path=/; Max-Age={math.ceil(self.sessions.life)}; HttpOnly"
        )
        return answer

    async def list_jobs(self, request: Request) -> Response:
        """List all jobs, or the jobs of a workflow."""
        wanted = _read_filter(request.query_params.get("filter", ""))
        size = _read_positive(request, "pageSize", 10)
        page = _read_positive(request, "page", 1)
        workflow = request.path_params.get("workflow")
        jobs = self.jobs.all(None if workflow is None else _read_id(workflow))
        jobs = [job for job in jobs if _matches(job, wanted)]
        if wanted.get("orderByCreateTime") != "asc":
            jobs.reverse()
        # Return the status that the filter matched, because a job may have ended in the meantime.
        status = {"status": wanted["status"]} if "status" in wanted else {}
        items = [{**job.describe(), **status} for job in jobs[(page - 1) * size : page * size]]
        return self._success({"items": items, "total": len(jobs), "Page": page, "PageSize": size})

    async def show_job(self, request: Request) -> Response:
        """Show a job and its tasks."""
        job = self.jobs.job(_read_id(request.path_params["job"]))
        return self._success({**job.describe(), "tasks": [task.describe() for task in job.tasks]})

    async def add_job(self, request: Request) -> Response:
        """Run a workflow as a new job."""
        workflow = _read_id(request.path_params["workflow"])
        job = self.jobs.submit(workflow, _read_inputs(await _read_object(request)))
        return self._success({"id": str(job.id) if self.options.id_type == "string" else job.id})

    async def cancel_job(self, request: Request) -> Response:
        """Cancel a job."""
        self.jobs.cancel(_read_id(request.path_params["job"]))
        return self._success({"success": True})

    async def sample_result(self, request: Request) -> Response:
        """Stream the first rows of a task's result."""
        result = self.jobs.result(_read_id(request.path_params["job"]), request.path_params["task"])
        limit = _read_positive(request, "limit", 10)
        if self.options.limit_cap is not None:
            limit = min(limit, self.options.limit_cap)

        if self.options.pretty:
            return self._success({"items": [*result.cells(0, min(limit, len(result)))]})

        async def body() -> AsyncIterator[bytes]:
            for piece in pieces(result, limit):
                yield piece
                await asyncio.sleep(0)  # lets other requests run

        return StreamingResponse(body(), media_type=_JSON)

    def _guard(self, endpoint: Endpoint) -> Endpoint:
        """Require a token, except for connect, and return errors in an envelope."""

        async def guarded(request: Request) -> Response:
            try:
                if endpoint != self.connect:
                    self.sessions.require(request.cookies.get(_COOKIE))
                return await endpoint(request)
            except Fault as fault:
                return self._failure(fault)
            except Exception as error:  # noqa: BLE001 - unexpected errors also need an envelope
                return self._failure(Fault(Code.ErrInternalServer, type(error).__name__))

        return guarded

    async def _no_such_call(self, request: Request, _: Exception) -> Response:
        return self._failure(Fault(Code.ErrNotFound, f"unknown endpoint: {request.method} {request.url.path}"))

    def _success(self, data: object) -> Response:
        return self._answer({"code": 0, "data": data, "message": "Success"}, 200)

    def _failure(self, fault: Fault) -> Response:
        status = fault.http_status if self.options.http_status_of_errors == "mapped" else 200
        return self._answer({"code": fault.code, "message": fault.message}, status)

    def _answer(self, envelope: object, status: int) -> Response:
        layout: dict[str, Any] = {"indent": 4} if self.options.pretty else {"separators": (",", ":")}
        return Response(json.dumps(envelope, ensure_ascii=False, **layout), status, media_type=_JSON)


class _Frame:
    """Middleware that adds the trace header to responses, and records requests."""

    def __init__(self, app: ASGIApp, record: Callable[[RequestRecord], None]) -> None:
        self._app = app
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def framed(message: Message) -> None:
            if message["type"] == "http.response.start":
                trace = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
                message["headers"] = [*message["headers"], (b"traceparent", trace.encode())]
                query = scope["query_string"].decode("latin-1")
                path = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
                self._record(RequestRecord(scope["method"], path, message["status"]))
            await send(message)

        await self._app(scope, receive, framed)


async def _read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object of the body; an empty body is an empty object."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise Fault(Code.ErrBadRequest, f"the body is larger than {_MAX_BODY // 2**20} MiB")
    return _object(bytes(body), Fault(Code.ErrBadRequest, "the body is not a JSON object"))


def _object(text: str | bytes, fault: Fault) -> dict[str, Any]:
    """Parse a JSON object, or raise the fault; empty text is an empty object."""
    try:
        value = json.loads(text or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise fault
    return value


def _read_inputs(body: dict[str, Any]) -> Inputs:
    inputs = {} if body.get("input") is None else body["input"]
    nested = isinstance(inputs, dict) and all(isinstance(values, dict) for values in inputs.values())
    if not nested or not set(body) <= {"input"}:
        raise Fault(Code.ErrParam, 'the body must be {"input": {"<task id>": {"<parameter>": value}}}')
    for component, values in inputs.items():
        try:
            check_names(values)
        except ValueError as error:
            raise Fault(Code.ErrParam, f"input of {component}: {error}") from None
    return inputs


def _read_id(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise Fault(Code.ErrNotFound, f"ids must be integers, got {text!r}")
    return int(text[:19])  # valid ids are shorter


def _read_positive(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and int(text[:19])):
        raise Fault(Code.ErrParam, f"{name} must be a positive integer, got {text!r}")
    return int(text[:19])  # 19 digits exceed the length of any list


def _read_filter(text: str) -> dict[str, Any]:
    wanted = _object(text, Fault(Code.ErrParam, "filter must be a JSON object"))
    for key, value in wanted.items():
        if type(value) is not _FILTERS.get(key):
            raise Fault(Code.ErrParam, f"invalid filter {key}={value!r}")
    if wanted.get("orderByCreateTime", "desc") not in ("desc", "asc"):
        raise Fault(Code.ErrParam, "filter: orderByCreateTime must be desc or asc")
    return wanted


def _matches(job: Job, wanted: dict[str, Any]) -> bool:
    """Return whether a job matches the filter."""
    return (
        wanted.get("name", "") in job.name
        and wanted.get("status", job.shown) == job.shown
        and wanted.get("fromCreateTime", 0) <= job.created <= wanted.get("toCreateTime", math.inf)
    )


def _decode_credentials(encoded: str, encoding: AuthEncoding) -> tuple[str, ...] | None:
    """Decode the user and the password of a login request."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    if encoding != "colon":
        try:
            pair = json.loads(text)
        except (ValueError, RecursionError):
            pair = None
        if isinstance(pair, list):
            return tuple(pair)
    return tuple(text.split(":", 1)) if encoding != "json" else None
