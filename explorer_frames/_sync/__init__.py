"""A workflow's results in a folder."""
