"""Claim: predicting is quick and does not depend on the batch.

`python benchmarks/prediction_speed.py [--batch 24]`

HRNetV2's training step within 5 s on one core, U-Net's within 1 s, the six networks of Table 2 within 20 s, training
and inference; batch 64 takes no longer than batch 2 (ratio under 1.5). CPU time is counted, so that other programs
disturb little; importing torch is not counted, one small prediction warms up torch's own tables. Ends with 1 if a claim
fails.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from segbench.cards.catalogue import model_sets
from segbench.estimate.prediction import predict_step
from segbench.records.case import Case
from segbench.workload.step import build_workload

LIMITS = {"hrnetv2": 5.0, "unet": 1.0}
ALL_LIMIT, RATIO_LIMIT = 20.0, 1.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=24)
    options = parser.parse_args()
    torch.set_num_threads(1)
    seconds("unet-w8", "train", 2)
    training = {card: seconds(card, "train", options.batch) for card in model_sets()["table2"]}
    inference = {card: seconds(card, "infer", 1) for card in model_sets()["table2"]}
    for card, taken in training.items():
        print(f"{card:12} training step {taken:5.2f} s, inference {inference[card]:5.2f} s")
    everything = sum(training.values()) + sum(inference.values())
    ratio = best("unet", 64) / best("unet", 2)
    print(f"all {everything:.2f} s; batch 64 takes {ratio:.2f} times the time of batch 2")
    kept = all(training[card] < limit for card, limit in LIMITS.items())
    sys.exit(0 if kept and everything < ALL_LIMIT and ratio < RATIO_LIMIT else 1)


def seconds(card: str, mode: str, batch: int) -> float:
    """CPU time of one prediction."""
    case = Case("predict", card, device="none", batch_size=batch)
    start = time.process_time()
    predict_step(lambda: build_workload(case, "meta"), mode, batch)
    return time.process_time() - start


def best(card: str, batch: int) -> float:
    return min(seconds(card, "train", batch) for _ in range(3))


if __name__ == "__main__":
    main()
