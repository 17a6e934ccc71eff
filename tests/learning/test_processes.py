"""A training in processes of its own: killed without warning, and shared by two under torchrun.

`python test_processes.py FOLDER DROPOUT STEPS SAVE_EVERY_S [batch]` is the training; it goes on from what FOLDER holds.
With batch norm each process writes down the statistics that it validates with.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from segbench.cards.card import Recipe
from segbench.data import Sample
from segbench.layers.pixel_loss import PixelLoss
from segbench.learning.checkpoint import read_checkpoint
from segbench.learning.distributed import joined_world
from segbench.learning.feed import Feed, LabelledAugmenter
from segbench.learning.log import read_log
from segbench.learning.objective import Segmentation
from segbench.learning.plan import TrainingPlan
from segbench.learning.trainer import Trainer, TrainingJob
from segbench.learning.weights import inference_weights

STEPS = 120
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}


class Noise:
    """Random images whose label is whether red exceeds green; the first images are mostly ignored."""

    classes = 2

    def __len__(self) -> int:
        return 9

    def __getitem__(self, index: int) -> Sample:
        image = np.random.default_rng(index).integers(0, 256, (12, 16, 3), dtype=np.uint8)
        label = (image[..., 0] > image[..., 1]).astype(np.uint8)
        label[: 10 - index] = 255
        return Sample(image, label, str(index))


def train(folder: Path, dropout: float, steps: int, save_every_s: float, batch_norm: bool = False) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(6) if batch_norm else nn.GroupNorm(2, 6)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), norm, nn.ReLU(), nn.Dropout(dropout), nn.Conv2d(6, 2, 1))
    recipe = Recipe(optimizer="adamw", lr=0.01, batch_size=4, ema=0.9, clip=1.0)
    plan = TrainingPlan(recipe, 16, 12, steps=steps, save_every_s=save_every_s, seed=5)
    device = torch.device("cpu")
    with joined_world(device) as world:

        def validate(network: nn.Module) -> dict[str, float]:
            save_file(dict(network.named_buffers()), folder / f"buffers-{world.rank}.safetensors")
            return {"miou": float(network[1].num_batches_tracked)}  # the last is the best

        job = TrainingJob(
            objective=Segmentation(network, PixelLoss(torch.tensor([1.0, 3.0]))),
            feed=Feed(LabelledAugmenter(Noise(), plan), plan.seed),
            plan=plan,
            device=device,
            folder=folder,
            facts={"model": "tiny", "data": "noise"},
            validate=validate if batch_norm else None,
        )
        trainer = Trainer(job, world)
        trainer.resume()
        trainer.run()


@pytest.mark.timeout(180)
def test_a_training_killed_again_and_again_ends_with_the_same_bits(tmp_path):
    train(tmp_path / "whole", dropout=0.1, steps=STEPS, save_every_s=1000.0)
    command = [sys.executable, __file__, str(tmp_path / "killed"), "0.1", str(STEPS), "0"]
    last = tmp_path / "killed" / "last.safetensors"
    pause = random.Random(0)
    kills = 0
    for target in (1, 20, 40):
        with subprocess.Popen(command, env=ENVIRONMENT) as process:
            try:
                while process.poll() is None and not (last.exists() and read_checkpoint(last).facts["step"] >= target):
                    time.sleep(0.005)
                time.sleep(pause.random() * 0.02)
            finally:
                process.kill()
        kills += process.returncode == -signal.SIGKILL and read_checkpoint(last).facts["step"] < STEPS
    assert kills, "the training was never caught at work"
    subprocess.run(command, env=ENVIRONMENT, check=True)
    whole, killed = (read_checkpoint(tmp_path / name / "last.safetensors") for name in ("whole", "killed"))
    assert killed.facts["step"] == STEPS
    assert all(torch.equal(value, killed.tensors[name]) for name, value in whole.tensors.items())
    logs = [read_log(tmp_path / name / "log.csv") for name in ("whole", "killed")]
    assert [(row["step"], row["loss"]) for row in logs[0]] == [(row["step"], row["loss"]) for row in logs[1]]


@pytest.mark.timeout(180)
@pytest.mark.xdist_group("torchrun")  # two launchers at once may choose one free port
def test_two_processes_have_the_loss_curve_of_one_with_the_same_batch(tmp_path):
    train(tmp_path / "one", dropout=0.0, steps=STEPS, save_every_s=1000.0)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, __file__, str(tmp_path / "two"), "0.0", str(STEPS), "1000"]
    done = subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    logs = [[float(row["loss"]) for row in read_log(tmp_path / name / "log.csv")] for name in ("one", "two")]
    assert len(logs[0]) == STEPS / 20
    assert logs[1] == pytest.approx(logs[0], rel=1e-4)
    one, two = (read_checkpoint(tmp_path / name / "last.safetensors") for name in ("one", "two"))
    for name, value in one.part("model").items():
        torch.testing.assert_close(two.part("model")[name], value, atol=1e-4, rtol=1e-3)


@pytest.mark.timeout(180)
@pytest.mark.xdist_group("torchrun")
def test_all_processes_validate_the_network_that_is_saved(tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [*launcher, __file__, str(tmp_path), "0.0", "3", "1000", "batch"]
    done = subprocess.run(command, env=ENVIRONMENT, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (load_file(tmp_path / f"buffers-{rank}.safetensors") for rank in (0, 1))
    assert set(first) == {"1.running_mean", "1.running_var", "1.num_batches_tracked"}
    saved = inference_weights(read_checkpoint(tmp_path / "best.safetensors"))
    for name, value in first.items():
        assert torch.equal(value, second[name])
        assert torch.equal(value, saved[name])


if __name__ == "__main__":
    train(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5:] == ["batch"])
