"""Arrow memory pool for results."""

from __future__ import annotations

import pyarrow as pa

# Arrow's default pool requests pages of 2 MB from the kernel. If they are not available, as on many virtual machines,
# the default pool takes twice as long. Otherwise, it is slightly faster. See benchmarks/README.md for measurements.
POOL = pa.system_memory_pool()
