"""What can go wrong, as one tree: a class exists only where a caller would act differently.

::

    ExplorerFramesError(Exception)          .what .where .hint
    ├─ ConfigError(ValueError)              refused before any I/O
    ├─ TransportError                       no usable answer came
    │  ├─ ConnectionFailedError(ConnectionError)
    │  ├─ RequestTimeoutError(TimeoutError)
    │  └─ TruncatedBodyError                the answer broke off
    ├─ ApiError                             the server returned an error: .code .http_status .server_message .trace_id
    │  ├─ BadRequestError
    │  ├─ UnauthorizedError
    │  │  └─ SessionExpiredError            logging in again may help
    │  ├─ ForbiddenError
    │  ├─ NotFoundError
    │  ├─ ServerError
    │  └─ LicenseError                      never worth a retry
    ├─ UnsafeToRetryError                   it may have been accepted: look before it is sent again
    ├─ DecodeError(ValueError)              it said yes, but not in the agreed shape
    │  ├─ EnvelopeError
    │  ├─ RowShapeError                     .row
    │  └─ ColumnTypeError                   .row .column .value
    ├─ JobError                             failed, interrupted, or not ended in time: .job .results .errors
    ├─ SyncError                            some results could not be exported: .report
    ├─ WriteError(OSError)                  the target still holds what it held before
    │  ├─ UnsupportedFormatError(ValueError)
    │  └─ TargetExistsError(FileExistsError)
    ├─ IncompleteResultError                all rows are needed; the result may be incomplete
    └─ FileReadError(OSError)               a file could not be read, or is not what it should be
       └─ DamagedFileError                  it is not as it was written: not to be used
    TruncatedResultWarning(UserWarning)
    UnencryptedWarning(UserWarning)
    ConfigFileWarning(UserWarning)
    SchemaWarning(UserWarning)
    HistoryGapWarning(UserWarning)

Every error says what happened, where, and what to do next; none carries a password, a token or a request, and all
of them pickle, so that they cross process pools whole.
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
    """Root of everything this library raises.

    Parameters
    ----------
    what
        What happened, in one line.
    where
        Job and task, URL, row: filled in by the layer that knows it.
    hint
        What to do next, with arguments as ``limit=None`` or ``schema=``, which the command line replaces with its
        options. The command line shows only the first line; advice only for Python goes on a second one.
    **details
        Set as attributes; each class names the ones it has.
    """

    what: str
    where: str | None = None
    hint: str | None = None

    def __init__(self, what: str = "", *, where: str | None = None, hint: str | None = None, **details: Any) -> None:
        # Only `what` goes into `args`: pickle calls `cls(what)` and then restores __dict__, keywords and all.
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
        """Return what IPython shows: the user's frames, as with ``%xmode Plain``."""
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
        # By pickle's way, which is copy's own, a copy shares this `__dict__` once tblib has registered its reducer.
        twin = type(self)(self.what)
        twin.__dict__.update(self.__dict__)
        if hasattr(self, "__notes__"):
            twin.__notes__ = list(self.__notes__)
        return twin


class ConfigError(ExplorerFramesError, ValueError):
    """An argument or a setting that cannot work; raised before any I/O."""


class TransportError(ExplorerFramesError):
    """No usable answer came: network, proxy, TLS, redirect or a limit on time or size.

    Attributes
    ----------
    http_status : int or None
    final : bool
        Whether a retry is known not to help.
    unsent : bool
        Whether no byte of the request can have reached the server.
    """

    http_status: int | None = None
    final: bool = False
    unsent: bool = False


class ConnectionFailedError(TransportError, ConnectionError):
    """The server could not be reached, or hung up before it answered."""


class RequestTimeoutError(TransportError, TimeoutError):
    """A time limit of ours ended the call."""


class TruncatedBodyError(TransportError):
    """The answer began and broke off."""


class ApiError(ExplorerFramesError):
    """The server returned an error.

    Attributes
    ----------
    code : int or None
        The envelope's own code, such as 40404000.
    http_status : int or None
    server_message : str or None
        At most 200 characters of the server's words, escaped.
    trace_id : str or None
        The ``Traceparent`` of the answer: the vendor's support can search for it.
    retry_after : float or None
        Seconds to wait, from the ``Retry-After`` header.
    """

    code: int | None = None
    http_status: int | None = None
    server_message: str | None = None
    trace_id: str | None = None
    retry_after: float | None = None


