"""Arrow memory pool for results."""

from __future__ import annotations

import pyarrow as pa

# Arrow's default pool requests pages of 2 MB from the kernel. This is slightly faster if such pages are available, but
# twice as slow if not, as on many virtual machines. See benchmarks/README.md for measurements.
POOL = pa.system_memory_pool()
