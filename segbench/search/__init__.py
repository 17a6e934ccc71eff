"""The largest size that fits: proven on both sides, in few tries."""
