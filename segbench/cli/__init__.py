"""The commands: each asks, calls the rooms below, and shows."""
