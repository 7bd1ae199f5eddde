"""Recognizable secrets for tests, and the places where they could leak.

A test plants the `CANARIES`, and `found` searches a text for them, in any encoding. `told_by` lists the representations
of an object or an error. A `Watch` records the output of a process while a test runs.
"""

from __future__ import annotations

import base64
import copy
import dataclasses
import http.client
import io
import logging
import os
import pickle
import re
import traceback
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self
from unittest import mock

import cloudpickle

from explorer_frames._http.auth import bearer

if TYPE_CHECKING:
    from collections.abc import Iterator

USER = "root"
_DRIVERS = {"fsspec", "botocore", "aiobotocore"}  # SECURITY.md documents what these drivers log
_HERE = str(Path(__file__).parent)


@dataclass(frozen=True)
class Canary:
    """Secret to plant."""

    text: str  # complete secret, with characters that each encoding changes
    core: str  # its letters and digits, which only base64 and hex change

    @property
    def forms(self) -> set[str]:
        """Strings that reveal the secret: halves of its core, or its core in hex or base64."""
        half = len(self.core) // 2
        shifted = (base64.b64encode(b"\0" * shift + self.core.encode()).decode() for shift in range(3))
        return {self.core[:half], self.core[half:], self.core.encode().hex(), *(text[4:-4] for text in shifted)}


def _canary(before: str, core: str, behind: str) -> Canary:
    return Canary(before + core + behind, core)


_PASSWORD = _canary("p&s \"w'\\ö/:", "Kq7ZpAssw0rdXv92mLt4", "%é")
PASSWORD = _PASSWORD.text


def _bearer(encoding: Literal["json", "colon"]) -> Canary:
    text = bearer(USER, PASSWORD, encoding)
    return Canary(text, max(re.findall("[A-Za-z0-9]+", text[12:]), key=len))  # the user name at the start is not secret


CANARIES = {
    "password": _PASSWORD,
    "json bearer": _bearer("json"),
    "colon bearer": _bearer("colon"),
    "token": _canary("t.", "Hy3TokenQz81vNw5cRk2", "=~/+"),
    "storage key": _canary("k/", "Zs4Storage1Jw66pKey9", "+=&%2F"),
    "URL userinfo": _canary("u%40", "Bf8UserInf0Tm37xHd2q", "%3A"),
    "proxy userinfo": _canary("x%2F", "Vr5ProxyPa55Gn29dLbs", "%20"),
    "URL signature": _canary("s%2B", "Wm6SignatureYc48hJf1", "%3D"),
}
TOKEN = CANARIES["token"].text
STORAGE_KEY = CANARIES["storage key"].text
USERINFO = CANARIES["URL userinfo"].text
PROXY_USERINFO = CANARIES["proxy userinfo"].text
SIGNATURE = CANARIES["URL signature"].text
_FORMS = {name: [form.lower() for form in canary.forms] for name, canary in CANARIES.items()}


def found(text: str | bytes) -> list[str]:
    """Return the names of the canaries in a text."""
    lower = (text.decode("latin-1") if isinstance(text, bytes) else text).lower()
    return [name for name, forms in _FORMS.items() if any(form in lower for form in forms)]


# --- objects and errors


def told_by(thing: Any) -> Iterator[tuple[str, str | bytes]]:
    """Yield the name and the content of each representation of an object."""
    yield "repr", repr(thing)
    yield "str", str(thing)
    yield "format", f"{thing}"
    yield "vars", repr(getattr(thing, "__dict__", [getattr(thing, name, "") for name in _slots(thing)]))
    if dataclasses.is_dataclass(thing):
        yield "fields", repr([getattr(thing, field.name) for field in dataclasses.fields(thing)])
    if hasattr(thing, "_repr_html_"):
        yield "_repr_html_", thing._repr_html_()
    for name, carry in _CARRIES.items():
        try:
            yield name, carry(thing)
        except Exception as refusal:  # noqa: BLE001 (a refusal is fine, and its message is checked)
            yield name, f"{refusal!r} {refusal} {refusal.__context__!r}"


def _slots(thing: Any) -> list[str]:
    return [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]


def _copied(twin: Any) -> str:
    return f"{twin!r} {getattr(twin, '__dict__', '')}"


_CARRIES = {
    "pickle": pickle.dumps,
    "cloudpickle": cloudpickle.dumps,
    "copy": lambda thing: _copied(copy.copy(thing)),
    "deepcopy": lambda thing: _copied(copy.deepcopy(thing)),
}


