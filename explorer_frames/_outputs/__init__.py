"""Read full results from files, without requests to an Explorer server."""
