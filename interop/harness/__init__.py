"""What the interop run and the kill rig share: processes, the program, peers and the rule for text."""
