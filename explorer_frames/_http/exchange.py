"""One request and its response, in a thread of its own, so that the caller can leave at any moment.

Signal handlers run in the main thread, also in the middle of `requests`: their exceptions would be retried like those
of the network, or swallowed. Here the caller only waits, and watches the deadline. So a deadline also covers name
resolution and TLS handshakes, and the traceback of an interrupt contains no frame with a secret.
"""

from __future__ import annotations

import contextvars
import socket
import traceback
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from explorer_frames._threads import LOOK, raise_if_stopped, start_thread
from explorer_frames.errors import RequestTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from explorer_frames._http.sessions import Deadline

_T = TypeVar("_T")
_PATIENCE = 5  # times LOOK: how long a thread may take to end when its connection was shut down


class _Raised(NamedTuple):
    error: BaseException


class Exchange:
    """The calls that send one request and read its response: one at a time, in order.

    Parameters
    ----------
    deadline
        Of the whole call.
    timeout
        Seconds for one read from the socket.
    where
        How errors name the request.

    Attributes
    ----------
    on_abandon
        Called in the thread when it ends although the caller has left.
    """

    def __init__(self, deadline: Deadline, timeout: float, where: str) -> None:
        self.deadline = deadline
        self.timeout = timeout
        self.on_abandon: Callable[[], object] | None = None
        self._where = where
        self._cancelled = False
        self._connected = False
        self._socket: socket.socket | None = None
        self._pending = 0
        self._calls: SimpleQueue[Callable[[], Any] | None] = SimpleQueue()
        self._results: SimpleQueue[Any] = SimpleQueue()
        self._context = contextvars.copy_context()
        self._context.run(current.set, self)
        self._started = False
        self._inline = False

    # --- for the caller

    def submit(self, call: Callable[[], Any]) -> None:
        """Queue a call."""
        if not self._started:
            self._started = True
            self._inline = not start_thread(self._context.run, self._work)
        self._pending += 1
        if self._inline:
            self._context.run(self._run, call)
        else:
            self._calls.put(call)

    def result(self) -> Any:
        """Wait for the result of the next call.

        Raises
        ------
        RequestTimeoutError
            The deadline has passed.
        Exception
            What the call raised.
        """
        while True:
            raise_if_stopped()
            remaining = self.deadline.remaining()
            if remaining <= 0 and self._results.empty():
                raise self._timed_out()
            with suppress(Empty):
                result = self._results.get(timeout=max(0.0, min(LOOK, remaining)))
                break
        self._pending -= 1
        if isinstance(result, _Raised):
            try:
                raise result.error
            finally:
                del result  # this frame is in its traceback
        return result

    def call(self, call: Callable[[], _T]) -> _T:
        """Make one call, and wait for its result."""
        self.submit(call)
        result: _T = self.result()
        return result

    def _timed_out(self) -> RequestTimeoutError:
        self.cancel()
        return RequestTimeoutError(
            f"the total deadline of {self.deadline.seconds:g} s ended the call",
            where=self._where,
            hint="Pass a longer deadline=.",
            final=True,
            unsent=not self._connected,
        )

    def is_idle(self) -> bool:
        """Whether every call has ended and its result was taken."""
        return not self._pending

    def cancel(self) -> None:
        """Shut the connection down, which ends the call under way."""
        self._cancelled = True
        self._shut_down()

    def end(self) -> None:
        """End the thread. Calls under way are cancelled."""
        if self._pending:
            self.cancel()
        self._calls.put(None)
        # Wait, so that few calls outlive their caller; not long, for a name resolution cannot be cancelled.
        for _ in range(_PATIENCE if self._pending and not self._inline else 0):
            with suppress(Empty):
                while self._results.get(timeout=LOOK) is not None:
                    pass
                return

    # --- for the connection, in the thread

    def watch(self, sock: socket.socket, *, connected: bool = False) -> None:
        """Have this socket shut down when the exchange is cancelled.

        Raises
        ------
        TimeoutError
            It has been cancelled.
        """
        self._socket = sock
        self._connected |= connected
        if self._cancelled:
            self._shut_down()
            raise TimeoutError

    def _shut_down(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Not by the method of an SSLSocket, which would first take its state away from the thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            self._run(call)
        if self._pending and self.on_abandon:
            with suppress(Exception):
                self.on_abandon()
        self._results.put(None)

    def _run(self, call: Callable[[], Any]) -> None:
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 (raised in the thread that waits)
            traceback.clear_frames(error.__traceback__)  # they hold the token
            result = _Raised(error)
        self._results.put(result)


current: contextvars.ContextVar[Exchange] = contextvars.ContextVar("current")
