"""Memory without a GPU: a step is traced on `meta`, and the log of its storages is replayed through an allocator.

Order of reading: `log` (what a trace leaves), `allocator` (what CUDA would make of it), `trace` (how it is taken),
`corrections` (what CUDA does otherwise), `prediction` (the answer), `affine` (the answer for every batch at once).
`log` and `allocator` need no torch.
"""
