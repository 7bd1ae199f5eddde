"""An embedded NebulaGraph Explorer to try and to test against: real algorithms behind the published HTTP API.

It stands alone: except for how errors look, it shares no code with the rest of the library, which never imports it. It
needs the extra ``sandbox``.
"""

from __future__ import annotations

try:
    from explorer_frames.sandbox._graphs import Graph
    from explorer_frames.sandbox._server import Sandbox
except ModuleNotFoundError as _error:
    _text = f"explorer_frames.sandbox needs the package {_error.name}; install the extra 'sandbox' of explorer-frames"
    raise ModuleNotFoundError(_text, name=_error.name) from None

__all__ = ["Graph", "Sandbox"]
