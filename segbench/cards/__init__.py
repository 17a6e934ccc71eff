"""The catalogue without torch: model cards, named sets of them, and what a user may write for `--model`."""
