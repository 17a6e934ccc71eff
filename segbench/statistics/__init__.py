"""How sure a number is, when to stop measuring, what looks wrong with it, and whether two numbers differ.

Both sides of the process boundary use the statistics of plain samples (`intervals`, `resampling`, `stopping`,
`steadiness`, `stability`); `comparison`, `pairing`, `fairness`, `gates` and `verdicts` judge what a ledger holds and
are the command's alone. numpy and scipy are imported by the functions that need them: `--help` waits for neither.
"""
