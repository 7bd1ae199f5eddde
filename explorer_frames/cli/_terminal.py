"""Format terminal output with rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from explorer_frames._errors import printable
from explorer_frames._jobs.task import shown_duration
from explorer_frames.cli._text import Column, in_words, is_terminal

if TYPE_CHECKING:
    from explorer_frames._doctor.finding import Finding

_GAP = 2  # spaces between columns
_BLOCK = 1_000  # rows per table; longer results are printed as several tables
_NARROW = 12  # minimum width of a wrapped column
_STYLES = {
    **dict.fromkeys(("success", "ok", "yes"), "green"),
    **dict.fromkeys(("failed", "problem", "no"), "red"),
    **dict.fromkeys(("interrupted", "stopping", "warning", "unknown"), "yellow"),
    **dict.fromkeys(("preparing", "running"), "cyan"),
    "skipped": "dim",
}
_STATE, _NAME = len("problem"), len("configuration")


def console(stream: TextIO) -> Console:
    """Create a console without markup, highlighting or emoji."""
    return Console(file=stream, highlight=False, markup=False, emoji=False)


def show_line(stream: TextIO, word: str, text: str, style: str) -> None:
    """Print text, with an optional colored word before it."""
    said = Text.assemble((word, style), " ", text) if word else Text(text, style)
    console(stream).print(said, overflow="fold", soft_wrap=not is_terminal(stream))


def show_facts(stream: TextIO, facts: Mapping[str, Any]) -> None:
    """Print names and values in two columns."""
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, _cell(value))
    console(stream).print(grid)


def show_table(stream: TextIO, columns: Sequence[Column]) -> str:
    """Print the leftmost columns that fit, and return the headings of the others."""
    out = console(stream)
    fitting = len(columns)
    for start in range(0, max(len(columns[0].values), 1), _BLOCK):
        cells = [[_cell(value) for value in column.values[start : start + _BLOCK]] for column in columns]
        if not start:
            fitting, needed = _fitting(columns, cells, out.width)
            out.width = max(out.width, needed)
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, _GAP - 1, 0, 0))
        for column in columns[:fitting]:
            table.add_column(
                column.heading,
                justify="right" if column.numbers else "left",
                overflow="fold",
                no_wrap=column.is_id,
            )
        for row in zip(*cells[:fitting], strict=True):
            table.add_row(*row)
        out.print(table)
    return ", ".join(column.heading for column in columns[fitting:])


def show_finding(stream: TextIO, finding: Finding) -> None:
    """Print a finding of ``doctor``, and its hint on the next line."""
    grid = Table.grid(padding=(0, _GAP, 0, 0))
    grid.add_column(width=_STATE)
    grid.add_column(width=_NAME)
    grid.add_column(overflow="fold")
    what = Text(printable(finding.what), "dim" if finding.state == "skipped" else "")
    grid.add_row(_styled(finding.state), Text(finding.name, "bold"), what)
    if finding.hint:
        grid.add_row("", "", Text(printable(finding.hint), "italic"))
    console(stream).print(grid)


def _styled(word: str) -> Text:
    return Text(word, _STYLES.get(word, ""))


def _cell(value: Any) -> Text:
    if isinstance(value, float):
        return Text(f"{value:.6g}")
    if isinstance(value, datetime):
        return Text(_time(value))
    if isinstance(value, timedelta):
        return Text(shown_duration(value))
    return _styled(printable(in_words(value)))


def _time(value: datetime) -> str:
    """Format a time, and convert it to UTC if it has a timezone."""
    if value.tzinfo is None:
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int) -> tuple[int, int]:
    """Return the number of columns to print, at least two, and their total width."""
    used = 0
    for number, (column, texts) in enumerate(zip(columns, cells, strict=True)):
        widest = max((cell_len(text.plain) for text in texts), default=0)
        more = max(len(column.heading), widest if column.is_id else min(widest, _NARROW)) + _GAP
        if number > 1 and used + more - _GAP > width:
            return number, used - _GAP
        used += more
    return len(columns), used - _GAP
