"""The Chinese pages and their English sources.

``python tests/translations.py`` copies code and outputs from the English pages, and marks all Chinese pages as up to
date. Run it after the translation of the text.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
START = ROOT / "docs/zh/index.md"
_MARK = re.compile(r"<!-- Translated from (\S+), git blob ([0-9a-f]{40})\. -->\n\Z")
_BLOCK = re.compile(r"^```\w+\n.*?^```$", re.DOTALL | re.MULTILINE)  # not directives, such as ```{image}


def pages() -> list[Path]:
    """Return the Chinese pages that are translations, which the start page is not."""
    return [ROOT / "README.zh-CN.md", *sorted(set((ROOT / "docs/zh").rglob("*.md")) - {START})]


def source_of(page: Path) -> Path:
    """Return the English source of a Chinese page."""
    return ROOT / page.relative_to(ROOT).as_posix().replace("docs/zh/", "docs/").replace(".zh-CN", "")


def code_blocks(page: Path) -> list[str]:
    """Return the code blocks and the outputs of a page."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def blob_of(page: Path) -> str:
    """Return the hash of a file as ``git hash-object`` computes it, so that ``git diff`` can find the old text."""
    content = page.read_bytes()
    return hashlib.sha1(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()


def recorded(page: Path) -> tuple[str, str]:
    """Return the name and the hash of the English source that a Chinese page was translated from."""
    return _MARK.search(page.read_text(encoding="utf-8")).groups()


def update(page: Path) -> None:
    """Copy the code blocks of the English source to a Chinese page, and record the source."""
    source = source_of(page)
    name, blocks = source.relative_to(ROOT).as_posix(), code_blocks(source)
    if len(blocks) != len(code_blocks(page)):
        message = f"{page.name} has {len(code_blocks(page))} code blocks, but {name} has {len(blocks)}"
        raise ValueError(message)
    remaining = iter(blocks)
    text = _BLOCK.sub(lambda _: next(remaining), _MARK.sub("", page.read_text(encoding="utf-8"))).rstrip("\n")
    mark = f"<!-- Translated from {name}, git blob {blob_of(source)}. -->"
    page.write_text(f"{text}\n\n{mark}\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    for page in pages():
        update(page)
