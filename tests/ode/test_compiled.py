"""Which options inductor is given, on the real device types; nothing is compiled."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from segbench.ode import compiled
from segbench.ode.compiled import compile_in_place


class _Doubled(nn.Module):
    def forward(self, numbers: torch.Tensor) -> torch.Tensor:
        return 2 * numbers


@pytest.mark.parametrize(("device", "options"), [("cpu", {"layout_optimization": False}), ("cuda", {})])
def test_the_layout_optimisation_is_off_on_the_cpu_alone(
    monkeypatch: pytest.MonkeyPatch, device: str, options: dict[str, bool]
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(torch._inductor, "compile", lambda graph, inputs, options: given.append(options))
    with FakeTensorMode():
        compiled._inductor(torch.fx.GraphModule(nn.Module(), torch.fx.Graph()), [3, torch.empty(2, device=device)])
    assert given == [options]


def test_inductor_is_asked_when_the_first_inputs_come(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, bool]] = []

    def compile_plainly(graph: torch.fx.GraphModule, inputs: list[Any], options: dict[str, bool]) -> Any:
        asked.append(options)
        return graph.forward

    monkeypatch.setattr(torch._inductor, "compile", compile_plainly)
    f = _Doubled()
    compile_in_place(f)
    assert not asked
    assert f(torch.ones(2)).tolist() == [2.0, 2.0]
    assert asked == [{"layout_optimization": False}]
