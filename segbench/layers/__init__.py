"""Layers that networks share: norms that know an ODE solver's stages, and the norm-ReLU-convolution that recomputes."""
