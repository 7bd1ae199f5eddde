"""Exceptions and warnings of this package.

::

    ExplorerFramesError(Exception)          .what .where .hint
    ├─ ConfigError(ValueError)              invalid argument or setting
    ├─ TransportError                       no complete response: .http_status .final .unsent
    │  ├─ ConnectionFailedError(ConnectionError)
    │  ├─ RequestTimeoutError(TimeoutError)
    │  └─ TruncatedBodyError                truncated response
    ├─ ApiError                             error response: .code .http_status .server_message .trace_id
    │  ├─ BadRequestError
    │  ├─ UnauthorizedError
    │  │  └─ SessionExpiredError            expired session
    │  ├─ ForbiddenError
    │  ├─ NotFoundError
    │  ├─ ServerError
    │  └─ LicenseError                      the license does not permit the call
    ├─ UnsafeToRetryError                   the request may have been accepted
    ├─ DecodeError(ValueError)              invalid data in a successful response
    │  ├─ EnvelopeError
    │  ├─ RowShapeError                     .row
    │  └─ ColumnTypeError                   .row .column .value
    ├─ JobError                             failed job or task: .job .results .errors
    ├─ SyncError                            failed export to a lake: .report
    ├─ WriteError(OSError)                  the file cannot be written
    │  ├─ UnsupportedFormatError(ValueError)
    │  └─ TargetExistsError(FileExistsError)
    ├─ IncompleteResultError                a complete result is required
    └─ FileReadError(OSError)               the file cannot be read
       └─ DamagedFileError                  the file has changed since it was written
    TruncatedResultWarning(UserWarning)
    UnencryptedWarning(UserWarning)
    ConfigFileWarning(UserWarning)
    SchemaWarning(UserWarning)
    HistoryGapWarning(UserWarning)

The text of each error contains the problem, its location and a fix. Errors do not contain passwords, tokens or
requests. They can be pickled, for example by process pools.
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
        Location of the problem, such as a job, URL or row.
    hint
        How to fix the problem. The command line shows only the first line, and replaces arguments such as ``schema=``
        with its options. The second line, if any, applies only to Python.
    **details
        Attributes of the subclass.
    """

    what: str
    where: str | None = None
    hint: str | None = None

    def __init__(self, what: str = "", *, where: str | None = None, hint: str | None = None, **details: Any) -> None:
        # `args` contains only `what`, because pickle calls `cls(*args)` before it restores `__dict__`.
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
        """Return the user's frames for IPython, formatted as with ``%xmode Plain``."""
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
        # The default implementation uses pickle. If tblib is installed, the copy would then share this `__dict__`.
        twin = type(self)(self.what)
        twin.__dict__.update(self.__dict__)
        if hasattr(self, "__notes__"):
            twin.__notes__ = list(self.__notes__)
        return twin


class ConfigError(ExplorerFramesError, ValueError):
    """Error raised when an argument or a setting is invalid, before any I/O."""


class TransportError(ExplorerFramesError):
    """Error raised when no complete response is received.

    Possible causes are network, proxy and TLS errors, redirects, and exceeded limits on time or size.

    Attributes
    ----------
    http_status : int or None
        HTTP status of the response, if any.
    final : bool
        Whether the error is permanent, so that retries do not help.
    unsent : bool
        Whether the error occurred before the request was sent.
    """

    http_status: int | None = None
    final: bool = False
    unsent: bool = False


class ConnectionFailedError(TransportError, ConnectionError):
    """Error raised when the connection fails or is closed before the response."""


class RequestTimeoutError(TransportError, TimeoutError):
    """Error raised when a call exceeds its timeout or deadline."""


class TruncatedBodyError(TransportError):
    """Error raised when a response is truncated."""


