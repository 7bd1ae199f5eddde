"""Chinese pages have the code and the outputs of their English sources, and follow each change of them."""

from __future__ import annotations

import os

import pytest
from translations import ROOT, START, blob_of, code_blocks, pages, record, recorded, source_of

PAGES = pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())


@PAGES
def test_code_and_outputs_are_those_of_the_english_page(page):
    assert code_blocks(page) == code_blocks(source_of(page))
    assert code_blocks(page)


@PAGES
def test_translation_is_up_to_date(page):
    source = source_of(page).relative_to(ROOT).as_posix()
    name, blob = recorded(page)
    assert name == source
    assert blob == blob_of(ROOT / source), (
        f"{source} has changed: see git diff {blob[:12]} {source}. "
        f"Update {page.relative_to(ROOT).as_posix()}, then run python tests/translations.py."
    )


@pytest.mark.parametrize("page", [*pages(), START], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_link_to_each_other_below_the_title(page):
    source = source_of(page)
    for shown, other, label in [(source, page, "简体中文"), (page, source, "English")]:
        target = other.relative_to(ROOT).as_posix()
        if page.parent == ROOT:  # the links of a README are absolute
            target = f"https://github.com/explorer-frames/explorer_frames/blob/main/{target}"
        else:
            target = os.path.relpath(other, shown.parent).replace(os.sep, "/")
        assert shown.read_text(encoding="utf-8").splitlines()[2] == f"[{label}]({target})"


def test_record_replaces_the_hash_of_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr("translations.ROOT", tmp_path)
    source, page = tmp_path / "README.md", tmp_path / "README.zh-CN.md"
    source.write_bytes(b"one\n")
    page.write_text("一\n", encoding="utf-8")
    for text in (b"one\n", b"two\n"):
        source.write_bytes(text)
        record(page)
        assert recorded(page) == ("README.md", blob_of(source))
    assert page.read_text(encoding="utf-8").startswith("一\n\n<!-- ")
    assert blob_of(source) == "f719efd430d52bcfc8566a43b2eb655688d38871"  # git hash-object
