"""Memory without a GPU: a step is traced on `meta`, and the log of its storages is replayed through an allocator.

Order of reading: `log` (what a trace leaves), `allocator` (what CUDA would make of it), `lifetimes` and `trace` (how it
is taken), `step` (what is traced), `prediction` (the answer). What makes `meta` behave as CUDA does: `corrections`,
`program` (devices that a program names), `attention_backends`, `attention` and `fast_paths` (its kernels), `mirrors`
(values of small tensors), `assumed_steps` (adaptive solvers), `autocast`, `overheads`; `prediction_warnings` says where
it does not. From a log on: `affine` and `largest` (every batch at once), `timeline`, `snapshot`. `log` and
`allocator` need no torch.
"""
