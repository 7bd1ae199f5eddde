"""Schemas of results: the registry of documented algorithms, and the rule by the number of columns.

The API returns every cell as text, without column names or types. This module assigns them from a registry, never from
the values. Source: the output tables of NebulaGraph Analytics' algorithm pages; ``VID`` there is the graph space's
vertex id type. A community's label is the id of one of its vertices, so it has the same type.

``schema="auto"``, the default of every reader, finds the algorithm by the task's name. If the name is not that of a
documented algorithm, or the algorithm has no result with this number of columns, the number of columns decides:
2 columns are ``id, score`` and 3 are ``id, score, community``. Other numbers of columns, and the results of Query
components, are text columns named ``column_1``, ``column_2`` and so on.

A last column of list type takes all the cells that are left in a row, however many. Paths and random walks, whose rows
differ in length, are typed that way; so can any other result be read as it came::

    pa.schema([("cells", pa.list_(pa.string()))])

A caller's own schema may also have bools, dates, timestamps, decimals and dictionaries: see the reference of schemas.
"""

from explorer_frames._schemas import ALGORITHMS, Algorithm, find, named, to_schema

__all__ = ["ALGORITHMS", "Algorithm", "find", "named", "to_schema"]
