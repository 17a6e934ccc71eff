"""A network's answers along its time: what each end time costs and buys, and stopping each image by itself.

Order of reading: `subject` (a network that can end early), `sweep` (accuracy at every end over a data set), `costs`
(operations, evaluations and time of every end), `resampling` (how sure a score is), `stopping` (one end time an image),
`trial` (a rule at work), `verdict` (a rule against the controls that it must beat), `frames` (pictures).
"""
