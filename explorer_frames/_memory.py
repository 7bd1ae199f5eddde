"""Where Arrow gets memory for results."""

from __future__ import annotations

import pyarrow as pa

# Arrow's own default asks the kernel for pages of 2 MB: a little faster where these are at hand, twice as slow where
# they are not, as on many a virtual machine. Figures: benchmarks/README.md.
POOL = pa.system_memory_pool()
