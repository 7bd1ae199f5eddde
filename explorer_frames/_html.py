"""Small tables, as notebooks show them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_LEFT = "style='text-align:left'"  # notebooks would move text to the right, as numbers


def facts(known: Mapping[str, str]) -> str:
    """A line for each fact."""
    lines = (f"<tr><th {_LEFT}>{_safe(name)}</th><td {_LEFT}>{_safe(value)}</td></tr>" for name, value in known.items())
    return f"<table>{''.join(lines)}</table>"


def lines(title: str, *others: str) -> str:
    """A title, and what follows line by line."""
    return f"<div><strong>{_safe(title)}</strong>{''.join(f'<br>{_safe(line)}' for line in others)}</div>"


def grid(title: str, said: str, head: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """A title, what is to be said first, and a table with a head; numbers stand to the right."""
    names = "".join(f"<th {_LEFT}>{_safe(name)}</th>" for name in head)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<div><strong>{_safe(title)}</strong>: {_safe(said)}<table><tr>{names}</tr>{lines}</table></div>"


def _cell(value: str | int) -> str:
    return f"<td>{value:,}</td>" if isinstance(value, int) else f"<td {_LEFT}>{_safe(value)}</td>"


def _safe(text: str) -> str:
    import html  # noqa: PLC0415 (its table of entities is not needed to import us)

    return html.escape(text)
