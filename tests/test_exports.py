from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

import explorer_frames
from explorer_frames.errors import ConfigError


def test_every_public_name_is_exported_sorted_and_documented():
    public = sorted(name for name in vars(explorer_frames) if not name.startswith("_"))
    modules = {name for name in public if type(getattr(explorer_frames, name)) is type(sys)}
    expected = (set(public) - modules) | {"errors", "schemas", "__version__"}
    assert set(explorer_frames.__all__) == expected
    assert explorer_frames.__all__ == sorted(explorer_frames.__all__)
    for name in explorer_frames.__all__:
        assert getattr(explorer_frames, name).__doc__


def test_import_brings_in_nothing_of_the_extras():
    code = (
        "import sys, explorer_frames\n"
        "print(*(m for m in ('starlette','igraph','networkx','typer','rich','s3fs','tenacity','tqdm','deltalake','pyiceberg') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_import_reads_no_environment():
    code = "import explorer_frames; print('fine')"
    environment = {"EXPLORER_FRAMES_URL": "not a url", "EXPLORER_FRAMES_TOKEN": "\x01"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "fine\n"


@pytest.mark.parametrize(
    ("package", "extra", "call"),
    [
        ("deltalake", "delta", lambda table: explorer_frames.write_delta(table, "never-made")),
        ("pyiceberg.table", "iceberg", lambda table: explorer_frames.append_iceberg(table, None)),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, package, extra, call):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=f"{package.partition('.')[0]} is not installed") as caught:
        call(pa.table({"id": ["a"]}))
    assert caught.value.hint == f"pip install 'explorer-frames[{extra}]'"
    assert caught.value.__context__ is None
