"""`python -m segbench` is the `segbench` command (what `torchrun -m segbench train` starts)."""

from segbench.cli.main import run

if __name__ == "__main__":
    run()
