"""Claim: two runs of the same case compare as "not significant" in at least nine of ten tries, also on a busy machine.

Runs `segbench latency` eleven times and compares each run with the one before it. Noise is wanted here: start something
else meanwhile. Ends with 1 if the claim does not hold.

    python benchmarks/same_case_twice.py --model unet-w8 --input 120x90
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--model", default="unet-w8")
    options.add_argument("--input", default="120x90")
    options.add_argument("--max-seconds", default="30")
    options.add_argument("--tries", type=int, default=10)
    given = options.parse_args()
    latency = ["latency", "-m", given.model, "--input", given.input, "--device", "cpu", "--threads", "1"]
    with tempfile.TemporaryDirectory() as folder:
        ledger = ["--ledger", str(Path(folder) / "runs")]
        verdicts = []
        for number in range(given.tries + 1):
            _segbench([*latency, "--max-seconds", given.max_seconds, "--format", "json", *ledger])
            if number:
                verdicts.append(_verdict(ledger))
    right = sum(verdict in ("not significant", "same") for verdict in verdicts)
    print(f"{right} of {len(verdicts)} tries: not significant")
    sys.exit(0 if 10 * right >= 9 * len(verdicts) else 1)


def _verdict(ledger: Sequence[str]) -> str:
    """Of the last run against the one before, printed with its sentence."""
    found = json.loads(_segbench(["compare", "last-1", "last", "-q", "latency_s", "--format", "json", *ledger]))[0]
    print(found["sentence"], flush=True)
    return str(found["verdict"])


def _segbench(arguments: Sequence[str]) -> str:
    command = [sys.executable, "-m", "segbench", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


if __name__ == "__main__":
    main()
