"""The public API as text; ``python tests/surface.py`` writes it to the page "Stability"."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from pathlib import Path

import typer.main

import explorer_frames
from explorer_frames import dask, errors, sandbox, schemas
from explorer_frames._files import write
from explorer_frames._sync.report import SyncedPart, SyncFailure
from explorer_frames.cli._app import app

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "stability.md"
_OPERATORS = {"__contains__", "__enter__", "__getitem__", "__iter__", "__len__"}
_BLOCK = re.compile(r"(?<=```text\n).*?(?=\n```)", re.DOTALL)


def surface() -> str:
    """Return all public functions, classes and commands, with parameters and options."""
    modules = {"explorer_frames": explorer_frames}
    modules |= {module.__name__: module for module in (errors, schemas, dask, sandbox)}
    lines = [line for path, module in modules.items() for line in _module(path, module)]
    for record in (SyncedPart, SyncFailure):  # items of the attributes of a SyncReport
        lines += _named(f"explorer_frames.SyncReport: {record.__name__}", record)
    lines.append("explorer_frames.spark.register(spark)")
    lines += [f"spark.read.format({name!r}) [{'] ['.join(options)}]" for name, options in _spark_formats()]
    group = typer.main.get_command(app)
    lines.append(_command("explorer-frames", group))
    lines += [_command(f"explorer-frames {name}", command) for name, command in sorted(group.commands.items())]
    return "\n".join(wrapped for line in lines for wrapped in textwrap.wrap(line, 116, subsequent_indent="    "))


def written() -> str:
    """Return the public API in the page."""
    return _BLOCK.search(PAGE.read_text(encoding="utf-8"))[0]


def _module(path, module):
    things = {name: getattr(module, name) for name in sorted(module.__all__)}
    for name, thing in things.items():
        if inspect.isclass(thing) and module is not errors and issubclass(thing, BaseException | Warning):
            yield f"{path}.{name} is errors.{name}"
        elif not inspect.ismodule(thing):
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
        # Frozen dataclasses are created by the library, so only their attributes are public.
        is_record = dataclasses.is_dataclass(thing) and thing.__dataclass_params__.frozen
        yield path if is_record else f"{path}{_parameters(thing)}"
        names = {*dir(thing), *inspect.get_annotations(thing)}
    names |= {name for name in _OPERATORS if name in vars(thing)}
    for name in sorted(name for name in names if name in _OPERATORS or not name.startswith("_")):
        member = inspect.getattr_static(thing, name, None)
        member = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        yield f"{path}.{name}{_parameters(member) if inspect.isfunction(member) else ''}"


def _spark_formats():
    """Read formats and options from the source, because the module requires pyspark."""
    tree = ast.parse(Path(explorer_frames.__file__).with_name("spark.py").read_text(encoding="utf-8"))
    for one in ast.walk(tree):
        if isinstance(one, ast.ClassDef):
            values = {ast.unparse(node.targets[0]): node.value for node in one.body if isinstance(node, ast.Assign)}
            methods = {node.name: node.body[-1] for node in one.body if isinstance(node, ast.FunctionDef)}
            if "_options" in values and "name" in methods:
                yield ast.literal_eval(methods["name"].value), ast.literal_eval(values["_options"])


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
