"""Checks of error messages that do not depend on their exact wording."""

from __future__ import annotations


def missing(error: Exception, *words: str) -> list[str]:
    """Return the words that the text of an error does not contain."""
    return [word for word in words if word not in str(error)]
