"""What the commands that predict share: the overheads as flags, and the options a case carries for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from segbench.devices.budgets import PAPER_GPU, Budget, compute_capability, cublas_workspace, parse_budget
from segbench.devices.choice import Device
from segbench.errors import UserError
from segbench.records.case import Case
from segbench.units import parse_bytes

BudgetText = Annotated[
    str | None,
    typer.Option(
        "--budget",
        help="Memory not to be exceeded, context included: 32GB, 32GiB, or a GPU such as v100-32gb, rtx-4090. "
        f"\\[default: the CUDA GPU's; predicted: {PAPER_GPU}]",
    ),
]
ContextText = Annotated[
    str,
    typer.Option(
        "--context",
        help="The CUDA context, outside the allocator. 426 MiB were measured empty (CUDA 13), about 400 MB is the "
        "maintainers' figure (pytorch#109888); before CUDA 11.7 above 1000MB (pytorch#107667).",
    ),
]
Workspaces = Annotated[
    str,
    typer.Option("--workspaces", help="cuDNN's workspaces in predictions: none, or upper (a crude Winograd bound)."),
]
CublasText = Annotated[
    str | None,
    typer.Option(
        "--cublas",
        help="A cuBLAS handle's workspace in predictions. \\[default: the GPU's: 32 MiB from Hopper on, else 8.1]",
    ),
]


Nfe = Annotated[
    int | None,
    typer.Option(
        "--nfe",
        help="Evaluations of f in an adaptive solve (aca: its search), for predictions.",
        min=3,
    ),
]


@dataclass(frozen=True)
class Assumed:
    """What a prediction takes for granted, as typed."""

    context: str = "500MiB"
    workspaces: str = "none"
    cublas: str | None = None
    nfe: int | None = None

    def in_case(self, case: Case, gpus: Sequence[str] = ()) -> Case:
        """The case with these as options, those only that deviate from the defaults, and the context.

        Args:
            gpus: names of the GPU that is predicted for, as far as one is known; they decide on cuBLAS's workspace.

        Raises:
            UserError: an amount that cannot be read, or another word for the workspaces.
        """
        if self.workspaces not in ("none", "upper"):
            raise UserError(f"no workspaces {self.workspaces!r}; choose none or upper")
        options: dict[str, object] = {"context_bytes": parse_bytes(self.context)}
        if self.workspaces != "none":
            options["workspaces"] = self.workspaces
        if self.cublas is not None:
            options["cublas_bytes"] = parse_bytes(self.cublas)
        elif gpu := next((name for name in gpus if compute_capability(name)), None):
            options["cublas_bytes"] = cublas_workspace(gpu)
        if self.nfe is not None:
            options["nfe"] = self.nfe
        return case.with_options(**options)


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
