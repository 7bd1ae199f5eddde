"""An embedded NebulaGraph Explorer for trials and tests, with real algorithms and the published HTTP API.

It is independent of the rest of the library, which never imports it. Only the formatting of errors is shared. Needs
the extra ``sandbox``.
"""

from __future__ import annotations

try:
    from explorer_frames.sandbox._graphs import Graph
    from explorer_frames.sandbox._server import Sandbox
except ModuleNotFoundError as _error:
    _text = f"explorer_frames.sandbox needs the package {_error.name}; install the extra 'sandbox' of explorer-frames"
    raise ModuleNotFoundError(_text, name=_error.name) from None

__all__ = ["Graph", "Sandbox"]
