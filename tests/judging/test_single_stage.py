from __future__ import annotations

import torch
from torch import nn

from segbench.adaptive.decisions import Everything
from segbench.judging.asking import ask
from segbench.judging.single_stage import SingleStage
from segbench.workload.outputs import OutputReader


def test_a_static_network_is_asked_as_one_stage() -> None:
    network, image = nn.Conv2d(3, 2, 1, bias=False), torch.rand(1, 3, 4, 4)
    asked = ask(SingleStage(network, OutputReader()).eval(), image, Everything(1))
    assert torch.equal(asked.scores, network(image))
    assert (asked.stage, asked.decisions, asked.macs) == (1, (), 3 * 2 * 16)
