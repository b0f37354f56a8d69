"""The operations that the injecting rig breaks, and how one of them is tried."""
