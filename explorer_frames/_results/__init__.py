"""One task's result over the API: asked for, decoded, converted."""
