"""Export of a workflow's results to a folder, called a lake."""