class ApiError(ExplorerFramesError):
    """Error raised when the server returns an error.

    Attributes
    ----------
    code : int or None
        Error code in the response, such as 40404000.
    http_status : int or None
        HTTP status of the response.
    server_message : str or None
        Error message of the server, escaped and truncated to 200 characters.
    trace_id : str or None
        Trace id, from the ``Traceparent`` header of the response. Report it to the vendor's support.
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
    """Error raised when the session has expired (40104001)."""


class ForbiddenError(ApiError):
    """Error raised when the user does not have permission (4030x)."""


class NotFoundError(ApiError):
    """Error raised when the job, task or workflow does not exist (4040x)."""


class ServerError(ApiError):
    """Error raised when the server reports an internal error (5xxxx, 9xxxx)."""


class LicenseError(ApiError):
    """Error raised when the license does not permit the call (50004003)."""


class UnsafeToRetryError(ExplorerFramesError):
    """Error raised when a request that is not idempotent may have been accepted.

    Check on the server whether the request was accepted before you send it again.
    """

    code: int | None = None
    http_status: int | None = None


class JobError(ExplorerFramesError):
    """Error raised when a job does not succeed, or its results cannot be read.

    Attributes
    ----------
    job : Job or None
        Last known state of the job.
    results, errors : dict
        Results that were read, and errors of the results that were not read. For `Job.read`, the keys are those of its
        return value. For `Explorer.history`, the keys are pairs of job id and task id.
    """

    job: Any = None
    results: dict[Any, Any] = {}  # noqa: RUF012 (replaced, not mutated)
    errors: dict[Any, ExplorerFramesError] = {}  # noqa: RUF012

    def __reduce__(self) -> Any:
        try:
            pickle.dumps(self.job)
        except ExplorerFramesError:  # a secret that was passed as a str must not be pickled
            return type(self), (self.what,), {**self.__dict__, "job": None}
        return super().__reduce__()


class SyncError(ExplorerFramesError):
    """Error raised when a sync cannot export some results, or finds damaged files.

    Attributes
    ----------
    report : SyncReport
        The written, existing and failed results, including the errors.
    """

    report: Any = None


class DecodeError(ExplorerFramesError, ValueError):
    """Error raised when a successful response does not have the documented format."""


class EnvelopeError(DecodeError):
    """Error raised when a response is not the documented JSON envelope."""


class RowShapeError(DecodeError):
    """Error raised when a row does not have the expected number of cells.

    Attributes
    ----------
    row : int or None
        Index of the row, starting at 0.
    """

    row: int | None = None
    _may_be_text = False  # as in ColumnTypeError


class ColumnTypeError(DecodeError):
    """Error raised when a cell cannot be converted to the type of its column.

    Attributes
    ----------
    row : int or None
        Index of the row, starting at 0.
    column : str or None
        Name of the column.
    value : str or None
        Text of the cell, escaped and truncated to 80 characters.
    """

    row: int | None = None
    column: str | None = None
    value: str | None = None
    _may_be_text = False  # whether the columns may be read as text instead


class WriteError(ExplorerFramesError, OSError):
    """Error raised when a file cannot be written. An existing file is unchanged."""

    _hits_every_file = False  # whether writing any other file would also fail


class UnsupportedFormatError(WriteError, ValueError):
    """Error raised when a format name or file extension is not supported."""


class TargetExistsError(WriteError, FileExistsError):
    """Error raised when ``mode="create"`` is set and the file exists."""


class IncompleteResultError(ExplorerFramesError):
    """Error raised when a result may be incomplete, but a complete one is required."""


class FileReadError(ExplorerFramesError, OSError):
    """Error raised when a file cannot be read or has an unexpected format."""


class DamagedFileError(FileReadError):
    """Error raised when the content of a file has changed since it was written."""


class TruncatedResultWarning(UserWarning):
    """Warning emitted when a result may be incomplete.

    The server returned exactly `limit` rows or a round number of rows, or the task has not succeeded. See `row_cap` of
    `Explorer`.
    """


class UnencryptedWarning(UserWarning):
    """Warning emitted when credentials are sent over plain HTTP."""


class ConfigFileWarning(UserWarning):
    """Warning emitted when other users can read a config file with credentials."""


class SchemaWarning(UserWarning):
    """Warning emitted when the columns of a result may be wrong.

    The `schema` argument does not match the task's name, the name cannot be looked up, or all columns were read as
    text.
    """


class HistoryGapWarning(UserWarning):
    """Warning emitted when a history skips jobs without a result for the task."""
