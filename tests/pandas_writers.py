"""Plugin that replaces pandas' to_parquet and to_feather with our writers, for pandas' own tests.

`.ci/run` uses it. Calls with options that our writers do not have, such as `partition_cols`, are passed to pandas.
"""

from __future__ import annotations

import inspect
import os

import pandas as pd
import pandas.io.feather_format
import pandas.io.parquet
import pyarrow as pa
import pytest

from explorer_frames import write_feather, write_parquet
from explorer_frames.errors import ConfigError

# Each of these tests must fail. If one passes, the run fails.
PARENTS = "refused as well, in other words"
STRINGS = "strings of a DataFrame are written as string, where pandas 3 writes large_string"
EXPECTED_FAILURES = {
    "TestBasic::test_write_index": "an unnamed index of integers is never a column",
    "TestParquetPyArrow::test_read_dtype_backend_pyarrow_config": STRINGS,
    "TestParquetPyArrow::test_to_parquet_missing_parent_directory_raises": PARENTS,
    "TestFeather::test_read_feather_dtype_backend[python-pyarrow]": STRINGS,
    "TestFeather::test_read_feather_dtype_backend[pyarrow-pyarrow]": STRINGS,
}
OPTIONS = {"path", "compression", "index", "schema", "storage_options"}
WITHOUT_EFFECT = {"version", "engine"}
WRITTEN = []

pandas_to_parquet = pandas.io.parquet.to_parquet
pandas_to_feather = pandas.io.feather_format.to_feather


def pytest_configure(config):
    for marker in ("high_memory", "network", "single_cpu"):
        config.addinivalue_line("markers", f"{marker}: as pandas declares it")
    # The functions are replaced before pandas' test modules import them.
    pandas.io.parquet.to_parquet = to_parquet
    pandas.io.feather_format.to_feather = to_feather


def pytest_collection_modifyitems(items):
    by_name = {item.nodeid.partition("::")[2]: item for item in items}
    for name, reason in EXPECTED_FAILURES.items():
        if name not in by_name:
            raise pytest.UsageError(f"no test is called {name}")
        by_name[name].add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"files of our writers: {len(WRITTEN)}")


def to_parquet(*arguments, **keywords):
    return _write(write_parquet, pandas_to_parquet, arguments, keywords)


def to_feather(*arguments, **keywords):
    return _write(write_feather, pandas_to_feather, arguments, keywords)


def _write(ours, theirs, arguments, keywords):
    signature = inspect.signature(theirs)
    bound = signature.bind(*arguments, **keywords).arguments
    defaults = {name: parameter.default for name, parameter in signature.parameters.items()}
    options = {name: value for name, value in bound.items() if value is not defaults[name]}
    options |= options.pop("kwargs", {})
    frame = options.pop("df")
    plain = (
        isinstance(frame, pd.DataFrame)
        and isinstance(options.get("path"), str | os.PathLike)
        and options.keys() <= OPTIONS | WITHOUT_EFFECT
        and options.get("engine", "pyarrow") == "pyarrow"
    )
    if not plain:
        return theirs(*arguments, **keywords)
    options = {name: value for name, value in options.items() if name not in WITHOUT_EFFECT}
    if options.get("compression") == "uncompressed":
        options["compression"] = None
    if "schema" in options:
        frame = pa.Table.from_pandas(frame, options.pop("schema"))
    WRITTEN.append(options["path"])
    try:
        ours.__wrapped__(frame, **options)  # the public wrapper removes the cause
    except ConfigError as error:
        raise error.__cause__ or error from None  # pandas' tests expect pyarrow's exception
    return None
