"""Servers asked the same things, and their answers side by side; `peers.py` runs it."""
