"""Progress bars in terminals and notebooks.

A background thread draws the bar, so that the call does not wait for the terminal.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections import deque
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from datetime import timedelta
from html import escape
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO, TypeAlias, TypeVar
from unicodedata import east_asian_width

from explorer_frames._errors import as_given, plural
from explorer_frames._threads import run_alongside
from explorer_frames.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_T = TypeVar("_T")
Progress: TypeAlias = "bool | Callable[[Any], object] | None"

_VARIABLE = "EXPLORER_FRAMES_PROGRESS"
_WORDS: dict[str, bool | None] = {"": None, "0": False, "false": False, "no": False, "off": False}
_WORDS |= {"1": True, "true": True, "yes": True, "on": True}
_DELAY = 2.0  # seconds before a bar is shown
_PAUSE = 0.5  # seconds between updates
_WIDTH = 100  # maximum width of a line in columns
_LEAST = 6  # minimum width of a bar in columns; details are omitted first


class Done(NamedTuple):
    """Progress of a call."""

    label: str  # shown at any width of the terminal
    unit: str = ""  # in the singular; if empty, the numbers are not shown
    done: int = 0
    total: int | None = None


class Bar:
    """State of a progress bar, with thread-safe counters."""

    def __init__(self, state: Done, listener: Callable[[Any], object] | None = None) -> None:
        self.state = state
        self.is_drawn = self.has_ended = False
        self._listener = listener
        self._counts: deque[tuple[int, int]] = deque()  # not a lock, which could stay acquired after an interrupt
        self._rows = self._done = 0
        self._started = time.monotonic()

    def tell(self, state: Any, done: Done) -> None:
        """Show a state and pass it to the listener."""
        self.state = done
        if self._listener is not None:
            self._listener(state)

    def count(self, *, rows: int = 0, done: int = 0) -> None:
        """Add to the numbers of rows and finished items."""
        if self.is_drawn:
            self._counts.append((rows, done))

    def counted(self, items: Iterable[_T], unit: str, total: int) -> Iterator[_T]:
        """Yield the items, and count each one as finished."""
        self.state = Done(self.state.label, unit, 0, total)
        for item in items:
            self.state = self.state._replace(done=self.state.done + 1)
            yield item

    def details(self) -> tuple[str, int, int, list[str]]:
        """Return the label, the finished and total numbers, and the details."""
        while self._counts:
            more_rows, more_done = self._counts.popleft()
            self._rows += more_rows
            self._done += more_done
        label, unit, done, known_total = self.state
        total = known_total or 0
        texts = [f"{done:,}/{total:,} {plural(total, unit)}"] if unit and total else []
        texts += [f"{self._rows:,} {plural(self._rows, 'row')}"] if self._rows else []
        texts.append(str(timedelta(seconds=int(time.monotonic() - self._started))))
        return label, done + self._done, total, texts


_current: ContextVar[Bar | None] = ContextVar("bar", default=None)


def check_progress(progress: object) -> None:
    """Raise ConfigError unless the argument is True, False, None or a function."""
    if not (progress is None or isinstance(progress, bool) or callable(progress)):
        raise ConfigError(f"progress must be True, False, None or a function, got {as_given(progress)}")


def count(*, rows: int = 0, done: int = 0) -> None:
    """Add to the counters of the current bar, if any."""
    bar = _current.get()
    if bar is not None:
        bar.count(rows=rows, done=done)


@contextmanager
def progress_bar(progress: Progress, state: Done) -> Iterator[Bar]:
    """Show a progress bar while the block runs; a nested block uses the outer bar."""
    bar = Bar(state, progress if callable(progress) else None)
    if _current.get() is not None:
        yield bar
        return
    wanted = _from_environment() if progress is None else progress
    screen = _screen(wanted)
    try:
        _current.set(bar)
        with ExitStack() as stack:
            if screen is not None:
                bar.is_drawn = True
                stack.enter_context(run_alongside(lambda ended: _draw(bar, screen, ended, at_once=wanted is True)))
            yield bar
            bar.has_ended = True
    finally:
        _current.set(None)  # not `reset`, because the token could be lost after an interrupt


def _from_environment() -> bool | None:
    text = os.environ.get(_VARIABLE, "")
    try:
        return _WORDS[text.strip().lower()]
    except KeyError:
        what, hint = (
            f"{_VARIABLE} must be 0 or 1, got {as_given(text)}",
            "Set it to 0 to turn off progress bars, or unset it.",
        )
        raise ConfigError(what, hint=hint) from None


def _draw(bar: Bar, screen: _Terminal | _Notebook, ended: SimpleQueue[None], *, at_once: bool) -> None:
    """Draw a bar until the call ends; keep it only if the call failed."""
    is_shown, pause = at_once, 0.0 if at_once else _DELAY
    with suppress(Exception):  # errors of the display must not interrupt the call
        while not _comes(ended, pause):
            is_shown, pause = True, _PAUSE
            screen.show(bar)
        if is_shown:
            screen.show(bar)
            screen.end(is_kept=not bar.has_ended)
    bar.is_drawn = False


def _comes(ended: SimpleQueue[None], seconds: float) -> bool:
    with suppress(Empty):
        ended.get(timeout=seconds)
        return True
    return False


def _screen(wanted: Progress) -> _Terminal | _Notebook | None:
    """Return the display for a bar, or None if no bar is shown."""
    processes = sys.modules.get("multiprocessing.process")  # child processes always import it
    is_child = processes is not None and processes.parent_process() is not None
    is_program = is_child or threading.get_ident() != threading.main_thread().ident
    if wanted is not True and (wanted is not None or is_program):
        return None
    with suppress(Exception):  # sys.stderr may be closed or replaced
        if _is_notebook():
            return _Notebook()
        stream = sys.stderr
        if wanted or (stream.isatty() and os.environ.get("TERM") != "dumb"):
            return _Terminal(stream)
    return None


def _is_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


class _Terminal:
    """Last line of a terminal. The cursor stays at its start, so that ``^C`` is overwritten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._columns = 0

    def show(self, bar: Bar) -> None:
        columns = shutil.get_terminal_size().columns
        with suppress(OSError, ValueError):  # the stream is not a terminal
            columns = os.get_terminal_size(self._stream.fileno()).columns or columns
        self._columns = min(columns - 1, _WIDTH)  # a full line would wrap
        line = _line(bar, self._columns)
        print(f"\r{line}{' ' * (self._columns - _width(line))}\r", end="", file=self._stream, flush=True)

    def end(self, *, is_kept: bool) -> None:
        print("\n" if is_kept else f"{' ' * self._columns}\r", end="", file=self._stream, flush=True)


