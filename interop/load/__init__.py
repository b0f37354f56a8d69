"""The load of the kill rig: deliverers and readers, in processes of their own, each with its own maildrops."""
