"""What the commands that predict share: the assumptions and the budget as flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, TypeVar

from typer import Option

from segbench.cli.flags import Group
from segbench.devices.budgets import PAPER_GPU, Budget, compute_capability, cublas_workspace, parse_budget
from segbench.devices.choice import Device
from segbench.errors import UserError
from segbench.records.options import Assumptions
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

AssumptionsT = TypeVar("AssumptionsT", bound=Assumptions)


@dataclass(frozen=True, kw_only=True)
class PredictionFlags(Group):
    """What a prediction assumes."""

    panel: ClassVar[str] = "Prediction"

    context: Annotated[
        str,
        Option(
            "--context",
            help="The CUDA context, outside the allocator. 426 MiB were measured empty (CUDA 13), about 400 MB is the "
            "maintainers' figure (pytorch#109888); before CUDA 11.7 above 1000MB (pytorch#107667).",
        ),
    ] = "500MiB"
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
        int, Option("--ranks", help="Processes that train together, with a GPU each; memory is told of one.", min=1)
    ] = 1
    assume_torch: Annotated[
        str | None,
        Option("--assume-torch", help="Predict what this older release kept, as in 1.8. \\[default: the torch here]"),
    ] = None

    def options(self, kind: type[AssumptionsT], gpus: Sequence[str] = ()) -> AssumptionsT:
        """As options of a task that predicts.

        Args:
            gpus: names of the GPU that is predicted for, as far as one is known; they decide on cuBLAS's workspace.

        Raises:
            UserError: an amount that cannot be read.
        """
        gpu = next((name for name in gpus if compute_capability(name)), None)
        cublas = parse_bytes(self.cublas) if self.cublas is not None else cublas_workspace(gpu) if gpu else None
        return kind.parse(
            {
                "context_bytes": parse_bytes(self.context),
                "workspaces": self.workspaces,
                "cublas_bytes": cublas,
                "nfe": self.nfe,
                "attention": self.attention,
                "strategy": self.strategy,
                "ranks": self.ranks,
                "assume_torch": self.assume_torch,
            }
        )


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
