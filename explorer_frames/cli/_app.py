"""Commands and common options of the command-line interface."""

from __future__ import annotations

import functools
import inspect
import logging
import os
import sys
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from explorer_frames._version import __version__
from explorer_frames.cli import _compare, _doctor, _files, _jobs, _results, _serve, _sync
from explorer_frames.cli._connection import Connection
from explorer_frames.cli._exit import CODES, FAILED, OK, USAGE, guarded, tell, tell_usage
from explorer_frames.cli._out import OutputError, messages, writing
from explorer_frames.cli._text import shows_colors
from explorer_frames.errors import ExplorerFramesError

# The first parameter of each command is `ctx`, and `ctx.obj` is a `Connection`.
COMMANDS: dict[str, tuple[Callable[..., Any], ...]] = {
    "Jobs": (_jobs.jobs, _jobs.show, _jobs.run, _jobs.wait, _jobs.cancel),
    "Results": (_results.read, _results.export, _results.output, _sync.sync, _compare.compare),
    "Files": (_files.inspect, _files.verify),
    "Help": (_doctor.doctor, _serve.demo, _serve.sandbox),
}
_UsageError: Any = typer.BadParameter.__base__  # defined by typer or by click, depending on the version of typer
_BOXES = 100  # minimum terminal width for boxes in the help, which would otherwise split words
# Options that are passed to `Explorer` as arguments with the same name.
_OF_EXPLORER = ("url", "profile", "user", "graphd", "auth_encoding", "ca_bundle", "client_cert", "deadline")
_ELSEWHERE = "Run explorer-frames --help to see the common options, such as --url."
_EPILOG = "\b\nExit codes:\n" + "\n".join(f"{code.number:>4}  {code.meaning}" for code in CODES)


class _Group(typer.core.TyperGroup):
    """Command group that accepts the common options before or after the command name."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _in_words(super().get_params(ctx), self.callback)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ours_by_name: dict[str, Any] = {
            name: option for option in self.params if _is_ours(option) for name in option.opts
        }
        ours, theirs, rest = [], [], list(args)
        while rest and rest[0] != "--":
            word = rest.pop(0)
            name, equals, _ = word.partition("=")
            if name not in ours_by_name:
                theirs.append(word)
                continue
            ours.append(word)
            if ours_by_name[name].is_flag or equals:
                continue
            if not rest or rest[0].startswith("--"):
                raise _UsageError(f"Option '{name}' requires an argument.", ctx)
            ours.append(rest.pop(0))
        return super().parse_args(ctx, [*ours, *theirs, *rest])


class _Command(typer.core.TyperCommand):
    """Command whose help shows names such as ``JOB [TARGET]`` instead of Python types."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _in_words(super().get_params(ctx), self.callback)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        arguments: list[Any] = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *(one.metavar if one.required else f"[{one.metavar}]" for one in arguments)]


def _in_words(params: list[Any], callback: Any) -> list[Any]:
    """Replace missing metavars with the choices or the type of the option."""
    kinds = get_type_hints(inspect.unwrap(callback))
    for one in params:
        if one.metavar is None:
            one.metavar = _metavar(kinds.get(one.name))
        if one.param_type_name == "argument":
            one.display_type = lambda ctx: ""  # noqa: ARG005 (typer passes ctx)
    return params


