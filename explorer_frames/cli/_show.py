"""Write tables, tab-separated lines, JSON and CSV to stdout."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from explorer_frames._errors import printable
from explorer_frames.cli._out import flush, note, write, write_bytes, writing
from explorer_frames.cli._text import Column, for_tools, is_terminal, to_json

if TYPE_CHECKING:
    from explorer_frames._doctor.finding import Finding
    from explorer_frames._files.write import Receipt

_YES_OR_NO = {True: "yes", False: "no"}


def show_table(columns: Sequence[Column]) -> None:
    """Print a table in a terminal, or tab-separated lines to a file or pipe."""
    if not is_terminal(sys.stdout):
        show_lines([column.heading for column in columns], zip(*(column.values for column in columns), strict=True))
        return
    from explorer_frames.cli import _terminal

    with writing():
        left_out = _terminal.show_table(sys.stdout, columns)
    if left_out:
        note(f"The terminal is too narrow for these columns: {left_out}. Pass --json to see all columns.")


def show_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a header and rows as tab-separated lines."""
    _lines([names])
    _lines(rows)


def show_facts(facts: Mapping[str, Any]) -> None:
    """Print names and values, one pair per line."""
    facts = {name: _YES_OR_NO[value] if isinstance(value, bool) else value for name, value in facts.items()}
    if not is_terminal(sys.stdout):
        _lines(facts.items())
        return
    from explorer_frames.cli import _terminal

    with writing():
        _terminal.show_facts(sys.stdout, facts)


def show_receipt(receipt: Receipt, *, json: bool) -> None:
    """Print a summary of a written file."""
    known = receipt.to_dict()
    if json:
        show_json(known)
    else:
        show_facts({name: value for name, value in known.items() if name != "columns"})


def show_finding(finding: Finding) -> None:
    """Print a finding of ``doctor``, and flush stdout."""
    if is_terminal(sys.stdout):
        from explorer_frames.cli import _terminal

        with writing():
            _terminal.show_finding(sys.stdout, finding)
    else:
        _lines([(finding.state, finding.name, finding.what, finding.hint)])
        flush()


def show_json(document: Mapping[str, Any], rows: Mapping[str, Iterable[Mapping[str, Any]]] | None = None) -> None:
    """Write a JSON document. `rows` adds a list with one record per line."""
    text = to_json(document, indent=2)
    if rows is None:
        _write(f"{text}\n")
        return
    ((name, records),) = rows.items()
    head = text.removesuffix("}").rstrip()
    _write(f"{head}{',' * bool(document)}\n  {to_json(name)}: [")
    between = "\n    "
    for record in records:
        _write(between + to_json(record))
        between = ",\n    "
    _write("\n  ]\n}\n" if between.startswith(",") else "]\n}\n")


def show_csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write RFC 4180 CSV with Unix line endings, and lists as JSON."""
    shown = printable if is_terminal(sys.stdout) else str

    def cell(value: Any) -> Any:
        if isinstance(value, bool | Decimal | list):
            return to_json(value).strip('"')
        return shown(value) if isinstance(value, str) else value

    def write_line(line: str) -> None:
        # Python 3.11 quotes cells that contain "\r" or "\n" only if the line terminator is "\r\n".
        sys.stdout.buffer.write((line.removesuffix("\r\n") + "\n").encode())

    writer = csv.writer(SimpleNamespace(write=write_line))
    with writing():
        sys.stdout.flush()
        writer.writerow(names)
        writer.writerows(map(cell, row) for row in rows)


def _lines(rows: Iterable[Sequence[Any]]) -> None:
    for row in rows:
        write("\t".join(map(for_tools, row)) + "\n")


def _write(text: str) -> None:
    write_bytes(text.encode())
