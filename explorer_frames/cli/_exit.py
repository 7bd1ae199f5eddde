"""Print errors and warnings, and define exit codes."""

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
from explorer_frames.cli._out import OutputError, error_line, flush, hint_line, json_line, messages


class Code(NamedTuple):
    """Exit code, its meaning, and the exceptions that cause it."""

    number: int
    meaning: str
    errors: tuple[type[Exception], ...] = ()


OK = Code(0, "success")
FAILED = Code(1, "an error occurred, or doctor found a problem", (errors.ExplorerFramesError,))
USAGE = Code(2, "invalid options or settings", (errors.ConfigError, errors.UnsupportedFormatError))
INCOMPLETE = Code(3, "a result may be incomplete", (errors.IncompleteResultError,))
JOB_FAILED = Code(4, "the job failed, was interrupted, or did not end within the timeout", (errors.JobError,))
PARTLY = Code(5, "a sync failed to export some results, or found damaged files", (errors.SyncError,))
DAMAGED = Code(6, "the file is damaged or was modified", (errors.DamagedFileError,))
CHANGED = Code(7, "compare --exit-code found a difference")
INTERRUPTED = Code(130, "interrupted by Ctrl-C", (KeyboardInterrupt,))  # type: ignore[arg-type]  # not an Exception
NO_READER = Code(141, "the output pipe was closed, for example by `| head`", (BrokenPipeError,))
# The help lists these codes.
CODES = (OK, FAILED, USAGE, INCOMPLETE, JOB_FAILED, PARTLY, DAMAGED, CHANGED, INTERRUPTED, NO_READER)

_ENDS = (typer.Exit, typer.Abort, typer.BadParameter)


def code_of(error: BaseException) -> int:
    """Return the exit code for an error, based on the closest class in its MRO."""
    numbers = {cls: code.number for code in CODES for cls in code.errors}
    return next((numbers[cls] for cls in type(error).__mro__ if cls in numbers), FAILED.number)


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command to print errors and exit with the matching code."""

    @functools.wraps(command)
    def ends_well(ctx: typer.Context, *args: Any, **kwargs: Any) -> None:
        with warnings.catch_warnings():
            # `doctor` reports unencrypted connections, so the other commands do not print this warning.
            warnings.simplefilter("ignore", errors.UnencryptedWarning)
            warnings.showwarning = tell_warning  # type: ignore[assignment]  # the parameters differ
            try:
                try:
                    command(ctx, *args, **kwargs)
                except _ENDS:
                    flush()  # a failed write is reported instead of the command's exit code
                    raise
                flush()
            except _ENDS:
                raise
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (storage drivers can raise any exception)
                with suppress(OutputError, BrokenPipeError):
                    flush()
                if ctx.obj.debug:
                    traceback.print_exc()
                tell(error, ctx)
                raise typer.Exit(code_of(error)) from None

    return ends_well


def tell(error: BaseException, ctx: typer.Context | None = None) -> None:
    """Print an error and its hint to stderr."""
    what, where, hint = _words(error)
    if not what:
        return
    hints = [hint if ctx is None else _with_commands(hint, ctx), *_notes(error)]
    _tell(type(error).__name__, what, where, hints, code_of(error), _attributes(error))


def tell_usage(error: Any) -> None:
    """Print a usage error to stderr."""
    command = error.ctx.command_path if error.ctx else "explorer-frames"
    what = error.format_message().replace("Value error, ", "")  # prefix in newer versions of typer
    _tell("UsageError", what, None, [f"See {command} --help."], USAGE.number, {})


def _tell(
    name: str, what: str, where: str | None, hints: list[str], exit_code: int, attributes: dict[str, Any]
) -> None:
    hints = list(filter(None, hints))
    if messages.as_json:
        document = {"class": name, "message": what, "where": where, "hint": " ".join(hints) or None}
        json_line("error", {**document, "exit_code": exit_code, "attributes": attributes})
        return
    error_line(f"{what} [{where}]" if where else what)
    for text in hints:
        hint_line(text)


def _attributes(error: BaseException) -> dict[str, Any]:
    """Return the public attributes of an error that are numbers, strings or None."""
    declared = [cls for cls in type(error).__mro__ if issubclass(cls, errors.ExplorerFramesError)]
    names = {name for cls in declared[:-1] for name in vars(cls) if not name.startswith("_")}
    values = {name: getattr(error, name) for name in sorted(names)}
    return {name: value for name, value in values.items() if value is None or isinstance(value, int | float | str)}


def _with_commands(hint: str, ctx: typer.Context) -> str:
    """Add the names of other commands that support the options in a hint."""
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


def _words(error: BaseException) -> tuple[str, str | None, str]:
    """Return the message, the location and the hint of an error."""
    if isinstance(error, errors.ExplorerFramesError):
        return error.what, error.where, for_command_line(error.hint or "")
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", None, ""
    if isinstance(error, BrokenPipeError):
        return "", None, ""
    if isinstance(error, ModuleNotFoundError):
        extra = extra_of(error.name)
        return f"this command requires the package {error.name}", None, install_hint(extra) if extra else ""
    if isinstance(error, OutputError):
        return (
            f"cannot write the output: {error}",
            None,
            "Check that stdout has not been closed and that the disk is not full.",
        )
    # The message can contain secrets, so it is shown only with --debug.
    return (
        f"internal error: {type(error).__name__}",
        None,
        "Run the command again with --debug, and include the output in a bug report.",
    )


def _notes(error: BaseException) -> list[str]:
    """Return the notes that this library attached to an error."""
    ours = isinstance(error, errors.ExplorerFramesError | KeyboardInterrupt)
    return [for_command_line(text) for text in getattr(error, "__notes__", ()) if ours]


def tell_warning(message: Warning | str, *_where: Any) -> None:
    """Print a warning and its hint to stderr."""
    what, _, hint = str(message).partition("]. ")
    what = f"{what}]" if hint else what
    hint = for_command_line(hint)
    if messages.as_json:
        json_line("warning", {"class": type(message).__name__, "message": what, "hint": hint or None})
        return
    error_line(what, word="Warning", style="bold yellow")
    if hint:
        hint_line(hint)


_OPTIONS = (
    *("auth_encoding", "ca_bundle", "client_cert", "component", "compression", "deadline", "format", "limit", "mode"),
    *("folder", "host", "port", "profile", "quoting", "schema", "server_name", "task", "url", "vid_type"),
)
# Replacements for Python terms in hints. The first match is used, so terms must precede their prefixes.
_TERMS = {
    "a pyarrow.Schema": "--schema NAME:TYPE,NAME:TYPE",
    "allow_incomplete=True": "--allow-incomplete",
    "allow_unrelated=True": "--allow-unrelated",
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

# Method calls in hints that are replaced with commands.
_CALL = re.compile(r"explorer\.job\('([^']*)'\)\.(wait|cancel)\(\)")


def for_command_line(hint: str) -> str:
    """Return the first line of a hint, with options instead of Python arguments.

    Examples
    --------
    >>> for_command_line('Pass another name, or mode="overwrite" to replace it.')
    'Pass another name, or --mode overwrite to replace it.'
    """
    return _TERM.sub(_as_option, _CALL.sub(r"explorer-frames \2 \1", hint.partition("\n")[0]))


def _as_option(found: re.Match[str]) -> str:
    term, value = _TERMS[found[1]], found[2].strip("()\"'")
    return f"{term} {shlex.quote(value)}" if value else term
