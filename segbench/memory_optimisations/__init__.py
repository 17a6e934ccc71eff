"""Memory-saving switches for any network, one a file; `segbench.memory_optimisations.switches` is their table and
applies them."""
