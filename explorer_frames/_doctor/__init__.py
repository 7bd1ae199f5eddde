"""What stands between us and an Explorer or a store, found out: for the command `doctor`."""
