"""What changed from one result to another: rows matched by their ids, then values, ranks and communities."""
