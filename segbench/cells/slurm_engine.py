"""Slurm as an engine, through submitit: jobs that are submitted together are one array."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from segbench.cells.cluster import Needs, Standing, WorkerLost, sentence_of
from segbench.cells.worker import RemoteAnswer, RemoteJob, answer, worker_node
from segbench.devices.node import Node
from segbench.errors import UserError


@dataclass(frozen=True)
class SlurmWish:
    """What every job of a command asks of Slurm beside its cores and GPUs.

    Attributes:
        minutes: after which Slurm ends a job.
        accelerator: the GPU's type in `--gres=gpu:TYPE:1`; None for any.
    """

    minutes: int
    partition: str | None = None
    constraint: str | None = None
    accelerator: str | None = None


class SlurmEngine:
    """A Slurm cluster whose nodes share this machine's disk and Python.

    Args:
        folder: on that disk, for submitit's files.
        wish: of every job.
        local: run jobs as processes of this machine, to try a command without Slurm.

    Raises:
        UserError: submitit is not installed, or there is no Slurm here.
    """

    def __init__(self, folder: Path, wish: SlurmWish, local: bool = False) -> None:
        self._library = _library()
        if not local and shutil.which("sbatch") is None:
            raise UserError("there is no sbatch here; run this where Slurm takes jobs, or try it with --address local")
        self._wish, self._folder = wish, folder / "%j"
        self._cluster = "local" if local else "slurm"

    def nodes(self, gpus: bool) -> Sequence[Node]:
        """One machine of the kind, asked by a job: the others are told apart when they answer."""
        needs = Needs(int(gpus or self._wish.accelerator is not None), 1)
        return [self._result(self._executor(needs).submit(worker_node))]

    def start(self, calls: Sequence[tuple[RemoteJob, Needs]]) -> Sequence[Any]:
        found: dict[int, Any] = {}
        for needs in dict.fromkeys(needs for _, needs in calls):
            executor = self._executor(needs)
            with executor.batch():
                for number, (call, own) in enumerate(calls):
                    if own == needs:
                        found[number] = executor.submit(answer, call)
        return [found[number] for number in range(len(calls))]

    def ended(self, handles: Collection[Any], wait_s: float) -> Collection[Any]:
        deadline = time.monotonic() + wait_s
        while True:
            found = [job for job in handles if job.done()]
            if found or time.monotonic() > deadline:
                return found
            time.sleep(wait_s / 10)

    def answer(self, handle: Any) -> RemoteAnswer:
        found: RemoteAnswer = self._result(handle)
        return found

    def standing(self, handles: Collection[Any]) -> Standing:
        running = [job for job in handles if job.state == "RUNNING"]
        hosts = {job.get_info().get("NodeList", "this machine") for job in running}
        return Standing(len(hosts), len(running))

    def cancel(self, handles: Collection[Any]) -> None:
        for job in handles:
            job.cancel()

    def _executor(self, needs: Needs) -> Any:
        gpu = f"gpu:{self._wish.accelerator}:{needs.gpus}" if self._wish.accelerator and needs.gpus else None
        wishes = {
            "timeout_min": self._wish.minutes,
            "cpus_per_task": needs.cpus,
            "gpus_per_node": None if gpu else needs.gpus or None,
            "slurm_gres": gpu,
            "slurm_partition": self._wish.partition,
            "slurm_constraint": self._wish.constraint,
            "slurm_exclusive": True if needs.cpus is None else None,
        }
        executor = self._library.AutoExecutor(folder=self._folder, cluster=self._cluster)
        executor.update_parameters(
            name="segbench", **{name: value for name, value in wishes.items() if value is not None}
        )
        return executor

    def _result(self, job: Any) -> Any:
        utils = self._library.core.utils
        try:
            return job.result()
        except (utils.UncompletedJobError, utils.FailedJobError) as error:
            raise WorkerLost(sentence_of(error)) from error


def minutes_of(text: str) -> int:
    """Slurm's own forms of a time limit, rounded up: `90`, `01:30:00`, `2-00:00:00`.

    Raises:
        UserError: none of them.
    """
    match = re.fullmatch(r"(?:(?:(\d+)-)?(\d{1,2}):(\d\d):(\d\d))|(\d+)", text)
    if match is None:
        raise UserError(f"--time {text!r} is no time limit; write minutes (90), hours (01:30:00) or days (2-00:00:00)")
    days, hours, minutes, seconds, alone = (int(part or 0) for part in match.groups())
    return alone or (days * 24 + hours) * 60 + minutes + bool(seconds)


def _library() -> Any:
    """Raises:
    UserError: it is not installed.
    """
    try:
        import submitit
        import submitit.core.utils
    except ImportError as error:
        raise UserError("--executor slurm needs submitit: pip install 'segbench[slurm]'") from error
    return submitit
