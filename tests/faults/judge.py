"""Judge the results, the errors and the leaks of a call."""

from __future__ import annotations

import logging
import math
import pickle
import reprlib
import struct
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from faults.records import ANYTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from faults.records import Fault, Rows

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxdict, _repr.maxlist, _repr.maxtuple, _repr.maxstring, _repr.maxother = (
    6,
    50,
    50,
    50,
    5000,
    5000,
)


def verdict(fault: Fault, got: object) -> str:
    """Compare the value of a call, or None for an error, with the valid outcomes."""
    if _is(got, fault.rows):
        return "right"
    if any(_is(got, rows) for rows in fault.also):
        return "by right"
    return "refused" if got is None else "wrong"


def _is(got: object, rows: Any) -> bool:
    if rows is ANYTHING:
        return True
    if got is None or rows is None:
        return got is None and rows is None
    return same(got, rows) if isinstance(got, pd.DataFrame) else got == rows


def same(frame: object, rows: Rows) -> bool:
    """Return whether a frame has a text and a double column with exactly these rows."""
    if not isinstance(frame, pd.DataFrame) or frame.shape != (len(rows), 2):
        return False
    ids, scores = frame.iloc[:, 0], frame.iloc[:, 1]
    if str(scores.dtype).lower() not in ("float64", "double[pyarrow]"):
        return False
    if not (pd.api.types.is_object_dtype(ids.dtype) or pd.api.types.is_string_dtype(ids.dtype)):
        return False
    return all(
        _same_text(one, text) and _same_number(two, number)
        for one, two, (text, number) in zip(ids, scores, rows, strict=True)
    )


def _same_text(got: object, text: str | None) -> bool:
    if text is None:
        return got is None or got is pd.NA or (isinstance(got, float) and math.isnan(got))
    return isinstance(got, str) and got == text


def _same_number(got: object, number: float | None) -> bool:
    if got is pd.NA or got is None:
        return number is None
    if number is None or math.isnan(number):
        return math.isnan(got)
    return struct.pack("d", got) == struct.pack("d", number)


def told(error: BaseException, documented: tuple[type[BaseException], ...], advice: Callable | None) -> bool:
    """Return whether an error is documented and has a message and, if promised, advice."""
    return isinstance(error, documented) and bool(str(error)) and (advice is None or bool(advice(error)))


@contextmanager
def logs() -> Iterator[list[str]]:
    """Collect all log messages at level DEBUG, and warnings."""
    lines: list[str] = []

    class Sink(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    root, sink = logging.getLogger(), Sink()
    before = root.level
    root.addHandler(sink)
    root.setLevel(logging.DEBUG)
    logging.captureWarnings(capture=True)
    try:
        yield lines
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(sink)
        root.setLevel(before)


def leaks(error: BaseException, token: str, callers: Collection[Path]) -> list[str]:
    """Return where an error reveals the token; the local variables of `callers` are ignored."""
    found = set()
    for each in _chain(error):
        sinks = {
            "text": lambda each=each: str(each) + repr(each) + repr(each.args),
            "notes": lambda each=each: repr(getattr(each, "__notes__", "")),
            "attributes": lambda each=each: _repr.repr(vars(each)),
            "pickle": lambda each=each: pickle.dumps(each).decode("latin-1"),
            "request": lambda each=each: _repr.repr(dict(getattr(getattr(each, "request", None), "headers", {}))),
            "traceback": lambda each=each: "".join(traceback.format_exception(type(each), each, None, chain=False)),
            "locals": lambda each=each: _locals(each, callers),
        }
        found |= {name for name, sink in sinks.items() if token in _quietly(sink)}
    return sorted(found)


def _quietly(sink: Callable[[], str]) -> str:
    try:
        return sink()
    except Exception:  # noqa: BLE001 (an error that cannot be shown reveals nothing)
        return ""


def _locals(error: BaseException, callers: Collection[Path]) -> str:
    """Return the local variables of a traceback, without those of the callers."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    files = [Path(frame.f_code.co_filename) for frame in frames]
    strange = [f for f, file in zip(frames, files, strict=True) if not {file, *file.parents} & set(callers)]
    return "".join(_repr.repr(value) for frame in strange for value in list(frame.f_locals.values()))


def _chain(error: BaseException) -> Iterator[BaseException]:
    todo, seen = [error], set()
    while todo:
        each = todo.pop()
        if id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += [other for other in (each.__cause__, each.__context__) if other is not None]
