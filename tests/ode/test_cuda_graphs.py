from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from inspect import signature
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.layers.norm_relu_conv import NormReluConv
from segbench.ode import cuda_graphs
from segbench.ode.block import ODEBlock
from segbench.ode.cuda_graphs import Capture, CudaGraphs, Function, Outputs, captured
from segbench.ode.state import State


class _Field(nn.Module):
    def __init__(self, norm: str = "group", stages: int = 0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.block = NormReluConv(4, 4, norm=norm, recompute=True, time_conditioned=True, stages=stages)
        assert self.block.film is not None
        self.block.film.scale.data.normal_()

    def forward(self, time: float | Tensor, state: State) -> State:
        return (self.block(state[0], time),)


@dataclass
class _Recorded:
    """What a CUDA graph does: computes from fixed inputs into fixed outputs."""

    time: Tensor
    source: Tensor
    target: Tensor

    def replay(self) -> None:
        self.target.copy_(self.time * self.source)


def test_replays_read_their_own_inputs_and_do_not_share_outputs() -> None:
    time, source, target = torch.zeros(()), torch.zeros(3), torch.zeros(3)
    capture = Capture(_Recorded(time, source, target), time, (source,), (target, None))
    first, nothing = capture.replay(2.0, (torch.ones(3),))
    second, _ = capture.replay(torch.tensor(5.0), (torch.ones(3),))
    assert nothing is None
    assert first.tolist() == [2.0] * 3
    assert second.tolist() == [5.0] * 3


class _FakeCuda:
    """Streams and graphs that write down what happens on which."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self._where = "default"

    def Stream(self) -> _FakeStream:
        return _FakeStream("side", self.told)

    def current_stream(self) -> _FakeStream:
        return _FakeStream(self._where, self.told)

    def CUDAGraph(self) -> str:
        return "graph"

    def graph(self, graph: str, capture_error_mode: str) -> AbstractContextManager[None]:
        return self._on(f"{graph}, {capture_error_mode}")

    def stream(self, stream: _FakeStream) -> AbstractContextManager[None]:
        return self._on(stream.name)

    @contextmanager
    def _on(self, where: str) -> Iterator[None]:
        self._where = where
        yield
        self._where = "default"

    def run(self) -> str:
        self.told.append(f"run on {self._where}")
        return "results"


@dataclass
class _FakeStream:
    name: str
    told: list[str]

    def wait_stream(self, other: _FakeStream) -> None:
        self.told.append(f"{self.name} waits for {other.name}")


def test_a_call_is_warmed_up_on_a_stream_of_its_own_before_it_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = _FakeCuda()
    monkeypatch.setattr(cuda_graphs.torch, "cuda", fake)
    assert captured(fake.run, nullcontext()) == ("graph", "results")
    warm_up = ["side waits for default", *["run on side"] * 3, "default waits for side"]
    assert fake.told == [*warm_up, "run on graph, thread_local"]


def test_every_name_of_the_fake_is_one_of_the_real_library() -> None:
    real = {"Stream", "current_stream", "CUDAGraph", "graph", "stream"}
    assert real <= set(dir(torch.cuda)) and real <= set(dir(_FakeCuda))
    assert "capture_error_mode" in signature(torch.cuda.graph.__init__).parameters


def test_statistics_for_each_stage_cannot_be_replayed() -> None:
    with pytest.raises(UserError, match="CUDA graphs"):
        ODEBlock(_Field("batch-per-stage", 4), cuda_graph=True)


def test_outside_of_cuda_nothing_changes() -> None:
    start = (torch.randn(2, 4, 5, 5),)
    plain, graphed = (ODEBlock(_Field(), gradient="checkpoint-stage", cuda_graph=flag) for flag in (False, True))
    assert torch.equal(plain(start)[0], graphed(start)[0])


class _EagerCapture(CudaGraphs):
    """Runs at once what would be captured, and keeps the leaves that autograd reaches meanwhile."""

    def __init__(self, f: nn.Module) -> None:
        super().__init__(f)
        self.leaves: list[Tensor] = []

    def replay(
        self, conditions: tuple[Hashable, ...], function: Function, time: float | Tensor, tensors: tuple[Tensor, ...]
    ) -> Outputs:
        with _leaves_reached_by_autograd(self.leaves.append):
            return function(time, tensors)


@contextmanager
def _leaves_reached_by_autograd(found: Callable[[Tensor], None]) -> Iterator[None]:
    """Whose AccumulateGrad nodes a call of `torch.autograd.grad` meets, all the way down."""
    plain = torch.autograd.grad

    def watched(outputs: Tensor | Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
        pending = [output.grad_fn for output in ([outputs] if isinstance(outputs, Tensor) else outputs)]
        while pending:
            node = pending.pop()
            if node is not None and hasattr(node, "variable"):
                found(node.variable)
            pending += [] if node is None else [following for following, _ in node.next_functions]
        return plain(outputs, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "grad", watched)
        yield


@pytest.mark.parametrize("compile_f", [False, "eager"])
def test_a_captured_product_reaches_no_parameters_own_node_but_gives_its_gradient(compile_f: bool | str) -> None:
    """The real engine would make the forward's stream wait for the capturing one there."""
    start = torch.randn(2, 4, 5, 5)
    plain = ODEBlock(_Field(), gradient="checkpoint-stage")
    graphed = ODEBlock(_Field(), gradient="checkpoint-stage", cuda_graph=True, compile_f=compile_f)
    graphed.f.block.recompute = not compile_f
    graphed._graphs = capture = _EagerCapture(graphed.f)
    gradients = [
        torch.autograd.grad(block((start,))[0].sin().sum(), list(block.parameters())) for block in (plain, graphed)
    ]
    own = {id(parameter) for parameter in graphed.parameters()}
    assert capture.leaves and not own & {id(leaf) for leaf in capture.leaves}
    addresses = {parameter.data_ptr() for parameter in graphed.parameters()}
    assert addresses <= {leaf.data_ptr() for leaf in capture.leaves}, "aliases lie in the parameters' memory"
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("norm", ["group", "batch"])
@pytest.mark.parametrize(
    ("solver", "gradient"),
    [("euler", "checkpoint-stage"), ("rk4", "quadrature-adjoint"), ("alf", "reversible"), ("dopri5", "aca")],
)
def test_replayed_solves_have_the_results_and_gradients_of_launched_ones(solver: str, gradient: str, norm: str) -> None:
    found = []
    for graph in (False, True):
        block = ODEBlock(_Field(norm), solver=solver, gradient=gradient, cuda_graph=graph).cuda()
        generator = torch.Generator().manual_seed(1)
        for _ in range(2):
            start = torch.randn(2, 4, 8, 8, generator=generator).cuda().requires_grad_()
            (output,) = block((start,))
            gradients = torch.autograd.grad(output.sin().sum(), [start, *block.parameters()])
        found.append([output, *gradients, *block.buffers()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)