def told_by_error(error: BaseException, name: str = "error") -> Iterator[tuple[str, str | bytes]]:
    """Yield the representations of an error and of related errors, and their local variables."""
    for place, one in _family(error, name, set()):
        for sink, text in told_by(one):
            yield f"{place} {sink}", text
        yield f"{place} args", repr(one.args)
        yield f"{place} notes", repr(getattr(one, "__notes__", []))
        for frame in traceback.StackSummary.extract(traceback.walk_tb(one.__traceback__), capture_locals=True):
            if not frame.filename.startswith(_HERE):
                yield f"{place} locals", f"{frame.filename}:{frame.lineno} {frame.name} {frame.locals}"
    yield "traceback", "".join(traceback.format_exception(error))


def _family(error: BaseException, name: str, seen: set[int]) -> Iterator[tuple[str, BaseException]]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield name, error
    report = getattr(error, "report", None)
    kin = [("cause", error.__cause__), ("context", error.__context__)]
    kin += [("part", part) for part in getattr(error, "exceptions", ())]
    kin += [("part", part) for part in getattr(error, "errors", {}).values()]
    kin += [("part", failure.error) for failure in getattr(report, "failed", ())]
    for kind, one in kin:
        if one is not None:
            yield from _family(one, kind, seen)


# --- processes


class Watch:
    """Record what a block of code writes: debug logs, output, warnings and files.

    The files are those in `folders` at the end, and all files that the block deleted.
    """

    def __init__(self, *folders: Path) -> None:
        self._folders = folders
        self._stack = ExitStack()
        self._records: list[logging.LogRecord] = []
        self._output = {"stdout": io.StringIO(), "stderr": io.StringIO()}
        self._removed: list[tuple[str, bytes]] = []
        self._commands: list[str] = []

    def __enter__(self) -> Self:
        enter = self._stack.enter_context
        self._warnings = enter(warnings.catch_warnings(record=True))
        warnings.simplefilter("always")
        enter(redirect_stdout(self._output["stdout"]))
        enter(redirect_stderr(self._output["stderr"]))
        enter(mock.patch.object(http.client.HTTPConnection, "debuglevel", 1))
        enter(mock.patch.object(os, "unlink", self._unlink))
        handler = logging.Handler(logging.DEBUG)
        handler.emit = self._records.append  # type: ignore[method-assign]
        named = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict)]
        # Levels are set as attributes, because `setLevel` clears the caches of all loggers each time.
        self._stack.callback(logging.root.setLevel, logging.root.level)
        for logger in named:
            self._stack.callback(setattr, logger, "level", logger.level)
            logger.level = logging.NOTSET
        logging.root.setLevel(logging.DEBUG)
        for logger in (logging.root, *named):
            if logger is logging.root or not logger.propagate:
                logger.addHandler(handler)
                self._stack.callback(logger.removeHandler, handler)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._commands = [_read(process / "cmdline").decode("latin-1") for process in _own_processes()]
        self._stack.close()

    def _unlink(self, path: Any, *, dir_fd: int | None = None, _unlink: Any = os.unlink) -> None:
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY, dir_fd=dir_fd)
            with open(handle, "rb") as file:  # noqa: PTH123
                self._removed.append((str(path), file.read()))
        _unlink(path, dir_fd=dir_fd)

    def told(self) -> Iterator[tuple[str, str | bytes]]:
        """Yield the name of each channel and what was written to it."""
        for record in self._records:
            if record.name.partition(".")[0] in _DRIVERS:
                continue
            yield "log message", f"{record.name}: {record.getMessage()}"
            yield "log record", repr(vars(record))
            if record.exc_info and record.exc_info[1]:
                yield "log traceback", "".join(traceback.format_exception(record.exc_info[1]))
        for name, output in self._output.items():
            yield name, output.getvalue()
        for warning in self._warnings:
            yield "warning", f"{warning.message!r} {warning.message} {vars(warning)}"
        yield "process list", "\n".join(self._commands)
        for path, content in self._removed:
            yield "temporary file", f"{path}\n".encode() + content
        for path in (path for folder in self._folders for path in folder.rglob("*") if path.is_file()):
            yield "file", f"{path}\n".encode() + _read(path)


def _own_processes() -> list[Path]:
    """Return the /proc folders of this process and its descendants."""
    # The process name is in parentheses and may contain spaces. The parent is the second field after it.
    status = {
        int(path.parent.name): _read(path).rpartition(b")")[2].split() for path in Path("/proc").glob("[0-9]*/stat")
    }
    own, parents = {os.getpid()}, {process: int(fields[1]) for process, fields in status.items() if fields}
    while found := {process for process, parent in parents.items() if parent in own} - own:
        own |= found
    return [Path(f"/proc/{process}") for process in own]


def _read(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""
