"""Run a driver's coroutines in its event loop from other threads."""

from __future__ import annotations

import asyncio
from concurrent.futures import wait
from typing import TYPE_CHECKING, Any

from explorer_frames._signals import suppressed
from explorer_frames._threads import POLL_INTERVAL, raise_if_stopped

if TYPE_CHECKING:
    import threading
    from collections.abc import Coroutine

_CANCEL = 10  # seconds to wait for a cancelled coroutine to end


def finish(loop: Any, work: Coroutine[Any, Any, Any], stop: threading.Event | None = None, patience: float = 0) -> Any:
    """Run a driver's coroutine in its event loop and cancel it on an interrupt."""
    tasks: list[Any] = []

    async def run() -> Any:
        tasks.append(asyncio.current_task())
        return await work

    async def end() -> None:  # the loop runs `end` after `run` has started
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        future = asyncio.run_coroutine_threadsafe(run(), loop)
        while True:
            if future.done():
                return future.result()
            raise_if_stopped()
            wait([future], POLL_INTERVAL)  # on Windows, a signal does not end a wait without a timeout
    except BaseException:
        # fsspec's own `sync` does not cancel an upload, which could then replace the target long after Ctrl-C.
        if stop:
            stop.set()
        with suppressed(Exception):
            asyncio.run_coroutine_threadsafe(end(), loop).result(_CANCEL + patience)
        raise
