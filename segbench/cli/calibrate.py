"""`segbench calibrate`: what this GPU takes beside tensors, for predictions that name it."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from typer import Option

from segbench.cells.cell import Result
from segbench.cells.jobs import Single
from segbench.cli import session
from segbench.cli.show import EXIT_CELL_FAILED, show
from segbench.devices.calibrations import Calibration, store
from segbench.devices.choice import Device, choose_device
from segbench.errors import UserError
from segbench.present.calibration import calibration_tables
from segbench.present.progress import CellProgress, print_stderr_tail
from segbench.records.case import Case

_DeviceName = Annotated[str, Option("--device", help="auto, cuda or cuda:N.")]
_TIMEOUT_S = 120.0
"""It takes less than a minute; a GPU that others use may take longer."""


def calibrate(device: _DeviceName = "auto") -> None:
    """What this GPU takes beside tensors: context, workspaces of cuBLAS and cuDNN, what attention keeps.

    Takes less than a minute and is kept in the user's folder: predictions for this GPU (--gpu, --budget, or a search
    on it) then assume its own context and workspaces, and say so; what attention keeps is shown only.
    """
    where = choose_device(device, "calibrate")
    if not where.is_cuda:
        raise UserError(f"calibrate measures a CUDA GPU, and this is {where.title} ({where.why or device})")
    found = _calibration(_measured(where))
    path = store(found)
    show(calibration_tables(found), [], "table")
    Console(stderr=True).print(f"wrote {path}", highlight=False, soft_wrap=True)


def _measured(where: Device) -> Result:
    """Raises:
    UserError: the GPU cannot be calibrated.
    """
    console, case = Console(stderr=True), Case("calibrate", "", device=where.name)
    with CellProgress({case: where.title}, console) as progress:
        (result,) = session.local_executor().submit(Single(case), _TIMEOUT_S, progress.listen).result()
    print_stderr_tail(console, where.title, result.stderr)
    if result.user_error:
        raise UserError(result.cause or "the calibration failed")
    if result.outcome != "ok":
        typer.echo(f"segbench: the calibration {result.outcome}: {result.cause}", err=True)
        raise typer.Exit(EXIT_CELL_FAILED)
    return result


def _calibration(result: Result) -> Calibration:
    rows = {row.quantity: row for row in result.measurements}
    context, cublas = rows["context_bytes"], rows["cublas_workspace_bytes"]
    detail = {**context.detail, "capability": tuple(context.detail["capability"])}
    return Calibration(
        context_bytes=None if context.value is None else int(context.value),
        cublas_bytes=int(cublas.value or 0),
        **detail,
    )
