"""What the commands that predict share: the assumptions and the budget as flags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from rich.console import Console
from typer import Option

from segbench.cli.flags import Group
from segbench.devices.budgets import GPU_BUDGETS, PAPER_GPU, Budget, parse_budget
from segbench.devices.calibrations import calibration_of
from segbench.devices.capabilities import gpu_assumptions
from segbench.devices.choice import Device
from segbench.errors import UserError
from segbench.records.options import Assumptions, Shared
from segbench.units import parse_bytes

BudgetText = Annotated[
    str | None,
    Option(
        "--budget",
        help="Memory not to be exceeded, context included: 32GB, 32GiB, or a GPU such as v100-32gb, rtx-4090. "
        f"\\[default: the CUDA device's; predicted: {PAPER_GPU}]",
        rich_help_panel="Conditions",
    ),
]

_CONSOLE = Console(stderr=True)
AssumptionsT = TypeVar("AssumptionsT", bound=Assumptions)
SharedT = TypeVar("SharedT", bound=Shared)


@dataclass(frozen=True, kw_only=True)
class PredictionFlags(Group):
    """What a prediction assumes."""

    panel: ClassVar[str] = "Prediction"

    gpu: Annotated[
        str | None,
        Option(
            "--gpu",
            help="The GPU meant, as in v100 or 'RTX A5000', or its compute capability: kernels of attention and "
            "cuBLAS's workspace depend on it. "
            "\\[default: the budget's or the device's]",
        ),
    ] = None
    context: Annotated[
        str | None,
        Option(
            "--context",
            help="The CUDA context, outside the allocator. 426 MiB were measured empty (CUDA 13), about 400 MB is the "
            "maintainers' figure (pytorch#109888); before CUDA 11.7 above 1000MB (pytorch#107667). "
            "\\[default: 500MiB, or what calibrate found]",
        ),
    ] = None
    workspaces: Annotated[
        Literal["none", "expected", "upper"],
        Option(
            "--workspaces",
            help="cuDNN's workspaces: expected fits the published peaks of V100s with cuDNN 7 best, upper takes more.",
        ),
    ] = "expected"
    cublas: Annotated[
        str | None,
        Option("--cublas", help="A cuBLAS handle's workspace. \\[default: the GPU's: 32 MiB from Hopper on, else 8.1]"),
    ] = None
    nfe: Annotated[
        int | None,
        Option("--nfe", help="Evaluations of f in an adaptive solve (aca: its search), for predictions.", min=3),
    ] = None
    attention: Annotated[
        Literal["flash", "efficient", "cudnn", "math"] | None,
        Option("--attention", help="The preferred CUDA kernel of attention. \\[default: torch's own order]"),
    ] = None
    strategy: Annotated[
        Literal["single", "ddp", "ddp-views", "fsdp"],
        Option(
            "--strategy",
            help="One process, or one of several: under DistributedDataParallel, whose buckets hold a second copy of "
            "all gradients (ddp), or the gradients themselves (ddp-views, gradient_as_bucket_view=True); or under "
            "FSDP2, whose ranks share parameters, gradients and the optimizer's state (fsdp).",
        ),
    ] = "single"
    ranks: Annotated[
        int, Option("--ranks", help="Processes that train together; memory is told of the one that needs most.", min=1)
    ] = 1
    assume_torch: Annotated[
        str | None,
        Option("--assume-torch", help="Predict what this older release kept, as in 1.8. \\[default: the torch here]"),
    ] = None

    def options(self, kind: type[AssumptionsT], gpus: Sequence[str] = ()) -> AssumptionsT:
        """As options of a task that predicts.

        Args:
            gpus: names of the GPU that is predicted for, as far as one is known, where the user names none.

        Raises:
            UserError: an amount or a release of torch that cannot be read, an unknown GPU, or ranks without a strategy.
        """
        self._require_sensible()
        amounts = {"context_bytes": self.context, "cublas_bytes": self.cublas}
        return kind.parse(
            {
                "workspaces": self.workspaces,
                **self._of_gpu(gpus),
                **{name: parse_bytes(text) for name, text in amounts.items() if text is not None},
                "nfe": self.nfe,
                "attention": self.attention,
                "assume_torch": self.assume_torch,
                "strategy": self.strategy,
                "ranks": self.ranks,
            }
        )

    def shared(self, kind: type[SharedT]) -> SharedT:
        """As options of a task that measures the same.

        Raises:
            UserError: see `options`.
        """
        self._require_sensible()
        return kind.parse({"strategy": self.strategy, "ranks": self.ranks})

    def _require_sensible(self) -> None:
        """Raises:
        UserError: ranks that do not suit their strategy, or an older torch that is no release.
        """
        Shared.parse({"strategy": self.strategy, "ranks": self.ranks}).require_sensible()
        if self.assume_torch is not None and not re.match(r"\d+\.\d+(\.|$)", self.assume_torch):
            raise UserError(f"--assume-torch {self.assume_torch} is no release of torch; give two numbers, such as 1.8")

    def _of_gpu(self, gpus: Sequence[str]) -> dict[str, Any]:
        """What the first GPU that is known brings with it: its own values where it was calibrated, and then says so."""
        for name in [self.gpu] if self.gpu else gpus:
            if own := calibration_of(name):
                _tell(
                    f"predicted with the context and workspaces that calibrate found on {own.gpu} (torch {own.torch})"
                )
                return self._unless_given(own.assumptions())
            if assumed := gpu_assumptions(name):
                return assumed
        if self.gpu:
            raise UserError(f"no GPU {self.gpu!r} is known; give one such as {', '.join(GPU_BUDGETS)}")
        return {}

    def _unless_given(self, assumed: dict[str, Any]) -> dict[str, Any]:
        """Without the workspaces, where the user wants others than the usual ones."""
        usual = type(self).workspaces
        return {name: value for name, value in assumed.items() if name != "workspaces" or self.workspaces == usual}


@lru_cache  # a command that predicts several times says it once
def _tell(sentence: str) -> None:
    _CONSOLE.print(sentence, highlight=False, soft_wrap=True)


def chosen_budget(text: str | None, where: Device) -> Budget:
    """The budget asked for; else the GPU's own memory, or the paper's GPU where nothing runs.

    Raises:
        UserError: an unknown GPU or amount, more than the GPU has, or a GPU that does not tell what it has.
    """
    if text is None and where.memory_bytes:
        return Budget(where.memory_bytes, where.title, "NVML")
    if text is None and where.is_cuda:
        raise UserError(f"NVML does not tell the memory of {where.title}; give --budget, as in --budget 32GB")
    if text is None:
        return parse_budget(PAPER_GPU)
    budget = parse_budget(text)
    if where.memory_bytes is not None and budget.bytes > where.memory_bytes:
        raise UserError(
            f"--budget {text} is more than {where.title} has ({where.memory_bytes / 2**30:.1f} GiB); "
            "choose less, or predict it with --device none"
        )
    return budget