def _metavar(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    if inner := get_args(kind):  # X | None, list[X]
        return _metavar(inner[0])
    return {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}.get(kind, "")


def _is_ours(option: Any) -> bool:
    return option.name in {*_OF_EXPLORER, "client_key", "debug", "no_progress"}


app = typer.Typer(
    cls=_Group,
    epilog=_EPILOG,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _unwrapped(function: Callable[..., Any]) -> str:
    """Return a docstring with the lines of each paragraph joined."""
    return "\n\n".join(" ".join(part.split()) for part in (inspect.getdoc(function) or "").split("\n\n"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command-line interface, and print errors and hints to stderr."""
    # The system allocator saves about 20 MB per sync worker. Arrow reads this variable on import.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    words = sys.argv[1:] if arguments is None else arguments
    messages.as_json = "--json" in takewhile("--".__ne__, words)
    if sys.stdout is None:  # closed in the shell with `>&-`
        hint = f"Redirect stdout to a file or to {os.devnull}."
        tell(ExplorerFramesError("standard output is closed", hint=hint))
        sys.exit(FAILED.number)
    if sys.stderr is None:  # closed with `2>&-`
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (open until the process exits)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # some locales cannot encode all characters
    # Show boxes only in a wide terminal, and not in a pager.
    app.rich_markup_mode = "rich" if shows_colors(sys.stdout) and get_terminal_size().columns >= _BOXES else None
    try:
        with writing():  # the help is written before any command runs
            code = app(list(words) or ["--help"], prog_name="explorer-frames", standalone_mode=False)
    except OutputError as error:
        tell(error)
        code = FAILED.number
    except _UsageError as error:
        tell_usage(error)
        code = USAGE.number
    sys.exit(code or OK.number)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    ctx: typer.Context,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="URL of the Explorer server, such as http://host:7002.")
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="Name of a profile in the config file.")] = None,
    user: Annotated[str | None, typer.Option(metavar="NAME", help="User name for the login.")] = None,
    graphd: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Address of graphd, as seen from the Explorer server.")
    ] = None,
    auth_encoding: Annotated[
        Literal["auto", "json", "colon"] | None,
        typer.Option(
            help="Encoding of the login credentials. Use colon for Explorer 3.1.0, and json for later versions. "
            "Default: auto, which tries both."
        ),
    ] = None,
    ca_bundle: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="PEM file with trusted CA certificates, used instead of those of the operating system."
        ),
    ] = None,
    client_cert: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="PEM file with the client certificate. Without --client-key, this file must also contain the key.",
        ),
    ] = None,
    client_key: Annotated[
        str | None, typer.Option(metavar="FILE", help="PEM file with the private key of the client certificate.")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Timeout of each call, including retries. Default: 600.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Log each request and show full tracebacks.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Hide progress bars.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Read results from NebulaGraph Explorer and export them to files.

    Set EXPLORER_FRAMES_URL to the URL of the server, and EXPLORER_FRAMES_TOKEN to a token. To log in with a password
    instead, set EXPLORER_FRAMES_USER, EXPLORER_FRAMES_PASSWORD and EXPLORER_FRAMES_GRAPHD. In a terminal, the command
    prompts for a missing password. You can also store these settings in a profile in
    ~/.config/explorer_frames/config.toml.

    You can place the options below before or after the command name.
    """
    if client_key is not None and client_cert is None:
        raise typer.BadParameter("--client-key requires --client-cert.")
    given = {name: ctx.params[name] for name in _OF_EXPLORER if ctx.params[name] is not None}
    if client_key is not None:
        given["client_cert"] = (client_cert, client_key)
    ctx.obj = Connection(given, debug=debug)
    if debug or no_progress:
        from explorer_frames._progress import Done, progress_bar

        ctx.with_resource(progress_bar(progress=False, state=Done("")))  # hides the progress bars of all calls
    if debug:
        _log_to_stderr(ctx)
    del url, profile, user, graphd, auth_encoding, ca_bundle, deadline, version  # read from ctx.params


def _log_to_stderr(ctx: typer.Context) -> None:
    log, handler = logging.getLogger("explorer_frames"), logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(name)s: %(message)s"))
    log.addHandler(handler)
    ctx.call_on_close(functools.partial(log.removeHandler, handler))
    ctx.call_on_close(functools.partial(log.setLevel, log.level))
    log.setLevel(logging.DEBUG)


app.callback(help=_unwrapped(_root))(_root)
for _panel, _functions in COMMANDS.items():
    for _function in _functions:
        options: Any = {"cls": _Command, "rich_help_panel": _panel, "epilog": _ELSEWHERE}
        app.command(help=_unwrapped(_function), **options)(guarded(_function))
