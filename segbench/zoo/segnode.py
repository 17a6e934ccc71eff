"""SegNode: HRNetV2's last module as the right-hand side of an ODE (SegNode paper, section 3.2 and figure 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

from torch import Tensor, nn

from segbench.adaptive.solver import SolverRun
from segbench.errors import UnknownName, UserError
from segbench.ode.block import ODEBlock
from segbench.ode.methods import stages_of
from segbench.zoo.blocks import Answer, Size, main_logits, size_of
from segbench.zoo.exchange import ExchangeModule
from segbench.zoo.hrnet import HRNetFront
from segbench.zoo.ocr import OCRHead
from segbench.zoo.region_run import RegionRun
from segbench.zoo.streams import W48, StreamEntry, StreamExit, Streams, add_streams

Time = Literal["autonomous", "film"]
Front = Literal["convs", "hrnet"]


class ExchangeField(nn.Module):
    """The f of SegNode: `f(t, h) = M1(h) + M2(h + M1(h))`, what two residual modules in series would add to h.

    That the modules are composed as residual ones is our inference ("a single or multiple modules act as the function
    f"). 2 x 10,001,376 parameters at the paper's widths; arguments as `ExchangeModule`'s.
    """

    def __init__(
        self,
        widths: Sequence[int] = W48,
        modules: int = 2,
        blocks: int = 4,
        norm: str = "group",
        skip: bool = False,
        recompute: bool = True,
        time_conditioned: bool = False,
        stages: int = 0,
    ) -> None:
        super().__init__()
        self.exchanges = nn.ModuleList(
            ExchangeModule(widths, blocks, norm, skip, "doubling", recompute, time_conditioned, stages)
            for _ in range(modules)
        )

    def forward(self, time: float | Tensor, streams: Streams) -> Streams:
        """The derivative of each stream, same shapes."""
        return self.composed(streams, lambda exchange, maps: exchange(maps, time))

    def composed(self, streams: Streams, change: Callable[[ExchangeModule, Streams], Streams]) -> Streams:
        """The derivative, by what a module changes."""
        first, *others = self.exchanges
        slope = change(first, streams)  # type: ignore[arg-type]
        for exchange in others:
            slope = add_streams(slope, change(exchange, add_streams(streams, slope)))  # type: ignore[arg-type]
        return slope


class SegNode(nn.Module):
    """Four streams of an image evolve by `dh/dt = f(t, h)` from t = 0 to `t_end`; what they become is classified.

    Entry: a stem to 1/4 and four convolutions make `h(0)`, `(N, widths[i], H / 2**(i+2), W / 2**(i+2))`. An ODE solver
    gives `h(t_end)`. Exit: a 1x1 convolution a stream, summed at 1/4, enlarged bilinearly. Depth is a matter of the
    solver: its steps share the weights of f, so parameters and memory are a fraction of HRNetV2's, and the exit can
    read the state at any time (`trajectory`).

    20,948,124 parameters at 11 classes (the paper prints 20.9 million; table 2), FiLM adds 11,520. The paper runs
    "the Runge-Kutta solver" of torchdiffeq with the adjoint method, batch norm and unstated tolerances (card
    `segnode-paper`, where 1e-3 is our choice). The defaults are ours: four Euler steps, plain back-propagation through
    them, group norm and recomputed norms, which cost less than HRNetV2 in memory and time, with exact gradients. Few
    evaluations of f are what makes it cheap: 6.3 of them cost one HRNetV2 forward pass.

    Args:
        classes: of the logits.
        widths: channels of the four streams.
        stem: channels of the stem.
        modules: exchange modules composed in f.
        blocks: small blocks a stream in a module.
        norm: `group`, `batch`, or `batch-per-stage` (statistics of its own for each evaluation of a fixed grid).
        time: `autonomous`, or `film`: f sees t by a per-channel scale and shift in its small blocks.
        skip: small blocks add their input.
        solver, gradient, steps, t_end, rtol, atol, per_sample_norm, compile_f, cuda_graph: see
            `segbench.ode.block.ODEBlock`; `steps` matters to fixed grids, the tolerances to adaptive solvers.
        recompute: norm, ReLU and convolution keep one tensor instead of two for the backward pass.
        front: what makes `h(0)`: `convs` as above, or `hrnet`, HRNetV2 up to the entry of stage four (ours; more
            parameters, batch norm).
        front_modules: of stages two and three, for `hrnet`.
        ocr_width: channels of an OCR head (`segbench.zoo.ocr`) that reads the four streams after the solver, resized
            and concatenated as HRNetV2's, in the place of the exit. The paper names SegNode+OCR and does not say how
            OCR is attached: this is ours. None: no OCR.
        region: side in pixels of the regions that a policy can stop one by one, a multiple of 32; None: it stops
            whole images. Matters to `begin` only.
        small: so many of the smallest streams go on in regions that have stopped.
        inputs: channels of the images, or of the maps that another network gives in their place.

    Raises:
        UnknownName: another norm, time, front, solver or gradient method.
        UserError: a solver and a gradient method that do not go together; a region in which a stream has no whole
            pixels.
    """

    default_policy: str | None = None
    simulated: str | None = None

    def __init__(
        self,
        classes: int = 11,
        widths: Sequence[int] = W48,
        stem: int = 64,
        modules: int = 2,
        blocks: int = 4,
        norm: str = "group",
        time: Time = "autonomous",
        skip: bool = False,
        solver: str = "euler",
        gradient: str = "backprop",
        steps: int = 4,
        t_end: float = 1.0,
        rtol: float = 1e-3,
        atol: float = 1e-3,
        per_sample_norm: bool = False,
        compile_f: bool = False,
        cuda_graph: bool = False,
        recompute: bool = True,
        front: Front = "convs",
        front_modules: Sequence[int] = (1, 1),
        ocr_width: int | None = None,
        region: int | None = None,
        small: int = 2,
        inputs: int = 3,
    ) -> None:
        super().__init__()
        if region is not None and (region < 32 or region % 32):
            raise UserError(f"region is {region} pixels; all streams have whole pixels in a region of 32, 64, 96, ...")
        if not 0 <= small < len(widths):
            raise UserError(
                f"small is {small}; of {len(widths)} streams 0 to {len(widths) - 1} can be computed everywhere"
            )
        self.region, self.small = region, small
        self.multiple_of = region or 1
        for kind, value, known in (("time conditioning", time, Time), ("front", front, Front)):
            if value not in get_args(known):
                raise UnknownName(kind, value, get_args(known))
        self.entry = (
            StreamEntry(widths, stem, norm, inputs)
            if front == "convs"
            else HRNetFront(widths, front_modules, blocks, stem, stage1_width=stem, inputs=inputs)
        )
        stages = stages_of(solver, steps) if norm == "batch-per-stage" else 0
        self.ode = ODEBlock(
            ExchangeField(widths, modules, blocks, norm, skip, recompute, time == "film", stages),
            solver=solver,
            gradient=gradient,
            steps=steps,
            t_end=t_end,
            rtol=rtol,
            atol=atol,
            per_sample_norm=per_sample_norm,
            compile_f=compile_f,
            cuda_graph=cuda_graph,
        )
        self.exit = StreamExit(widths, classes) if ocr_width is None else OCRHead(widths, classes, ocr_width, norm)

    @property
    def t_end(self) -> float:
        """The time at which `forward` answers."""
        return self.ode.t_end

    def encode(self, images: Tensor) -> Streams:
        """`images` `(N, 3, H, W)` -> `h(0)`."""
        streams: Streams = self.entry(images)
        return streams

    def decode(self, streams: Streams, size: Size) -> Answer:
        """A state at any time -> logits `(N, classes, *size)`."""
        answer: Answer = self.exit(streams, size)
        return answer

    def forward(self, images: Tensor) -> Answer:
        """`images` `(N, 3, H, W)` -> logits `(N, classes, H, W)` at `t_end`."""
        return self.decode(self.ode(self.encode(images)), size_of(images))

    def begin(self, images: Tensor) -> SolverRun:
        """A solve of `images` in which each of them, or each of its regions, can stop after any step, for a policy."""
        return SolverRun(self, images) if self.region is None else RegionRun(self, images, self.region)

    def trajectory(self, images: Tensor, times: Sequence[float]) -> list[Tensor]:
        """Logits at each of `times` (ascending), from one solve."""
        states = self.ode.trajectory(self.encode(images), times)
        return [main_logits(self.decode(state, size_of(images))) for state in states]
