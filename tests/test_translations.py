"""Chinese pages have the code and the outputs of their English sources, and follow each change of them."""

from __future__ import annotations

import os

import pytest
from translations import ROOT, START, blob_of, code_blocks, pages, recorded, source_of, update


def of_each(paths):
    return pytest.mark.parametrize("page", paths, ids=lambda page: page.relative_to(ROOT).as_posix())


@of_each(pages())
def test_code_and_outputs_are_those_of_the_english_page(page):
    assert code_blocks(page) == code_blocks(source_of(page))
    assert code_blocks(page)


@of_each(pages())
def test_translation_is_up_to_date(page):
    source = source_of(page).relative_to(ROOT).as_posix()
    name, blob = recorded(page)
    assert name == source
    assert blob == blob_of(ROOT / source), (
        f"{source} has changed: run `git diff {blob[:12]} {source}` to see the changes. "
        f"Update {page.relative_to(ROOT).as_posix()}, then run `python tests/translations.py`."
    )


@of_each([*pages(), START])
def test_pages_link_to_each_other_below_the_title(page):
    source = source_of(page)
    for shown, other, label in [(source, page, "简体中文"), (page, source, "English")]:
        target = os.path.relpath(other, shown.parent).replace(os.sep, "/")
        if page.parent == ROOT:  # the links of a README are absolute
            target = f"https://github.com/explorer-frames/explorer_frames/blob/main/{target}"
        assert shown.read_text(encoding="utf-8").splitlines()[2] == f"[{label}]({target})"


def test_update_copies_code_and_records_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr("translations.ROOT", tmp_path)
    source, page = tmp_path / "README.md", tmp_path / "README.zh-CN.md"
    page.write_text("一\n\n```python\n0\n```\n\n二\n", encoding="utf-8")
    for number in (b"1", rb"'\n'"):
        source.write_bytes(b"one\n\n```python\n%b\n```\n" % number)
        update(page)
        assert recorded(page) == ("README.md", blob_of(source))
    assert page.read_text(encoding="utf-8").startswith("一\n\n```python\n'\\n'\n```\n\n二\n\n<!-- ")
    source.write_bytes(b"two\n")
    assert blob_of(source) == "f719efd430d52bcfc8566a43b2eb655688d38871"  # git hash-object
    with pytest.raises(ValueError, match=r"has 1 code blocks, but README\.md has 0"):
        update(page)
