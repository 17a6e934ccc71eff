"""Memory without a GPU: a step is traced on `meta`, and the log of its storages is replayed through an allocator.

Order of reading: `log` (what a trace leaves), `allocator` (what CUDA would make of it), `lifetimes` and `trace` (how it
is taken), `step` (what is traced), `repeated` (what is copied instead), `prediction` (the answer). What makes `meta`
behave as CUDA does: `corrections`, `program` (what a program asks of torch and of its device), `attention_backends`,
`attention` and `fast_paths` (its kernels), `older_torch` and `buckets` (assumptions that can be made), `mirrors`
(values of small tensors), `worst_case` (shapes that depend on other values), `assumed_steps` (adaptive solvers),
`autocast`, `kernel_buffers` (what kernels hide), `overheads` and `convolution_workspaces`; `prediction_warnings` says
where it does not, `intervals` how far from reality predictions were. From a log on: `affine` and `largest` (every batch
at once), `timeline`, `snapshot`, `recorded` (a trace as a file). `shortcuts` and `collector` save time. `log` and
`allocator` need no torch.
"""
