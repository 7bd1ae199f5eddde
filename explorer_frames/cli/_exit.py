"""How a command ends: its exit code, and its errors in two lines, what happened and what to do."""

from __future__ import annotations

import functools
import re
import traceback
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from explorer_frames._extras import extra_of, install_hint
from explorer_frames.cli._out import OutputError, flush
from explorer_frames.cli._say import error_line, hint_line
from explorer_frames.errors import (
    ConfigError,
    DamagedFileError,
    ExplorerFramesError,
    IncompleteResultError,
    JobError,
    SyncError,
    UnencryptedWarning,
    UnsupportedFormatError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Code(NamedTuple):
    """An exit code, what it says, and the errors that end with it."""

    number: int
    meaning: str
    errors: tuple[type[Exception], ...] = ()


OK = Code(0, "all went well")
FAILED = Code(1, "an error, or doctor found a problem", (ExplorerFramesError,))
USAGE = Code(2, "the command line or the environment cannot work", (ConfigError, UnsupportedFormatError))
INCOMPLETE = Code(3, "the rows may not be all there are", (IncompleteResultError,))
JOB_FAILED = Code(4, "the job failed, was interrupted, or did not end in time", (JobError,))
PARTLY = Code(5, "some results of a sync did not land, all others did", (SyncError,))
DAMAGED = Code(6, "the file is not as it was written", (DamagedFileError,))
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
            warnings.simplefilter("ignore", UnencryptedWarning)  # once a process would be each time: doctor says it
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
                tell(error)
                raise typer.Exit(code_of(error)) from None

    return ends_well


def tell(error: BaseException) -> None:
    """Say on stderr what happened, and what to do."""
    what, hint = _words(error)
    if what:
        error_line(what)
    if hint:
        hint_line(hint)


def _words(error: BaseException) -> tuple[str, str]:
    if isinstance(error, ExplorerFramesError):
        where = f" [{error.where}]" if error.where else ""
        return f"{error.what}{where}", in_our_terms(error.hint or "")
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
        hint_line(in_our_terms(hint))


# The library speaks to who writes Python: its hints name arguments, ours options.
_TERMS: tuple[tuple[str, Any], ...] = (
    (r"Pass token=, or set (\w+); or pass user=, password= and graphd='host:port', or set", r"Set \1; or set"),
    (r"Pass url='(\S+)' or 'https://host/prefix', and credentials as .*", r"Pass --url \1, credentials apart from it."),
    (r"Pass url='(\S+)' or set", r"Pass --url \1, or set"),
    (r"Pass \w+= or set", "Set"),
    (r"Pass ca_bundle= for a private CA\.", "For a private CA, set REQUESTS_CA_BUNDLE to the file of its certificate."),
    (r"Pass timeout= for more\.", "Try again; if it goes on, look at the server's load."),
    (r"Pass deadline= for more\.", "Pass --deadline SECONDS for more."),
    (r"Pass a str: pathlib\.Path turns .*", "Write two slashes: scheme://host/name."),
    (r"; a local file with :: in its name as a pathlib\.Path", "; a local file needs a name without ::"),
    (r"Pass a non-empty str or a pathlib\.Path\.", "Pass a path or a URL."),
    (r"pass its address as url\b", "pass its address as --url"),
    (r"; or pass a pyarrow\.Schema\.", "; or columns of your own, such as --schema id:string,score:double."),
    (r"or a pyarrow\.Schema, such as pa\.schema\(.*\) to see", "or --schema 'cells:list<string>' to see"),
    (r"(?:pass )?a pyarrow\.Schema, such as pa\.schema\(.*\) to see", "pass --schema 'cells:list<string>' to see"),
    (r"\ba pyarrow\.Schema in which", "--schema with columns of your own, in which"),
    (r"pa\.schema\(\[.*?\]\) fits", "--schema 'cells:list<string>' fits"),
    (r"a pyarrow\.Schema\b(?! or None)", "columns of your own, such as --schema id:string,score:string,"),
    (r"Pass schema= to", "Pass --schema to"),
    (r"(?:Pass|and) row_cap= to Explorer", "Set EXPLORER_FRAMES_ROW_CAP"),
    (r"allow_incomplete=True", "--allow-incomplete"),
    (r"allow_unrelated=True", "--allow-unrelated"),
    (
        r"Pass task= with a name or an id, or one of job\.tasks in place of the job\.",
        "Pass --task with a name or an id.",
    ),
    (r"Pass one of ([\w, ]+), or None\.", r"Pass --compression with one of \1, or none."),
    (r"Read both with the same schema=", "Export both with the same --schema"),
    (r"with the same vid_type\b=?", "with the same --vid-type"),
    (r"limit=None", "--limit all"),
    (r"folder='(\S+)'", r"--folder '\1'"),
    (r'format="parquet" or "feather"', "--format parquet or --format feather"),
    (r"Job\.wait waits for that", "`explorer-frames show JOB` says whether it has"),
    (r"See its state with Explorer\.job\.", "See its state with: explorer-frames show JOB"),
    (r"Look at list_jobs\('([^']*)'\) for", r"Look at `explorer-frames jobs --workflow-id \1` for"),
    (r"in (?:its )?storage_options", "by --storage-option"),
    (r"\bstorage_options\b", "--storage-option"),
    (
        r"""\b(mode|schema|vid_type|format|limit|auth_encoding|component|quoting)=["']?(\w+)["']?""",
        lambda found: f"--{found[1].replace('_', '-')} {found[2]}",
    ),
    (r"\bauth_encoding\b", "--auth-encoding"),
)


def in_our_terms(text: str) -> str:
    """Say what a hint of the library says in options of the command line; other texts may hold the server's words.

    Examples
    --------
    >>> in_our_terms('Pass another name, or mode="overwrite" to replace it.')
    'Pass another name, or --mode overwrite to replace it.'
    """
    for pattern, ours in _TERMS:
        text = re.sub(pattern, ours, text)
    return text
