"""One file a task: what a fresh child process does with a case (`python -m segbench.tasks NAME`)."""
