"""Trains a network: cutting and colouring images, losses, schedules, checkpoints, and the loop that ties them."""
