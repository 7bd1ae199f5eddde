"""Print the changelog section of a release: ``python .ci/release_notes.py v0.1.0``.

Exits with an error if the tag does not match the version of the package, or if the section is missing or not dated.
"""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def release_notes(tag: str) -> str:
    """Return the section of CHANGELOG.md for `tag`, without its heading."""
    version = runpy.run_path(str(ROOT / "explorer_frames" / "_version.py"))["__version__"]
    if tag != f"v{version}":
        raise SystemExit(f"tag {tag!r} does not match version {version!r}; expected 'v{version}'")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = list(re.finditer(r"^## (.*)$", changelog, re.MULTILINE))
    for heading, following in zip(headings, [*headings[1:], None], strict=True):
        if re.fullmatch(rf"{re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}", heading[1]):
            notes = changelog[heading.end() : following.start() if following else None].strip()
            if notes:
                return notes
            raise SystemExit(f"section {heading[1]!r} of CHANGELOG.md is empty")
    raise SystemExit(f"CHANGELOG.md has no section '## {version} - YYYY-MM-DD'; add it, with the date of the release")


if __name__ == "__main__":
    if len(sys.argv) != 2:  # noqa: PLR2004 (the script and the tag)
        raise SystemExit("usage: python .ci/release_notes.py TAG")
    sys.stdout.write(release_notes(sys.argv[1]) + "\n")
