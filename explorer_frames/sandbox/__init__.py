"""An embedded NebulaGraph Explorer to try and to test against: real algorithms behind the published HTTP API.

It stands alone: it shares no code with the rest of the library, which never imports it. ``pip install
"explorer-frames[sandbox]"`` brings what it needs.
"""

from __future__ import annotations

from explorer_frames.sandbox._graphs import Graph
from explorer_frames.sandbox._server import Sandbox

__all__ = ["Graph", "Sandbox"]
