"""Full results as CSV files: quoted, or as the engine of a real Explorer probably writes them."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from explorer_frames.sandbox._results import Ragged, Subgraphs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from explorer_frames.sandbox._options import OutputStyle
    from explorer_frames.sandbox._results import Result

# The columns' names in the vendor's documentation; paths and statistics have none.
_HEADERS = {
    "PageRank": ("VID,VALUE",),
    "BetweennessCentrality": ("VID,VALUE",),
    "ClosenessCentrality": ("VID,VALUE",),
    "ClusteringCoefficient": ("VID,VALUE",),
    "KCore": ("VID,VALUE",),
    "DegreeCentrality": ("VID,BOTH_DEGREE,OUT_DEGREE,IN_DEGREE", "VID,OUT_DEGREE"),
    "LPA": ("VID,LABEL", "VID,LABEL,MODULARITY"),
    "WCC": ("VID,LABEL", "VID,LABEL,MODULARITY"),
    "Louvain": ("VID,LABEL", "VID,LABEL,MODULARITY"),
    "InfoMap": ("VID,LABEL", "VID,LABEL,MODULARITY"),
    "SSSP": ("VID,DISTANCE",),
    "BFS": ("ROOT,VISITED",),
    "APSP": ("VID1,VID2,DISTANCE",),
    "Jaccard": ("VID1,VID2,VALUE",),
    "TriangleCount": ("COUNT", "VID,COUNT", "VID1,VID2,VID3"),
    "HyperANF": ("VALUE",),
}
_NEED_QUOTES = frozenset(',"\r\n\0')
_PLAIN = {"InfoMap", "DegreeCentrality", "NStepDegree"}  # which the engine does not compress
_PREFIXES = {"WCC": "part_", "ConnectedComponent": "part_"}
_MARK = "\ufeff"  # at the start of a file, a reader would take it for no text


@dataclass(frozen=True)
class Outputs:
    """Where full results are written, and how.

    Parameters
    ----------
    folder
        Each task's parts go to ``<folder>/<job id>/<task id>``, or as the engine has it to
        ``<folder>/<job id>/tasks/<component>``.
    parts
        How many files a result is divided into.
    header
        Whether every part begins with the documented names of the columns, where there are any.
    style
        ``"csv"`` or ``"engine"``.
    """

    folder: Path
    parts: int
    header: bool
    style: OutputStyle = "csv"

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise ValueError(f"a result has one part or more, not {self.parts}")

    def write(self, job_id: int, task_id: str, component: str, algorithm: str, result: Result) -> None:
        """Write a result."""
        folder = self.folder / str(job_id)
        if self.style == "csv":
            self._write_csv(folder / task_id, algorithm, result)
        elif isinstance(result, Subgraphs):
            for k, subgraph in result.by_k.items():
                self._write_as_engine(folder / "tasks" / component / f"{k}_core", algorithm, subgraph)
        else:
            self._write_as_engine(folder / "tasks" / component, algorithm, result)

    def _write_as_engine(self, folder: Path, algorithm: str, result: Result) -> None:
        """Write one file for each thread, in place; without quoting, but for a Query, which no engine runs."""
        folder.mkdir(parents=True)
        plain, prefix = algorithm in _PLAIN, _PREFIXES.get(algorithm, "")
        separator = " " if isinstance(result, Ragged) else ","
        line = _line if algorithm == "Query" else lambda row: f"{separator.join(row)}\n"
        for number, (start, stop) in enumerate(self._bounds(result)):
            path = folder / f"{prefix}0000_{number:04}.csv{'' if plain else '.gz'}"
            rows = (*self._names(algorithm, result), *result.cells(start, stop, "%.6g"))
            text = "".join(map(line, rows)).encode()
            path.write_bytes(text if plain else gzip.compress(text))

    def _write_csv(self, folder: Path, algorithm: str, result: Result) -> None:
        """Write quoted cells, the parts under ``_temporary`` first, ``_SUCCESS`` last."""
        temporary = folder / "_temporary"
        temporary.mkdir(parents=True)
        for number, (start, stop) in enumerate(self._bounds(result)):
            name = f"part-{number:05}.csv.gz"
            with gzip.open(temporary / name, "wt", encoding="utf-8", newline="") as file:
                rows = result.cells(start, stop)
                file.writelines(map(_line, (*self._names(algorithm, result), *rows)))
            (temporary / name).rename(folder / name)
        temporary.rmdir()
        (folder / "_SUCCESS").touch()

    def _bounds(self, result: Result) -> Iterable[tuple[int, int]]:
        return pairwise(len(result) * number // self.parts for number in range(self.parts + 1))

    def _names(self, algorithm: str, result: Result) -> list[list[str]]:
        """Return the header as a row, or no row."""
        width = max((len(row) for row in result.cells(0, 1)), default=0)
        names = [header.split(",") for header in _HEADERS.get(algorithm, ())] if self.header else []
        return [header for header in names if len(header) == width]


def _line(cells: Iterable[str]) -> str:
    first, *others = [*cells] or [""]
    if not others and (not first or " " in first):  # an empty line, or vertices that are separated by blanks
        return f"{_quoted(first)}\n"
    return f"{','.join(map(_cell, (first, *others)))}\n"


def _cell(text: str) -> str:
    return text if _NEED_QUOTES.isdisjoint(text) and not text.startswith(_MARK) else _quoted(text)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
