"""Claims about segbench, each measured by a program of its own."""
