"""Whether an input-adaptive network gains by deciding: accuracy, operations and time beside controls.

Order of reading: `asking` (one image under one policy), `survey` (a data set under all policies and controls), `timing`
(the same in seconds), `verdict` (what follows).
"""
