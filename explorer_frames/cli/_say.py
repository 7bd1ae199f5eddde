"""What is said on stderr: errors, what to do about them, and what is good to know."""

from __future__ import annotations

import sys

from explorer_frames._errors import printable
from explorer_frames.cli._out import silence
from explorer_frames.cli._text import is_terminal


def error_line(what: str, word: str = "Error", style: str = "bold red") -> None:
    """Say on stderr what happened."""
    _line(f"{word}:", what, style)


def hint_line(hint: str) -> None:
    """Say on stderr what to do."""
    _line("", hint, "")


def note(text: str) -> None:
    """Say on stderr what is good to know."""
    _line("", text, "dim")


def _line(word: str, text: str, style: str) -> None:
    """Say a line, however long."""
    said = printable(text)
    try:
        if is_terminal(sys.stderr):
            from explorer_frames.cli import _terminal

            _terminal.show_line(sys.stderr, word, said, style)
        else:
            sys.stderr.write(f"{word} {said}\n" if word else f"{said}\n")
    except OSError:  # where nobody can be told, the exit code still says how it ended
        silence(sys.stderr)
