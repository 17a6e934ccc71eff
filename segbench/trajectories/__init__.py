"""A network's answers along its time: what each end time costs and buys, and stopping each image by itself.

Order of reading: `subject` (a network that can end early), `sweep` (accuracy at every end over a data set), `costs`
(operations and evaluations of every end, and the call that is timed), `early_exit` (what `--stop` may say),
`early_exit_trial` (a rule at work), `early_exit_verdict` (a rule against the controls that it must beat), `frames`
(pictures).
"""
