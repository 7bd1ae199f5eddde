from __future__ import annotations

import ast
import inspect
import os
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pytest

import explorer_frames
from explorer_frames import _functions
from explorer_frames._client import Explorer
from explorer_frames._extras import package
from explorer_frames.errors import ConfigError


def test_every_public_name_is_exported_sorted_and_documented():
    stub = ast.parse((Path(explorer_frames.__file__).parent / "__init__.pyi").read_text(encoding="utf-8"))
    imported = [
        alias.asname or alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    (listed,) = [ast.literal_eval(node.value) for node in stub.body if isinstance(node, ast.Assign)]
    assert explorer_frames.__all__ == listed == sorted(imported)
    assert dir(explorer_frames) == explorer_frames.__all__
    for name in explorer_frames.__all__:
        assert getattr(explorer_frames, name).__doc__


def test_type_checkers_find_each_name_where_it_is_loaded_from():
    stub = ast.parse((Path(explorer_frames.__file__).parent / "__init__.pyi").read_text(encoding="utf-8"))
    for node in stub.body:
        if isinstance(node, ast.ImportFrom):
            module = import_module("." * node.level + (node.module or ""), explorer_frames.__name__)
            for alias in node.names:
                assert getattr(module, alias.name) is getattr(explorer_frames, alias.asname or alias.name)


def test_import_is_lazy_and_does_not_load_extras():
    heavy = {"pandas", "pyarrow", "numpy", "requests", "fsspec"}
    extras = {"starlette", "igraph", "networkx", "typer", "rich", "s3fs", "tenacity", "tqdm", "deltalake", "pyiceberg"}
    extras |= {"matplotlib"}
    code = (
        f"import sys, explorer_frames; print({heavy} & set(sys.modules))\n"
        f"from explorer_frames import *; print({heavy} <= set(sys.modules), {extras} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["set()", "True set()"]


@pytest.mark.slow
def test_it_can_be_imported_from_an_archive(tmp_path):
    # As Spark's `--py-files` does; the version is one of the names that need no package.
    shutil.make_archive(str(tmp_path / "package"), "zip", Path(explorer_frames.__file__).parents[1], "explorer_frames")
    code = (
        "import explorer_frames; print(explorer_frames.__file__, explorer_frames.__version__, explorer_frames.Explorer)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "package.zip")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    assert done.stdout.startswith(str(tmp_path / "package.zip"))


def test_import_reads_no_environment():
    code = "import explorer_frames; print('fine')"
    needed = {name: value for name, value in os.environ.items() if name == "SYSTEMROOT"}  # by Python on Windows
    environment = {**needed, "EXPLORER_FRAMES_URL": "not a url", "EXPLORER_FRAMES_TOKEN": "\x01"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "fine\n"


@pytest.mark.parametrize(
    ("name", "extra", "call"),
    [
        ("deltalake", "delta", lambda table: explorer_frames.write_delta(table, "never-made")),
        ("pyiceberg.table", "iceberg", lambda table: explorer_frames.append_iceberg(table, None)),
    ],
)
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, name, extra, call):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=f"{name.partition('.')[0]} is not installed") as caught:
        call(pa.table({"id": ["a"]}))
    assert caught.value.hint.startswith(f"install the extra '{extra}': pip install '{name.partition('.')[0]}")
    assert caught.value.__context__ is None


@pytest.mark.parametrize("content", ["import a_package_that_it_needs", "from pathlib import a_package_that_it_needs"])
def test_a_package_that_is_broken_is_not_called_missing(monkeypatch, tmp_path, content):
    (tmp_path / "deltalake.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "deltalake", raising=False)
    with pytest.raises(ConfigError, match=r"^cannot import deltalake: .*a_package_that") as caught:
        package("deltalake", "delta")
    assert "pip install" not in str(caught.value)


@pytest.mark.parametrize(("module", "package"), [("dask", "cloudpickle"), ("spark", "pyspark.errors")])
def test_a_module_whose_package_is_missing_names_the_extra(monkeypatch, module, package):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"explorer_frames.{module}", raising=False)
    with pytest.raises(
        ModuleNotFoundError, match=f"^explorer_frames.{module} requires the package {package}; "
    ) as caught:
        import_module(f"explorer_frames.{module}")
    assert f"install the extra '{module}': pip install '" in str(caught.value)
    assert (caught.value.name, caught.value.__context__) == (package, None)


def test_the_sandbox_names_its_extra_when_a_package_is_missing():
    code = "import sys; sys.modules['igraph'] = None; import explorer_frames.sandbox"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "requires the package igraph; " in done.stderr
    assert "install the extra 'sandbox'" in done.stderr
    assert done.stderr.count("Traceback") == 1


def test_functions_have_the_signatures_and_docstrings_of_the_methods():
    names = [name for name in explorer_frames.__all__ if hasattr(Explorer, name)]
    assert len(names) == 6
    for name in names:
        function, method = getattr(_functions, name), getattr(Explorer, name)
        own, its = (inspect.signature(one) for one in (function, method))
        shared = {key: value for key, value in own.parameters.items() if key != "explorer"}
        assert shared == {key: value for key, value in its.parameters.items() if key != "self"}
        assert own.return_annotation == its.return_annotation
        text, added = inspect.getdoc(function), _functions._EXPLORER
        assert text.count(added) == 1
        assert text.replace(f"\n{added}", "", 1) == inspect.getdoc(method)
