"""How good a network's answers are: one confusion matrix over the set, and the protocols under which papers read it."""
