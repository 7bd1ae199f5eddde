"""What leaves us has its whole traceback, and no variables of ours."""

from __future__ import annotations

import inspect
import traceback

import pytest

from explorer_frames import write_parquet
from explorer_frames._private import private
from explorer_frames.errors import ConfigError


def locals_of(error):
    frames = traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), capture_locals=True)
    return {frame.name: frame.locals for frame in frames}


def test_our_frames_are_told_without_their_variables(tmp_path):
    with pytest.raises(ConfigError) as caught:
        write_parquet({"a": [1]}, tmp_path, storage_options={"key": "k3y"})
    told = locals_of(caught.value)
    assert {"guarded", "write_parquet"} <= told.keys()
    assert "k3y" not in repr({name: told[name] for name in told if not name.startswith("test_")})


@pytest.mark.parametrize(("raised", "kept"), [(KeyError("its own"), True), (KeyboardInterrupt(), False)])
def test_a_callers_frames_keep_theirs_but_for_an_interrupt(raised, kept):
    def fails():
        mine = "to be seen"  # noqa: F841 (in the frame)
        raise raised

    with pytest.raises(type(raised)) as caught:
        private(fails)()
    assert ("mine" in (locals_of(caught.value)["fails"] or {})) is kept


def test_frames_of_an_error_that_the_caller_handles_stay_as_they_are():
    def broken():
        mine = "to be seen"  # noqa: F841 (in the frame)
        raise KeyError

    def fails():
        raise KeyboardInterrupt

    def handles():
        try:
            broken()
        except KeyError:
            private(fails)()

    with pytest.raises(KeyboardInterrupt) as caught:
        handles()
    assert "mine" in locals_of(caught.value.__context__)["broken"]


def test_causes_in_a_circle_are_no_trap():
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first

    def fails():
        raise first

    with pytest.raises(ValueError, match="a"):
        private(fails)()


def test_a_function_keeps_its_name_and_its_signature():
    assert write_parquet.__name__ == "write_parquet"
    assert "compression" in inspect.signature(write_parquet).parameters
