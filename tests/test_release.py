"""The scripts of the release and of the documentation site, and links to this repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import explorer_frames

ROOT = Path(__file__).parent.parent
OWN_FILES = re.compile(
    r"https://(?:github\.com/explorer-frames/explorer_frames/(?:blob|tree)"
    r"|raw\.githubusercontent\.com/explorer-frames/explorer_frames)/main/([^\s)#\"]+)"
)
TARGET = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
PAGES = sorted(path for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md") for path in ROOT.glob(pattern))


def _targets(text: str) -> list[str]:
    code_removed = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [inline or reference for inline, reference in TARGET.findall(code_removed)]


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_links_are_absolute(name):
    targets = _targets((ROOT / name).read_text(encoding="utf-8"))
    assert len(targets) > 10
    assert [target for target in targets if not target.startswith("https://")] == []


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_readme_references_are_defined(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    defined = {name.lower() for name in re.findall(r"^\[([^\]]+)\]: ", text, re.MULTILINE)}
    body = re.sub(r"^\[[^\]]+\]: .*$", "", text, flags=re.MULTILINE)
    used = {(name or label).lower() for label, name in re.findall(r"\[([^\]]+)\](?:\[([^\]]+)\])?(?!\()", body)}
    assert used == defined


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_to_this_repository_name_existing_files(path):
    text = path.read_text(encoding="utf-8")
    absolute = [ROOT / target for target in OWN_FILES.findall(text)]
    relative = [path.parent / t.split("#")[0] for t in _targets(text) if not re.match(r"https?:|mailto:|#", t)]
    assert [target for target in absolute + relative if not target.exists()] == []


def test_own_links_are_found():
    found = OWN_FILES.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert "docs/tutorial.md" in found
    assert "notebooks" in found


def test_project_urls_name_existing_files():
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]
    assert set(urls) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert OWN_FILES.fullmatch(urls["Changelog"])[1] == "CHANGELOG.md"


def test_changelog_starts_with_the_version_of_the_package():
    heading = re.search(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[1]
    version = re.escape(explorer_frames.__version__)
    assert re.fullmatch(rf"{version} (\(unreleased\)|- \d{{4}}-\d{{2}}-\d{{2}})", heading)


@pytest.fixture
def release_notes(tmp_path):
    """Return a function that runs release_notes.py with a changelog, for version 0.2.0."""
    (tmp_path / ".ci").mkdir()
    (tmp_path / "explorer_frames").mkdir()
    (tmp_path / "explorer_frames" / "_version.py").write_text('__version__ = "0.2.0"\n')
    script = shutil.copy(ROOT / ".ci" / "release_notes.py", tmp_path / ".ci")

    def run(tag: str, changelog: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "CHANGELOG.md").write_text(changelog)
        return subprocess.run([sys.executable, script, tag], capture_output=True, text=True, check=False)

    return run


def test_release_notes_are_the_section_of_the_version(release_notes):
    changelog = "# Changelog\n\n## 0.2.0 - 2027-01-31\n\n### Added\n\n- New.\n\n## 0.1.0 - 2026-12-01\n\n- Old.\n"
    done = release_notes("v0.2.0", changelog)
    assert (done.returncode, done.stdout) == (0, "### Added\n\n- New.\n")


@pytest.mark.parametrize(
    ("tag", "changelog", "message"),
    [
        ("v0.2.1", "## 0.2.0 - 2027-01-31\n\n- New.\n", "does not match version '0.2.0'"),
        ("0.2.0", "## 0.2.0 - 2027-01-31\n\n- New.\n", "expected 'v0.2.0'"),
        ("v0.2.0", "## 0.2.0 (unreleased)\n\n- New.\n", "no section '## 0.2.0 - YYYY-MM-DD'"),
        ("v0.2.0", "## 0.2.0 - 2027-01-31\n\n## 0.1.0 - 2026-12-01\n\n- Old.\n", "is empty"),
    ],
)
def test_release_notes_fail_if_tag_or_section_is_wrong(release_notes, tag, changelog, message):
    done = release_notes(tag, changelog)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr


needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def site(tmp_path):
    """Return a function that publishes one version to a bare repository and returns a checkout of gh-pages."""
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "init", "-q", "--bare", str(remote)], check=True)
    html = tmp_path / "html"
    html.mkdir()

    def publish(version: str, text: str) -> Path:
        (html / "index.html").write_text(text)
        script = ROOT / ".ci" / "publish_docs.py"
        subprocess.run([sys.executable, str(script), str(html), version, str(remote)], check=True)
        checkout = tmp_path / "checkout"
        shutil.rmtree(checkout, ignore_errors=True)
        subprocess.run(["git", "clone", "-q", "--branch", "gh-pages", str(remote), str(checkout)], check=True)
        return checkout

    return publish


@pytest.mark.slow
@needs_git
def test_published_docs_keep_other_versions(site):
    site("dev", "first dev")
    site("0.1.0", "release")
    checkout = site("dev", "second dev")
    assert (checkout / "dev" / "index.html").read_text() == "second dev"
    assert (checkout / "0.1.0" / "index.html").read_text() == "release"
    assert (checkout / ".nojekyll").exists()


@pytest.mark.slow
@needs_git
def test_start_page_and_version_menu_prefer_the_newest_final_release(site):
    assert "url=dev/" in (site("dev", "x") / "index.html").read_text()
    for version in ("0.9.0", "0.10.0", "0.11.0rc1"):
        checkout = site(version, "x")
    menu = json.loads((checkout / "switcher.json").read_text())
    assert [entry["version"] for entry in menu] == ["dev", "0.11.0rc1", "0.10.0", "0.9.0"]
    assert [entry["version"] for entry in menu if entry.get("preferred")] == ["0.10.0"]
    assert "url=0.10.0/" in (checkout / "index.html").read_text()


@pytest.mark.slow
@needs_git
def test_a_rejected_push_of_the_docs_is_retried(site, tmp_path):
    site("0.1.0", "release")
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n[ -e rejected ] || { touch rejected; exit 1; }\n", newline="\n")
    hook.chmod(0o755)
    checkout = site("dev", "x")
    assert (tmp_path / "remote.git" / "rejected").exists()
    assert (checkout / "dev" / "index.html").read_text() == "x"


@needs_git
@pytest.mark.parametrize("version", ["../x", "main", "", "1.0/x"])
def test_published_docs_refuse_other_folder_names(tmp_path, version):
    (tmp_path / "index.html").touch()
    command = [sys.executable, str(ROOT / ".ci" / "publish_docs.py"), str(tmp_path), version, "nowhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "version must be" in done.stderr
