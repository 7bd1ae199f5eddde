"""Add one version of the documentation to the branch gh-pages: ``python .ci/publish_docs.py HTML VERSION REMOTE``.

The branch has one folder per version, `switcher.json` for the version menu of pydata-sphinx-theme, and a start page
that redirects to the newest release. Other versions are not rebuilt. Needs git and the standard library only.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SITE = "https://explorer-frames.github.io/explorer_frames"
BRANCH = "gh-pages"
ATTEMPTS = 5
REDIRECT = """<!doctype html>
<meta charset="utf-8">
<title>explorer_frames</title>
<meta http-equiv="refresh" content="0; url={0}/">
<a href="{0}/">Documentation</a>
"""


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git in `folder`."""
    identity = ["-c", "user.name=github-actions", "-c", "user.email=github-actions@users.noreply.github.com"]
    command = ["git", *identity, "-c", "core.autocrlf=false", *arguments]
    return subprocess.run(command, cwd=folder, check=check, text=True, capture_output=True)  # noqa: S603


def sort_key(version: str) -> tuple[list[int], bool, str]:
    """Return the key that sorts versions by age: numbers first, and 1.0rc1 before 1.0."""
    numbers, suffix = re.fullmatch(r"(\d+(?:\.\d+)*)(.*)", version).groups()
    return [int(number) for number in numbers.split(".")], not suffix, suffix


def write_index(site: Path) -> None:
    """Write the version menu and the start page for the versions that `site` contains."""
    releases = [path.name for path in site.iterdir() if path.is_dir() and re.match(r"\d", path.name)]
    releases.sort(key=sort_key, reverse=True)
    final = [version for version in releases if re.fullmatch(r"[\d.]+", version)]
    preferred = next(iter(final or releases), "dev")
    entries = [
        {"version": version, "name": f"{version} (stable)", "url": f"{SITE}/{version}/", "preferred": True}
        if version == preferred and version in final
        else {"version": version, "url": f"{SITE}/{version}/"}
        for version in [*(["dev"] if (site / "dev").is_dir() else []), *releases]
    ]
    (site / "switcher.json").write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")
    (site / "index.html").write_text(REDIRECT.format(preferred), encoding="utf-8")
    (site / ".nojekyll").touch()  # GitHub Pages would drop folders that start with an underscore


def publish(html: Path, version: str, remote: str) -> None:
    """Commit `html` as the folder `version` and push, again from the start if another push was faster."""
    if version != "dev" and not re.fullmatch(r"\d+(\.\d+)*[a-z0-9.]*", version):
        raise SystemExit(f"version must be 'dev' or a version number, got {version!r}")
    if not (html / "index.html").is_file():
        raise SystemExit(f"{str(html)!r} has no index.html; build the documentation first")
    for _ in range(ATTEMPTS):
        with tempfile.TemporaryDirectory() as temporary:
            site = Path(temporary)
            git(site, "init", "--quiet", "--initial-branch", BRANCH)
            if git(site, "ls-remote", remote, f"refs/heads/{BRANCH}").stdout:
                git(site, "fetch", "--quiet", "--depth", "1", remote, BRANCH)
                git(site, "reset", "--quiet", "--hard", "FETCH_HEAD")
            shutil.rmtree(site / version, ignore_errors=True)
            shutil.copytree(html, site / version, ignore=shutil.ignore_patterns(".doctrees", ".buildinfo"))
            write_index(site)
            git(site, "add", "--all")
            if not git(site, "status", "--porcelain").stdout:
                return
            git(site, "commit", "--quiet", "-m", f"Publish documentation of {version}")
            pushed = git(site, "push", "--quiet", remote, f"HEAD:refs/heads/{BRANCH}", check=False)
            if pushed.returncode == 0:
                return
    raise SystemExit(f"git push failed {ATTEMPTS} times: {pushed.stderr.strip()}")


if __name__ == "__main__":
    if len(sys.argv) != 4:  # noqa: PLR2004 (the script and its arguments)
        raise SystemExit("usage: python .ci/publish_docs.py HTML VERSION REMOTE")
    publish(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
