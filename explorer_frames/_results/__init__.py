"""Task results that are read through the API."""
