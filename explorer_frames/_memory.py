"""Where Arrow gets memory for results."""

from __future__ import annotations

import pyarrow as pa

# Arrow's own default keeps what it was given for each thread, and asks for pages of 2 MB: a sync with four workers took
# half as much again, and a read waited for pages where these come slowly, as on a virtual machine.
POOL = pa.system_memory_pool()
