"""Embedded NebulaGraph Explorer for demos and tests.

The sandbox serves the published HTTP API, and computes results with igraph. It requires the extra ``sandbox``.
"""

from __future__ import annotations

try:
    from explorer_frames.sandbox._graphs import Graph
    from explorer_frames.sandbox._server import Sandbox
except ModuleNotFoundError as _error:
    _text = (
        f"explorer_frames.sandbox requires the package {_error.name}; install the extra 'sandbox' of explorer-frames"
    )
    raise ModuleNotFoundError(_text, name=_error.name) from None

__all__ = ["Graph", "Sandbox"]
