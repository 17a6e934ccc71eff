"""Neural ODEs: solvers, gradient methods, and the block that puts them into a network.

The seam to networks and to what measures them:

- `ODEBlock(f, solver=, gradient=, steps=, t_end=, rtol=, atol=, ...)` (`segbench.ode.block`) is a layer;
  `f(t, state) -> derivative` maps a tuple of tensors to one of the same shapes, t is a float or a 0-d tensor.
- `block(state)` is the state at `t_end`, `block.trajectory(state, times)` the states at several times from one solve.
- `block.steps`, `block.t_end`, `block.rtol`, `block.atol` are plain attributes; `block.use(solver=, gradient=)` changes
  the pair, which `segbench.ode.methods.METHODS` (solver -> gradient method -> what it costs) must know.
- `block.nfe_forward`, `block.nfe_backward`, `block.steps_accepted`, `block.steps_rejected` count since
  `block.reset_nfe()`.
- `segbench.ode.methods.stages_of(solver, steps)` says how many statistics a `batch-per-stage` norm needs.
- `segbench.ode.gradient_error.gradient_relative_error` compares a network's gradient with plain back-propagation's.

A room below knows none of this: layers inside f learn from `segbench.layers.stage` at which evaluation they stand.
"""

import torch

with torch.device("cpu"):  # its tableaus are tensors made on import, and a network may be built under another device
    import torchdiffeq  # noqa: F401
