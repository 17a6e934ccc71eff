"""Neural ODEs: solvers, gradient methods, and the block that puts them into a network.

The seam to networks and to what measures them:

- `segbench.ode.block.ODEBlock(f, solver=, gradient=, steps=, t_end=, rtol=, atol=, per_sample_norm=)` is a layer;
  `f(t, state) -> derivative` maps a tuple of tensors to one of the same shapes, t is a float or a 0-d tensor.
- `block(state)` is the state at `t_end`; `block.trajectory(state, times)` the states at several times from one solve.
- `block.nfe_forward`, `block.nfe_backward` count evaluations of f since `block.reset_nfe()`.
"""
