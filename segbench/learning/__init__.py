"""Trains a network: augmentation, losses, schedules, checkpoints, and the loop that ties them."""
