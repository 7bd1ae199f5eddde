"""Check a server, its login and its row limit, without starting a job."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
from requests.utils import get_environ_proxies

from explorer_frames import errors
from explorer_frames._doctor.finding import Finding, found, ok, problem
from explorer_frames._errors import escaped
from explorer_frames._http.api import Api
from explorer_frames._http.config import Credentials, Settings
from explorer_frames._http.failures import NO_TLS
from explorer_frames._jobs.status import is_missing_time
from explorer_frames._results.reading import is_round
from explorer_frames._warnings import joined_warnings

if TYPE_CHECKING:
    from explorer_frames._client import Explorer

CHECKS = ("address", "connection", "encryption", "http", "clock", "login", "jobs", "license", "limit")
# One retry is required, because the server may have closed a pooled connection.
QUICK: dict[str, Any] = {"timeout": (5.0, 10.0), "deadline": 20.0, "retries": 1}
_LOOKUP = 10.0  # seconds; `getaddrinfo` has no timeout
_CONNECT = 5.0
_SLACK = 1.0  # seconds, added to the timeout of each check
_CLOCK = 60.0  # seconds; a larger difference is a warning
_JOBS, _TRIED = 3, 4  # maximum number of jobs and of results to inspect
# Maximum number of calls per check, each within the deadline. Default: 1.
_CALLS = {"encryption": 2, "login": 2, "limit": 1 + _JOBS + _TRIED + 3}
_ANY = pa.schema([("cells", pa.list_(pa.string()))])


@dataclass(repr=False)
class Examination:
    """Checks of one server, each of which depends on the checks before it."""

    settings: Settings
    credentials: Credentials | None  # None if they are missing
    explorer: Explorer | None  # None if settings or credentials are missing
    task: tuple[str, str] | None  # None selects a task of a recent job
    limit: int  # largest limit to request

    def __post_init__(self) -> None:
        parts = urlsplit(self.settings.url)
        self._scheme, self._host = parts.scheme, parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._addresses: list[Any] = []
        self._greeting: tuple[Mapping[str, str], float] | None = None
        self._failure: errors.ExplorerFramesError | None = None  # why Explorer did not respond
        self._license: errors.LicenseError | None = None

    def findings(self) -> Iterator[Finding]:
        """Run the checks, and skip those that depend on a failed check."""
        stuck = ""
        for name in CHECKS:
            if stuck and not (name == "license" and self._license):
                yield Finding(name, "skipped", f"the {stuck} check failed")
                continue
            finding = found(name, self._patience(name), partial(self._check, name))
            yield finding
            if finding.state == "problem" and name not in {"clock", "limit"}:
                stuck = name

    def _check(self, name: str) -> Finding:
        check: Callable[[], Finding] = getattr(self, f"_check_{name}")
        try:
            return check()
        except errors.LicenseError as error:
            self._license = error
            raise

    def _patience(self, name: str) -> float:
        """Return the timeout of a check, in seconds."""
        if name == "address":
            return _LOOKUP
        if name == "connection":
            return len(self._tried()) * _CONNECT + _SLACK
        return _CALLS.get(name, 1) * (self.settings.deadline or 0) + _SLACK

    # --- connection

    def _proxied(self) -> bool:
        return self.settings.trust_env and bool(get_environ_proxies(self.settings.url, no_proxy=None))

    def _check_address(self) -> Finding:
        if self._proxied():
            return Finding("address", "skipped", "the proxy resolves the host name")
        try:
            self._addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            why = escaped(getattr(error, "strerror", None) or error, 80)
            hint = "Check the host name in url= and the DNS settings of this machine."
            return Finding("address", "problem", f"no address for {escaped(self._host, 80)}: {why}", hint)
        shown = ", ".join(dict.fromkeys(str(address[4][0]) for address in self._addresses))
        return ok("address", shown if self._host in shown else f"{self._host} resolves to {shown}")

    def _check_connection(self) -> Finding:
        if self._proxied():
            return Finding("connection", "skipped", "the proxy connects to the server")
        why = ""
        for family, kind, protocol, _, address in self._tried():
            try:
                with socket.socket(family, kind, protocol) as sock:
                    sock.settimeout(_CONNECT)
                    sock.connect(address)
            except OSError as error:  # also if the address family is not supported
                why = "no response" if isinstance(error, TimeoutError) else str(error.strerror)
            else:
                return ok("connection", f"port {self._port} is open")
        hint = "Check the port (default: 7002) and the firewalls. Also check that Explorer is running."
        return Finding("connection", "problem", f"cannot connect to port {self._port}: {escaped(why, 80)}", hint)

    def _tried(self) -> list[Any]:
        """Return up to two IPv6 and two IPv4 addresses, in the resolver's order."""
        kinds = dict.fromkeys(address[0] for address in self._addresses)
        return [one for kind in kinds for one in [one for one in self._addresses if one[0] == kind][:2]]

    def _check_encryption(self) -> Finding:
        self._greet()
        if self._scheme == "http":
            if not self.settings.is_exposed:
                return ok("encryption", "not required, because the server runs on this machine")
            hint = "Use an https:// URL. Without TLS, the password and the token are sent unencrypted."
            return Finding("encryption", "warning", "the connection is not encrypted (http)", hint)
        error = self._failure
        if self._greeting is not None and self.settings.verify is False:
            hint = "Remove verify=False, and pass the CA of the server's certificate as ca_bundle=."
            return Finding("encryption", "warning", "https without certificate verification (verify=False)", hint)
        if self._greeting is not None:
            name = self.settings.ca_name if isinstance(self.settings.verify, str) else "the operating system"
            return ok("encryption", f"https, with a certificate trusted by {name}")
        if error is not None and (error.what.startswith(NO_TLS) or _is_about_certificates(error)):
            return problem("encryption", error)
        return Finding("encryption", "skipped", "no response, so the certificate was not checked")

    def _check_http(self) -> Finding:
        if self._failure is not None:
            return problem("http", self._failure)
        return ok("http", "the NebulaGraph Explorer API responded")

    def _greet(self) -> None:
        """Send a request without a token, and store the response so that several checks can use it."""
        began = time.time()
        try:
            headers, said = self._greeted(self.settings)
        except errors.ExplorerFramesError as error:
            self._failure = error
            return
        self._greeting = headers, (began + time.time()) / 2
        if isinstance(said, errors.LicenseError):
            self._license = said
        elif said is not None and not _is_of_explorer(said):
            self._failure = said
            if said.code is not None:
                said.what, said.where = (
                    f"the response is not from the Explorer API (code {said.code})",
                    None,
                )
                said.hint = "Check the path in url=. A gateway may require a prefix, such as https://host/prefix."
            if said.retry_after:
                said.hint = f"{said.hint} The gateway requested a wait of {said.retry_after:g} s (Retry-After)."
            said.hint = self._right_url() or said.hint

    def _greeted(self, settings: Settings) -> tuple[Mapping[str, str], errors.ApiError | None]:
        with closing(Api(settings, Credentials())) as api:
            return api.greeting(api.deadline())

    def _right_url(self) -> str | None:
        """Return a hint if Explorer responds at the URL without its path."""
        parts = urlsplit(self.settings.url)
        if not parts.path:
            return None
        root = f"{parts.scheme}://{parts.netloc}"
        try:
            _, said = self._greeted(replace(self.settings, url=root))
        except errors.ExplorerFramesError:
            return None
        return f"Pass url={root!r}. Explorer responded at this URL." if said is None or _is_of_explorer(said) else None

    def _check_clock(self) -> Finding:
        headers, ours = self._greeting or ({}, 0.0)
        try:
            date = "" if is_missing_time(headers.get("Date")) else headers["Date"]
            theirs = parsedate_to_datetime(date).timestamp()
        except (ValueError, OverflowError):
            return Finding("clock", "skipped", "the response has no Date header")
        apart = theirs - ours + 0.5  # the Date header has a resolution of one second
        if abs(apart) <= _CLOCK:
            return ok(
                "clock", f"the clocks of the server and of this machine differ by at most {max(round(abs(apart)), 1)} s"
            )
        side = "ahead of" if apart > 0 else "behind"
        hint = "Synchronize the clocks with NTP. The creation times of jobs depend on the server's clock."
        return Finding("clock", "warning", f"the server's clock is {abs(apart):,.0f} s {side} this machine's", hint)

    # --- credentials

    def _check_login(self) -> Finding:
        if self.credentials is None:
            return Finding("login", "problem", "missing credentials", 'See the check "configuration".')
        if self.credentials.token is not None:
            return self._check_token()
        with closing(Api(self.settings, self.credentials)) as api:
            try:
                token = api.login(api.deadline())
            except errors.BadRequestError as error:
                error.hint = "Check graphd. It must be the host:port at which the Explorer server reaches graphd."
                raise
        life = "with unknown expiry" if token.life is None else f"valid for {_duration(token.life)}"
        return ok("login", f"logged in with the encoding {api.auth_encoding}; the token is {life}")

    def _check_token(self) -> Finding:
        try:
            self._list(1)
        except errors.UnauthorizedError as error:
            error.hint = "Get a new token. Or set user, password and graphd to renew the token automatically."
            raise
        return ok("login", "the token is valid; its expiry is unknown, and it is not renewed")

    # --- jobs, license and limit

    @property
    def _explorer(self) -> Explorer:
        assert self.explorer is not None  # noqa: S101 (the login was checked)
        return self.explorer

    def _list(self, limit: int, **filters: Any) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self._explorer.list_jobs(limit=limit, **filters).to_dict("records")
        return jobs

    def _check_jobs(self) -> Finding:
        jobs = self._list(20)
        if not jobs:
            return ok("jobs", "the server has no jobs")
        newest = f"the newest is job {escaped(jobs[0]['job_id'], 40)} ({jobs[0]['status']})"
        return ok("jobs", f"jobs found: {len(jobs)}{' or more' * (len(jobs) == 20)}; {newest}")  # noqa: PLR2004

    def _check_license(self) -> Finding:
        if self._license is not None:
            return problem("license", self._license)
        return ok("license", "valid for reading results; starting a job was not tested")

    def _check_limit(self) -> Finding:
        task = self._given_task() if self.task else self._some_task()
        if task is None:
            return Finding(
                "limit", "skipped", "no recent successful job has a result with rows", "Pass --job-id and --task-id."
            )
        where = f"job {task[0]}, task {task[1]}"
        most = self.limit
        few = max(most // 10, 1)
        rows = {limit: self._rows(task, limit) for limit in sorted({1, few, most})}
        if rows[most] and not rows[1]:
            return _odd(where, "limit=1 returned no rows, but a larger limit returned rows")
        if rows[few] != min(few, rows[most]):
            return _odd(where, f"limit={few} returned {rows[few]:,} rows, but limit={most} returned {rows[most]:,}")
        if rows[most] == most:
            return ok("limit", f"limit={most} returned {most:,} rows; a larger limit was not tested [{where}]")
        tried = f"limit={few} and limit={most}" if rows[few] == rows[most] else f"limit={most}"
        what = f"{tried} returned {rows[most]:,} rows"
        if is_round(rows[most]):
            hint = (
                "This round number may be the server's row cap. Compare it with the number of vertices in the graph. "
                "If it is the cap, set EXPLORER_FRAMES_ROW_CAP to this number. Otherwise, set it to a larger number."
            )
            return Finding("limit", "warning", f"{what} [{where}]", hint)
        return ok("limit", f"{what}; the result is complete unless this number is the server's row cap [{where}]")

    def _given_task(self) -> tuple[str, str]:
        """Return the ids of the given task and of its job."""
        assert self.task is not None  # noqa: S101 (checked by the caller)
        job = self._explorer.job(self.task[0])
        return job.job_id, job.task(self.task[1]).task_id

    def _some_task(self) -> tuple[str, str] | None:
        """Find a task for the check of the limit, preferably with several rows."""
        few = None
        jobs = (self._explorer.job(job["job_id"]) for job in self._list(_JOBS, status="success"))
        done = ((job.job_id, task.task_id) for job in jobs for task in job.tasks if task.status == "success")
        for ids in islice(done, _TRIED):
            rows = self._rows(ids, 2)
            if rows == 2:  # noqa: PLR2004
                return ids
            few = few or (ids if rows else None)
        return few

    def _rows(self, task: tuple[str, str], limit: int) -> int:
        with joined_warnings(errors.TruncatedResultWarning):
            return int(self._explorer.read_sample_result_arrow(*task, limit, schema=_ANY).num_rows)


def _is_of_explorer(error: errors.ApiError) -> bool:
    """Return whether Explorer itself, not a gateway, returned the error."""
    # The endpoint for jobs exists on every Explorer server.
    return error.code is not None and not isinstance(error, errors.NotFoundError)


def _is_about_certificates(error: errors.ExplorerFramesError) -> bool:
    return isinstance(error, errors.ConfigError) and "certificate" in error.what


def _odd(where: str, what: str) -> Finding:
    hint = "Read full results instead. This server ignores limit, so results cannot be verified as complete."
    return Finding("limit", "problem", f"{what} [{where}]", hint)


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:g} {unit}" if seconds % size == 0 else f"{seconds / size:.1f} {unit}"
    return f"{seconds:g} s"
