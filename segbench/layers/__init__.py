"""Layers that networks share: norms that know an ODE solver's stages, and the thin norm-ReLU-convolution."""
