"""Full results that are read from files, without an Explorer server."""
