"""How a command ends: its exit code, and its errors in two lines, what happened and what to do."""

from __future__ import annotations

import functools
import re
import shlex
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import typer

from explorer_frames import errors
from explorer_frames._extras import extra_of, install_hint
from explorer_frames.cli._out import OutputError, error_line, flush, hint_line


class Code(NamedTuple):
    """An exit code, what it says, and the errors that end with it."""

    number: int
    meaning: str
    errors: tuple[type[Exception], ...] = ()


OK = Code(0, "all went well")
FAILED = Code(1, "an error, or doctor found a problem", (errors.ExplorerFramesError,))
USAGE = Code(2, "the command line or the environment cannot work", (errors.ConfigError, errors.UnsupportedFormatError))
INCOMPLETE = Code(3, "the rows may not be all there are", (errors.IncompleteResultError,))
JOB_FAILED = Code(4, "the job failed, was interrupted, or did not end in time", (errors.JobError,))
PARTLY = Code(5, "some results of a sync could not be exported, or are damaged", (errors.SyncError,))
DAMAGED = Code(6, "the file is not as it was written", (errors.DamagedFileError,))
CHANGED = Code(7, "compare --exit-code found a change")
INTERRUPTED = Code(130, "Ctrl-C", (KeyboardInterrupt,))  # type: ignore[arg-type]  # no Exception, but what ends so
NO_READER = Code(141, "the reader of the output has gone, as in `| head`", (BrokenPipeError,))
# The one place where they stand: the help is made from it.
CODES = (OK, FAILED, USAGE, INCOMPLETE, JOB_FAILED, PARTLY, DAMAGED, CHANGED, INTERRUPTED, NO_READER)

_ENDS = (typer.Exit, typer.Abort, typer.BadParameter)


def code_of(error: BaseException) -> int:
    """Find the exit code of an error: that of its nearest class."""
    numbers = {cls: code.number for code in CODES for cls in code.errors}
    return next((numbers[cls] for cls in type(error).__mro__ if cls in numbers), FAILED.number)


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Make errors of a command what a person can read, and an exit code."""

    @functools.wraps(command)
    def ends_well(ctx: typer.Context, *args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            # It would come with each command: doctor says it.
            warnings.simplefilter("ignore", errors.UnencryptedWarning)
            warnings.showwarning = tell_warning  # type: ignore[assignment]  # takes fewer of its arguments
            try:
                try:
                    command(ctx, *args, **kwargs)
                except _ENDS:
                    flush()  # before it ends: what is lost is an error, whatever the command found
                    raise
                flush()
            except _ENDS:
                raise
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (drivers and bugs raise what they like)
                with suppress(OutputError, BrokenPipeError):
                    flush()
                if ctx.obj.debug:
                    traceback.print_exc()
                tell(error, ctx)
                raise typer.Exit(code_of(error)) from None

    return ends_well


def tell(error: BaseException, ctx: typer.Context | None = None) -> None:
    """Say on stderr what happened, and what to do in the command of `ctx`."""
    what, hint = _words(error)
    if what:
        error_line(what)
    if hint:
        hint_line(hint if ctx is None else _with_commands(hint, ctx))


def _with_commands(hint: str, ctx: typer.Context) -> str:
    """Add which commands have the options that this one does not have."""
    group: Any = ctx.find_root().command
    options = {
        name: {option for one in command.params for option in one.opts} for name, command in group.commands.items()
    }
    known = options.get(ctx.command.name or "", set()) | {option for one in group.params for option in one.opts}
    for option in dict.fromkeys(re.findall(r"--[a-z][a-z-]+", hint)):
        names = [f"explorer-frames {name}" for name, its in options.items() if option in its and option not in known]
        if names:
            hint += f" {option} is an option of {' and '.join(names)}."
    return hint


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, errors.ExplorerFramesError):
        where = f" [{error.where}]" if error.where else ""
        return f"{error.what}{where}", for_command_line(error.hint or "")
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", str(error)
    if isinstance(error, BrokenPipeError):
        return "", ""
    if isinstance(error, ModuleNotFoundError):
        extra = extra_of(error.name)
        return f"this command needs the package {error.name}", install_hint(extra) if extra else ""
    if isinstance(error, OutputError):
        return f"cannot write the output: {error}", "See that it leads somewhere, and that there is room."
    # Its words are shown only to who asks: they may hold anything.
    return f"this is a bug: {type(error).__name__}", "Run it again with --debug, and report what it says."


def tell_warning(message: Warning | str, *_where: Any) -> None:
    """Say on stderr what is to be known, and what to do."""
    what, _, hint = str(message).partition("]. ")
    error_line(f"{what}]" if hint else what, word="Warning", style="bold yellow")
    if hint:
        hint_line(for_command_line(hint))


_OPTIONS = (
    *("auth_encoding", "component", "compression", "deadline", "format", "limit", "mode", "folder", "quoting"),
    *("schema", "server_name", "task", "url", "vid_type"),
)
# What hints of the library name, and its name on the command line; the longer of two comes first.
_TERMS = {
    "a pyarrow.Schema": "--schema NAME:TYPE,NAME:TYPE",
    "allow_incomplete=True": "--allow-incomplete",
    "allow_unrelated=True": "--allow-unrelated",
    "ca_bundle=": "REQUESTS_CA_BUNDLE",
    "make_parents=True": "--make-parents",
    "job.tasks": "explorer-frames show JOB",
    "limit=None": "--limit all",
    "list_jobs": "explorer-frames jobs --workflow-id",
    "read_output": "explorer-frames output",
    "Task.read_output": "explorer-frames output",
    "row_cap=": "EXPLORER_FRAMES_ROW_CAP",
    'schema=pa.schema([("cells", pa.list_(pa.string()))])': "--schema 'cells:list<string>'",
    "storage_options=": "--storage-option",
    **{f"{name}=": f"--{name.replace('_', '-')}" for name in _OPTIONS},
}
_TERM = re.compile(rf"""(?<![\w.])({"|".join(map(re.escape, _TERMS))})(\('[^']*'\)|'[^']*'|"[^"]*"|\w*)""")


def for_command_line(hint: str) -> str:
    """Name options instead of arguments in the first line of a hint; further lines are for Python only.

    Examples
    --------
    >>> for_command_line('Pass another name, or mode="overwrite" to replace it.')
    'Pass another name, or --mode overwrite to replace it.'
    """
    return _TERM.sub(_as_option, hint.partition("\n")[0])


def _as_option(found: re.Match[str]) -> str:
    term, value = _TERMS[found[1]], found[2].strip("()\"'")
    return f"{term} {shlex.quote(value)}" if value else term
