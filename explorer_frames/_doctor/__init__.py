"""Checks of the configuration, the server and storage, for `doctor`."""
