"""Small HTML tables for notebooks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_LEFT = "style='text-align:left'"  # overrides the right alignment in notebooks


def facts(known: Mapping[str, str]) -> str:
    """Return a table with one row per item."""
    lines = (f"<tr><th {_LEFT}>{_safe(name)}</th><td {_LEFT}>{_safe(value)}</td></tr>" for name, value in known.items())
    return f"<table>{''.join(lines)}</table>"


def lines(title: str, *others: str) -> str:
    """Return a title followed by lines of text."""
    return f"<div><strong>{_safe(title)}</strong>{''.join(f'<br>{_safe(line)}' for line in others)}</div>"


def grid(title: str, said: str, head: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """Return a title, a text and a table with a header row."""
    names = "".join(f"<th {_LEFT}>{_safe(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<div><strong>{_safe(title)}</strong>: {_safe(said)}<table><tr>{names}</tr>{lines}</table></div>"


def _cell(value: str | int) -> str:
    return f"<td>{value:,}</td>" if isinstance(value, int) else f"<td {_LEFT}>{_safe(value)}</td>"


def _safe(text: str) -> str:
    import html  # noqa: PLC0415 (faster import of this package)

    return html.escape(text)
