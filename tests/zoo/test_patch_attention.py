from __future__ import annotations

import pytest
import torch

from segbench.estimate.step import trace_step
from segbench.meters.live_bytes import measure_live_peaks
from segbench.records.case import Case
from segbench.workload.step import build_workload
from segbench.zoo.patch_attention import PatchAttention


def test_a_patch_becomes_one_score_of_each_class() -> None:
    assert PatchAttention(5, width=12, depth=1)(torch.zeros(2, 3, 40, 64)).shape == (2, 5, 2, 4)


def test_its_cost_is_attentions_every_patch_sees_every_other() -> None:
    network = PatchAttention(2, width=12, depth=1).eval()
    images = torch.zeros(1, 3, 32, 32)
    changed = images.clone()
    changed[..., 16:, 16:] = 1.0
    assert not torch.equal(network(images)[..., 0, 0], network(changed)[..., 0, 0])


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_predicted_live_bytes_equal_a_real_run(mode: str) -> None:
    case = Case("memory", "segbench.zoo.patch_attention:PatchAttention?depth=2", width=64, height=48, batch_size=2)
    work = build_workload(case, "cpu")

    def step() -> None:
        work.train_step(*work.make_batch(2)) if mode == "train" else work.infer(work.make_batch(2)[0])

    real = measure_live_peaks(work.network, step, 3)[-1].live
    predicted = trace_step(lambda: build_workload(case, "meta"), mode, 2, target="cpu").log.peak[1]
    assert predicted == pytest.approx(real, rel=0.001)
