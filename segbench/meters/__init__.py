"""One file a quantity: how it is read, from what, and what it cannot see."""