class BadRequestError(ApiError):
    """The server rejects what was asked for (4000x)."""


class UnauthorizedError(ApiError):
    """The server does not accept who we are (4010x)."""


class SessionExpiredError(UnauthorizedError):
    """The login session ended; a new login may help (40104001)."""


class ForbiddenError(ApiError):
    """The server knows us and denies it (4030x)."""


class NotFoundError(ApiError):
    """The server has no such job, task or workflow (4040x)."""


class ServerError(ApiError):
    """The server failed (5xxxx, 9xxxx)."""


class LicenseError(ApiError):
    """The server's license does not allow it; a retry never helps (50004003)."""


class UnsafeToRetryError(ExplorerFramesError):
    """What must not happen twice may have happened: look first, then decide.

    It is no ApiError, since the server did not say no; nor a TransportError, since it may have said something.
    """

    code: int | None = None
    http_status: int | None = None


class JobError(ExplorerFramesError):
    """A job or a task of it that failed, was interrupted, or outlasted the wait.

    Attributes
    ----------
    job : Job or None
        As it stood at last.
    results, errors : dict
        Where several results were read: those that could be read, and the errors of the others. The keys are those of
        `Job.read`, or of a history (job id, task id).
    """

    job: Any = None
    results: dict[Any, Any] = {}  # noqa: RUF012 (a default that is replaced, never changed)
    errors: dict[Any, ExplorerFramesError] = {}  # noqa: RUF012

    def __reduce__(self) -> Any:
        try:
            pickle.dumps(self.job)
        except ExplorerFramesError:  # its Explorer holds a secret given as text, which stays in this process
            return type(self), (self.what,), {**self.__dict__, "job": None}
        return super().__reduce__()


class SyncError(ExplorerFramesError):
    """Some results of a workflow could not be exported to the lake, or are damaged there.

    Attributes
    ----------
    report : SyncReport
        The results that were written, that existed, and that failed, with their errors.
    """

    report: Any = None


class DecodeError(ExplorerFramesError, ValueError):
    """A successful answer that is not in the agreed shape."""


class EnvelopeError(DecodeError):
    """Not the JSON envelope that the API promises."""


class RowShapeError(DecodeError):
    """A row that is not a list of the right number of cells."""

    row: int | None = None
    _may_be_text = False  # as of ColumnTypeError


class ColumnTypeError(DecodeError):
    """A cell that does not fit its column's type."""

    row: int | None = None
    column: str | None = None
    value: str | None = None
    _may_be_text = False  # whether nothing but the number of columns decided on the type


class WriteError(ExplorerFramesError, OSError):
    """The file was not published; what stood at the target is still there."""

    _hits_every_file = False  # whether writing any other file would fail too


class UnsupportedFormatError(WriteError, ValueError):
    """No format of ours goes with that name or suffix."""


class TargetExistsError(WriteError, FileExistsError):
    """``mode="create"`` met an existing target."""


class IncompleteResultError(ExplorerFramesError):
    """The operation needs all rows of a result, and the result may be incomplete."""


class FileReadError(ExplorerFramesError, OSError):
    """A file could not be read, or is not what it should be."""


class DamagedFileError(FileReadError):
    """A file is not as it was written: its rows are not to be used."""


class TruncatedResultWarning(UserWarning):
    """The result may be incomplete.

    The server returned exactly `limit` rows, or a round number of rows that may be its cap, or the task's status is
    not success.
    """


class UnencryptedWarning(UserWarning):
    """Password and token go over a network by plain http."""


class ConfigFileWarning(UserWarning):
    """Other users of this machine can read the config file, which has a token or a password in it."""


class SchemaWarning(UserWarning):
    """The columns of a result may not be those of its algorithm.

    The caller passed an algorithm that the task's name contradicts; the task's name could not be looked up; or a cell
    does not fit the columns by number, so that all columns are text.
    """


class HistoryGapWarning(UserWarning):
    """Jobs of a workflow are missing from its history: they have no such task, or it did not end well."""
