"""Exceptions and warnings, one class per error that callers handle differently.

::

    ExplorerFramesError(Exception)          .what .where .hint
    ├─ ConfigError(ValueError)              invalid argument or setting, raised before any I/O
    ├─ TransportError                       no complete response was received: .http_status .final .unsent
    │  ├─ ConnectionFailedError(ConnectionError)
    │  ├─ RequestTimeoutError(TimeoutError)
    │  └─ TruncatedBodyError                the response was truncated
    ├─ ApiError                             the server returned an error: .code .http_status .server_message .trace_id
    │  ├─ BadRequestError
    │  ├─ UnauthorizedError
    │  │  └─ SessionExpiredError            a new login may help
    │  ├─ ForbiddenError
    │  ├─ NotFoundError
    │  ├─ ServerError
    │  └─ LicenseError                      a retry does not help
    ├─ UnsafeToRetryError                   the request may have been accepted; check before sending it again
    ├─ DecodeError(ValueError)              successful response in an invalid format
    │  ├─ EnvelopeError
    │  ├─ RowShapeError                     .row
    │  └─ ColumnTypeError                   .row .column .value
    ├─ JobError                             job failed, interrupted or timed out: .job .results .errors
    ├─ SyncError                            some results could not be exported: .report
    ├─ WriteError(OSError)                  the existing target is unchanged
    │  ├─ UnsupportedFormatError(ValueError)
    │  └─ TargetExistsError(FileExistsError)
    ├─ IncompleteResultError                all rows are required, but the result may be incomplete
    └─ FileReadError(OSError)               a file cannot be read, or has the wrong format
       └─ DamagedFileError                  a file has changed since it was written; do not use it
    TruncatedResultWarning(UserWarning)
    UnencryptedWarning(UserWarning)
    ConfigFileWarning(UserWarning)
    SchemaWarning(UserWarning)
    HistoryGapWarning(UserWarning)

Every error describes the problem, its location and a fix. Errors contain no passwords, tokens or requests. They can be
pickled with their attributes, for example by process pools.
"""

from __future__ import annotations

import pickle
import sys
from typing import Any, Self

from explorer_frames._private import is_debugging, users_traceback

__all__ = [
    "ApiError",
    "BadRequestError",
    "ColumnTypeError",
    "ConfigError",
    "ConfigFileWarning",
    "ConnectionFailedError",
    "DamagedFileError",
    "DecodeError",
    "EnvelopeError",
    "ExplorerFramesError",
    "FileReadError",
    "ForbiddenError",
    "HistoryGapWarning",
    "IncompleteResultError",
    "JobError",
    "LicenseError",
    "NotFoundError",
    "RequestTimeoutError",
    "RowShapeError",
    "SchemaWarning",
    "ServerError",
    "SessionExpiredError",
    "SyncError",
    "TargetExistsError",
    "TransportError",
    "TruncatedBodyError",
    "TruncatedResultWarning",
    "UnauthorizedError",
    "UnencryptedWarning",
    "UnsafeToRetryError",
    "UnsupportedFormatError",
    "WriteError",
]


class ExplorerFramesError(Exception):
    """Base class of all errors in this package.

    Parameters
    ----------
    what
        Description of the problem, in one line.
    where
        Location of the problem, such as job and task, URL or row.
    hint
        How to fix the problem. The command line replaces arguments such as ``limit=None`` or ``schema=`` with its
        options. It shows only the first line, so advice that applies only to Python is on a second line.
    **details
        Values of the attributes that the class documents.
    """

    what: str
    where: str | None = None
    hint: str | None = None

    def __init__(self, what: str = "", *, where: str | None = None, hint: str | None = None, **details: Any) -> None:
        # `args` contains only `what` because pickle calls `cls(*args)` and then restores `__dict__`.
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint
        for name, value in details.items():
            setattr(self, name, value)

    def __str__(self) -> str:
        place = f" [{self.where}]" if self.where else ""
        advice = f"\n{self.hint}" if self.hint else ""
        return f"{self.what}{place}{advice}"

    def _render_traceback_(self) -> list[str]:
        """Return the user's frames for IPython, as with ``%xmode Plain``."""
        formatter = sys.modules["IPython"].get_ipython().InteractiveTB
        short = None if is_debugging() else users_traceback(self.__traceback__)
        if short is None:
            return list(formatter.structured_traceback(type(self), self, self.__traceback__))
        mode = formatter.mode
        if mode == "Context":  # the default
            formatter.set_mode("Plain")
        try:
            parts = formatter.structured_traceback(type(self), self, short, 0)
        finally:
            formatter.set_mode(mode)
        return [part.rstrip("\n") for part in parts]

    def __copy__(self) -> Self:
        # By default, copy uses pickle's reducer. With tblib's reducer, the copy would share this `__dict__`.
        twin = type(self)(self.what)
        twin.__dict__.update(self.__dict__)
        if hasattr(self, "__notes__"):
            twin.__notes__ = list(self.__notes__)
        return twin


class ConfigError(ExplorerFramesError, ValueError):
    """Error raised before any I/O when an argument or a setting is invalid."""


class TransportError(ExplorerFramesError):
    """Error raised when no complete response is received.

    Causes are the network, a proxy, TLS, a redirect, or a limit on time or size.

    Attributes
    ----------
    http_status : int or None
    final : bool
        Whether the error is permanent, so that a retry does not help.
    unsent : bool
        Whether no byte of the request can have reached the server.
    """

    http_status: int | None = None
    final: bool = False
    unsent: bool = False


