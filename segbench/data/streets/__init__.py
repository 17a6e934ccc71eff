"""Draws street scenes with their labels: a made-up town, seen from a car, in which colour alone tells no class."""

from segbench.data.streets.street import draw_street

__all__ = ["draw_street"]