class _Notebook:
    """HTML output of a notebook cell."""

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, bar: Bar) -> None:
        label, done, total, texts = bar.details()
        style = "width: 20em; margin: 0 0.5em; vertical-align: middle"
        shown = f" <progress value='{done}' max='{total}' style='{style}'></progress>" if total else ":"
        html = f"<div>{escape(label)}{shown} {escape(', '.join(texts))}</div>"
        self._display({"text/html": html, "text/plain": _line(bar, 80)})

    def end(self, *, is_kept: bool) -> None:
        if not is_kept:
            self._display({"text/html": "", "text/plain": ""})

    def _display(self, bundle: dict[str, str]) -> None:
        from IPython.display import display  # noqa: PLC0415 (only in notebooks)

        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._handle.update(bundle, raw=True)


def _line(bar: Bar, columns: int) -> str:
    """Return the bar as text; omit details, then the bar, if they do not fit."""
    label, done, total, texts = bar.details()

    def room() -> int:
        return columns - _width(f"{label} || {', '.join(texts)}")

    while texts and room() < (_LEAST if total and texts[1:] else 0):
        texts.pop()
    shown = ":"
    if total and room() >= _LEAST:
        filled = room() * min(done, total) // total
        shown = f" |{'#' * filled:{room()}}|"
    line = f"{label}{shown} {', '.join(texts)}"
    while _width(line) > columns:
        line = line[:-1]
    return line


def _width(text: str) -> int:
    """Return the width of a text in terminal columns."""
    return sum(1 + (east_asian_width(letter) in "FW") for letter in text)
