"""The public surface as text. ``python tests/surface.py`` writes it into the page "Stability"."""

from __future__ import annotations

import dataclasses
import inspect
import re
import textwrap
from pathlib import Path

import typer.main

import explorer_frames
from explorer_frames import dask, errors, sandbox, schemas
from explorer_frames._files import write
from explorer_frames.cli._app import app

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "stability.md"
_BLOCK = re.compile(r"(?<=```text\n).*?(?=\n```)", re.DOTALL)


def surface() -> str:
    """Return all public names: functions with their parameters, attributes of classes, commands with their options."""
    modules = {"explorer_frames": explorer_frames}
    modules |= {module.__name__: module for module in (errors, schemas, dask, sandbox)}
    lines = [line for path, module in modules.items() for line in _module(path, module)]
    group = typer.main.get_command(app)
    lines.append(_command("explorer-frames", group))
    lines += [_command(f"explorer-frames {name}", command) for name, command in sorted(group.commands.items())]
    return "\n".join(wrapped for line in lines for wrapped in textwrap.wrap(line, 116, subsequent_indent="    "))


def written() -> str:
    """Return the surface in the page."""
    return _BLOCK.search(PAGE.read_text(encoding="utf-8"))[0]


def _module(path, module):
    things = {name: getattr(module, name) for name in sorted(module.__all__)}
    elsewhere = vars(errors).values() if module is not errors else ()
    for name, thing in things.items():
        if not inspect.ismodule(thing) and not (inspect.isclass(thing) and thing in elsewhere):
            yield from _named(f"{path}.{name}", thing)


def _named(path, thing):
    if not inspect.isclass(thing):
        yield f"{path}{_parameters(thing)}" if callable(thing) else path
        return
    if issubclass(thing, BaseException):
        bases = ", ".join(base.__name__ for base in thing.__bases__)
        yield f"{path} is {bases}"
        names = {*vars(thing), *inspect.get_annotations(thing)}
    else:
        # Records are made by the library: only their attributes are public.
        yield path if dataclasses.is_dataclass(thing) else f"{path}{_parameters(thing)}"
        names = {*dir(thing), *inspect.get_annotations(thing)}
    for name in sorted(name for name in names if not name.startswith("_")):
        member = inspect.getattr_static(thing, name, None)
        member = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        yield f"{path}.{name}{_parameters(member) if inspect.isfunction(member) else ''}"


def _parameters(function):
    shown = []
    for one in inspect.signature(function).parameters.values():
        if one.name in ("self", "cls"):
            continue
        if one.kind is one.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        if one.kind is one.VAR_KEYWORD:
            options = getattr(write, re.search(r"Unpack\[(\w+)]", one.annotation)[1])
            shown += [f"{name}=..." for name in sorted(options.__optional_keys__)]
            continue
        starred = "*" if one.kind is one.VAR_POSITIONAL else ""
        shown.append(f"{starred}{one.name}" + ("" if one.default is one.empty else f"={one.default!r}"))
    return f"({', '.join(shown)})"


def _command(path, command):
    arguments = [one.name.upper() for one in command.params if one.param_type_name == "argument"]
    options = [max(one.opts, key=len) for one in command.params if one.param_type_name == "option"]
    return " ".join([path, *arguments, *sorted(f"[{option}]" for option in options)])


if __name__ == "__main__":
    PAGE.write_text(_BLOCK.sub(lambda _: surface(), PAGE.read_text(encoding="utf-8")), encoding="utf-8")