class ConnectionFailedError(TransportError, ConnectionError):
    """Error raised when the connection fails, or is closed before a response."""


class RequestTimeoutError(TransportError, TimeoutError):
    """Error raised when a call exceeds its timeout or deadline."""


class TruncatedBodyError(TransportError):
    """Error raised when a response is truncated."""


class ApiError(ExplorerFramesError):
    """Error raised when the server returns an error.

    Attributes
    ----------
    code : int or None
        Error code in the response's JSON envelope, such as 40404000.
    http_status : int or None
    server_message : str or None
        At most 200 characters of the server's message, escaped.
    trace_id : str or None
        ``Traceparent`` header of the response. The vendor's support can search for it.
    retry_after : float or None
        Seconds to wait before a retry, from the ``Retry-After`` header.
    """

    code: int | None = None
    http_status: int | None = None
    server_message: str | None = None
    trace_id: str | None = None
    retry_after: float | None = None


class BadRequestError(ApiError):
    """Error raised when the server rejects the request as invalid (4000x)."""


class UnauthorizedError(ApiError):
    """Error raised when the server rejects the credentials (4010x)."""


class SessionExpiredError(UnauthorizedError):
    """Error raised when the session has expired; a new login may help (40104001)."""


class ForbiddenError(ApiError):
    """Error raised when the user does not have permission (4030x)."""


class NotFoundError(ApiError):
    """Error raised when the job, task or workflow does not exist (4040x)."""


class ServerError(ApiError):
    """Error raised when the server fails (5xxxx, 9xxxx)."""


class LicenseError(ApiError):
    """Error raised when the license does not permit the call (50004003).

    A retry does not help.
    """


class UnsafeToRetryError(ExplorerFramesError):
    """Error raised when a request that is not idempotent may have been accepted.

    Check the server before sending the request again. This is not an ApiError because the server may not have rejected
    the request, and not a TransportError because the server may have responded.
    """

    code: int | None = None
    http_status: int | None = None


class JobError(ExplorerFramesError):
    """Error raised when a job or a task fails, is interrupted, or times out.

    Attributes
    ----------
    job : Job or None
        Last known state of the job.
    results, errors : dict
        After reading several results, those that could be read, and the errors of the others. The keys are those of
        `Job.read`, or pairs (job id, task id) for a history.
    """

    job: Any = None
    results: dict[Any, Any] = {}  # noqa: RUF012 (a default that is replaced, never mutated)
    errors: dict[Any, ExplorerFramesError] = {}  # noqa: RUF012

    def __reduce__(self) -> Any:
        try:
            pickle.dumps(self.job)
        except ExplorerFramesError:  # its Explorer has a secret passed as a str, which must not be pickled
            return type(self), (self.what,), {**self.__dict__, "job": None}
        return super().__reduce__()


class SyncError(ExplorerFramesError):
    """Error raised when results cannot be exported to a lake, or are damaged in it.

    Attributes
    ----------
    report : SyncReport
        The written, existing and failed results, with the errors of the failed ones.
    """

    report: Any = None


class DecodeError(ExplorerFramesError, ValueError):
    """Error raised when a successful response does not have the documented format."""


class EnvelopeError(DecodeError):
    """Error raised when a response is not the documented JSON envelope."""


class RowShapeError(DecodeError):
    """Error raised when a row is not a list with the expected number of cells."""

    row: int | None = None
    _may_be_text = False  # as in ColumnTypeError


class ColumnTypeError(DecodeError):
    """Error raised when a cell cannot be converted to the type of its column."""

    row: int | None = None
    column: str | None = None
    value: str | None = None
    _may_be_text = False  # whether the type was chosen only by the number of columns


class WriteError(ExplorerFramesError, OSError):
    """Error raised when a file cannot be written; an existing file is unchanged."""

    _hits_every_file = False  # whether writing any other file would also fail


class UnsupportedFormatError(WriteError, ValueError):
    """Error raised when a format name or file extension is not supported."""


class TargetExistsError(WriteError, FileExistsError):
    """Error raised when the target exists and ``mode="create"``."""


class IncompleteResultError(ExplorerFramesError):
    """Error raised when all rows are required but the result may be incomplete."""


class FileReadError(ExplorerFramesError, OSError):
    """Error raised when a file cannot be read, or does not have the expected format."""


class DamagedFileError(FileReadError):
    """Error raised when a file has changed since it was written; do not use its rows."""


class TruncatedResultWarning(UserWarning):
    """Warning emitted when a result may be incomplete.

    The server returned exactly `limit` rows, or a round number of rows that may be its cap, or the task's status is
    not success.
    """


class UnencryptedWarning(UserWarning):
    """Warning emitted when credentials are sent over plain HTTP."""


class ConfigFileWarning(UserWarning):
    """Warning emitted when other users can read the config file.

    The file contains a token or a password.
    """


class SchemaWarning(UserWarning):
    """Warning emitted when the columns of a result may not be those of its algorithm.

    The algorithm passed as `schema` does not match the task's name, or the task's name could not be looked up. Or all
    columns are text, because a cell does not fit the types chosen by the number of columns.
    """


class HistoryGapWarning(UserWarning):
    """Warning emitted when a history skips jobs.

    These jobs do not have the task, or the task did not succeed.
    """
