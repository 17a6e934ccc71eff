"""How sure a number is, when to stop measuring, what looks wrong with it, and whether two numbers differ."""
