"""Memory-saving switches for any network, one a file; `segbench.savers.switches` is their table and applies them."""
