"""The public surface is the one that the page "Stability" lists."""

from __future__ import annotations

import difflib

import pytest
import surface

import explorer_frames


def test_the_page_lists_the_public_surface():
    changes = difflib.unified_diff(surface.written().splitlines(), surface.surface().splitlines(), lineterm="", n=0)
    assert "\n".join(changes) == "", "run `python tests/surface.py`, and name the change in CHANGELOG.md"


def test_editors_find_every_public_name():
    jedi = pytest.importorskip("jedi")
    found = {one.name: one for one in jedi.Script("import explorer_frames\nexplorer_frames.").complete()}
    assert found.keys() >= {*explorer_frames.__all__}
    assert "schema: str" in found["read_sample_result"].docstring()
