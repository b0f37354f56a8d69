"""The checks of the interop run, one kind a file."""
