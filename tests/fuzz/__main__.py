"""Run a fuzz target: ``python tests/fuzz envelope new/ -max_total_time=1800``."""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

import atheris

HERE = Path(__file__).parent
INSTRUMENTED = ["explorer_frames._decode", "explorer_frames.schemas", "explorer_frames._results.reading"]


def main() -> None:
    """Fuzz one target until libFuzzer ends."""
    _, name, *options = sys.argv
    sys.path.insert(0, str(HERE.parent))  # contains the oracle
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = import_module(f"fuzz_{name}")
    corpus, words = HERE / "corpus" / name, HERE / f"{name}.dict"
    flags = [option for option in options if option.startswith("-")]
    places = [option for option in options if not option.startswith("-")] or [tempfile.mkdtemp()]
    if not any(Path(place).is_file() for place in places):  # files are single inputs to run again
        places.append(str(corpus))  # after the first folder, to which libFuzzer writes new inputs
    command = f"{sys.executable} {HERE} {name}"  # libFuzzer runs this command to merge and to minimize
    atheris.Setup([command, f"-dict={words}", "-max_len=1024", *flags, *places], target.check)
    atheris.Fuzz()


main()
