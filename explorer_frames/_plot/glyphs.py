"""Prepare text for matplotlib: choose fonts, escape characters and disable TeX."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from typing import Any

from matplotlib import font_manager, get_cachedir, rcParams
from matplotlib.ft2font import FT2Font

from explorer_frames._warnings import warn_caller

_MOST = 200  # characters kept at each end of a long text
_warned: set[str] = set()
# Font families for Chinese and Japanese on Linux, Windows and macOS. They are used after the configured families.
_IDEOGRAPHS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei", "Microsoft YaHei", "Hiragino Sans GB")


def drawable(texts: Iterable[str], columns: int) -> tuple[list[str], dict[str, Any]]:
    r"""Prepare texts for drawing, each on one line and at most `columns` wide.

    Installed fonts for Chinese and Japanese are used after the configured ones. matplotlib draws a box for a character
    without a font, so such a character is escaped, and a warning names a font to install. Long texts are shortened in
    the middle, because ids differ most at their ends.

    Returns the texts, and properties for the `matplotlib.text.Text` that shows them.

    Examples
    --------
    >>> texts, _ = drawable(["https://example.org/people/valjean", "two\nlines"], 20)
    >>> print(*texts)
    https://e…le/valjean two\nlines
    """
    kept = [text[:_MOST] + text[_MOST:][-_MOST:] for text in texts]
    families = [*rcParams["font.family"], *filter(_characters, _IDEOGRAPHS)]
    missing = frozenset("".join(kept)).difference(*map(_characters, families))
    missing = frozenset(letter for letter in missing if letter.isprintable())
    _warn_of(missing)
    spelt = [[_spelt(letter, missing) for letter in text] for text in kept]
    properties = {"fontfamily": families, "parse_math": False, "usetex": False}
    return [_shortened(pieces, columns) for pieces in spelt], properties


def _spelt(letter: str, missing: frozenset[str]) -> str:
    if letter.isprintable() and letter not in missing:
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def _shortened(pieces: list[str], columns: int) -> str:
    if sum(map(_width, pieces)) <= columns:
        return "".join(pieces)
    head = _beginning(pieces, (columns - 1) // 2)
    tail = _beginning(pieces[::-1], columns // 2)[::-1]
    return "".join([*head, "…", *tail])


def _beginning(pieces: list[str], columns: int) -> list[str]:
    widths = accumulate(map(_width, pieces))
    return pieces[: sum(width <= columns for width in widths)]


def _width(piece: str) -> int:
    """Return the width in columns; ideographs are two columns wide."""
    return sum(1 + _is_wide(letter) for letter in piece)


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter) in "WF"


def _warn_of(missing: frozenset[str]) -> None:
    """Warn about characters without a font, once for each font package."""
    for letter in sorted(missing):
        package = "fonts-noto-cjk" if _is_wide(letter) else "fonts-noto-core"
        if letter.isalpha() and package not in _warned:  # matplotlib cannot draw emoji
            _warned.add(package)
            warn_caller(
                f"no configured font contains the character {letter!r}, so it is drawn as {_spelt(letter, missing)}. "
                f"Install a font that contains it, such as the package {package} on Debian and Ubuntu. Add its family "
                f"to matplotlib's font.family, delete {get_cachedir()}/fontlist-*.json and restart Python",
                UserWarning,
            )


def _characters(family: str) -> frozenset[str]:
    """Return the characters of a font family; empty if it is not installed."""
    try:
        path = font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False)
        return _charmap(str(path))
    except (ValueError, OSError, RuntimeError):  # raised for missing and damaged fonts
        return frozenset()


@lru_cache(maxsize=32)
def _charmap(path: str) -> frozenset[str]:
    return frozenset(map(chr, FT2Font(path).get_charmap()))
