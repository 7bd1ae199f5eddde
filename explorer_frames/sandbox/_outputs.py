"""Full results as files: gzip-compressed CSV parts, as the Analytics of a real Explorer leaves them on HDFS."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

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
_NEED_QUOTES = frozenset(',"\r\n')
_MARK = "\ufeff"  # at the start of a file, a reader would take it for no text


@dataclass(frozen=True)
class Outputs:
    """Where full results are written, and how.

    Parameters
    ----------
    folder
        Each task's parts go to ``<folder>/<job id>/<task id>``.
    parts
        How many files a result is divided into.
    header
        Whether every part begins with the documented names of the columns, where there are any.
    """

    folder: Path
    parts: int
    header: bool

    def __post_init__(self) -> None:
        if self.parts < 1:
            raise ValueError(f"a result has one part or more, not {self.parts}")

    def write(self, job_id: int, task_id: str, algorithm: str, result: Result) -> None:
        """Write a result: the parts under ``_temporary`` first, ``_SUCCESS`` last."""
        folder = self.folder / str(job_id) / task_id
        temporary = folder / "_temporary"
        temporary.mkdir(parents=True)
        bounds = [len(result) * number // self.parts for number in range(self.parts + 1)]
        for number in range(self.parts):
            name = f"part-{number:05}.csv.gz"
            with gzip.open(temporary / name, "wt", encoding="utf-8", newline="") as file:
                rows = result.cells(bounds[number], bounds[number + 1])
                file.writelines(map(_line, (*self._names(algorithm, result), *rows)))
            (temporary / name).rename(folder / name)
        temporary.rmdir()
        (folder / "_SUCCESS").touch()

    def _names(self, algorithm: str, result: Result) -> list[list[str]]:
        """Return the header as a row, or no row."""
        width = max((len(row) for row in result.cells(0, 1)), default=0)
        names = [header.split(",") for header in _HEADERS.get(algorithm, ())] if self.header else []
        return [header for header in names if len(header) == width]


def _line(cells: Iterable[str]) -> str:
    line = ",".join(map(_cell, cells))
    return f"{line or _quoted('')}\n"


def _cell(text: str) -> str:
    return text if _NEED_QUOTES.isdisjoint(text) and not text.startswith(_MARK) else _quoted(text)


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
