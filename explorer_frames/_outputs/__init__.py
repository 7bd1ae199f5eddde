"""Full results: found, opened, decompressed, read; no Explorer."""
