"""Networks that are whole only after their first forward pass, in every command that counts, moves or trains them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from segbench.errors import UserError
from segbench.records.case import Case
from segbench.records.measurement import Measurement
from segbench.tasks import latency, memory, params, predict
from segbench.workload.first_forward import complete
from segbench.workload.network import build_case_network
from segbench.workload.step import build_workload

NETWORKS = """
import torch
from torch import nn
from torch.nn import functional as F

class Lazy(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.a = nn.LazyConv2d(16, 3, padding=1, stride=4)
        self.n = nn.LazyBatchNorm2d()
        self.b = nn.LazyConv2d(classes, 1)

    def forward(self, images):
        return self.b(F.relu(self.n(self.a(images))))

class Growing(nn.Module):
    calls = 0

    def __init__(self, classes):
        super().__init__()
        self.a = nn.Conv2d(3, 16, 3, 4, 1)
        self.classes, self.b = classes, None

    def forward(self, images):
        maps = self.a(images)
        if self.b is None:
            self.b = nn.Conv2d(16, self.classes, 1).to(maps.device)
        return self.b(maps)

class Unreached(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.a, self.aux = nn.Conv2d(3, classes, 1), nn.LazyConv2d(classes, 1)

    def forward(self, images):
        return self.a(images)

class Whole(nn.Conv2d):
    def __init__(self, classes):
        super().__init__(3, classes, 1)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, images):
        self.calls += 1
        return super().forward(images)
"""

LAZY, GROWING = 16 * 3 * 9 + 16 + 2 * 16 + 16 * 11 + 11, 16 * 3 * 9 + 16 + 16 * 11 + 11


@pytest.fixture
def nets(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETWORKS)
    return tmp_path / "nets.py"


class Heard:
    """Keeps the rows a task reports."""

    def __init__(self) -> None:
        self.rows: dict[str, Measurement] = {}

    def measured(self, measurement: Measurement) -> None:
        self.rows[measurement.quantity] = measurement

    def progress(self, stage: str, done: int, total: int, **extra: Any) -> None: ...

    def note(self, sentence: str) -> None: ...


def case(nets: Path, name: str, **changes: Any) -> Case:
    values = {"task": "memory", "width": 32, "height": 16, "batch_size": 2, "classes": 11, "warmup": 1, **changes}
    return Case(model=f"{nets}:{name}", **values)


@pytest.mark.parametrize("task", [params, memory, predict])
@pytest.mark.parametrize(("name", "parameters"), [("Lazy", LAZY), ("Growing", GROWING)])
def test_every_command_counts_what_the_first_pass_makes(task: Any, name: str, parameters: int, nets: Path) -> None:
    report = Heard()
    asked = case(nets, name, task=task.__name__.rpartition(".")[2])
    task.run(asked.with_options(crosscheck=False) if task is params else asked, report)
    assert report.rows["parameters"].value == parameters
    if task is not params:
        assert (report.rows["train_peak_live_bytes"].value or 0) > 4 * parameters


def test_a_lazy_network_is_timed(nets: Path) -> None:
    report = Heard()
    options = {"round_seconds": 0.1, "round_min_runs": 2, "round_max_runs": 2}
    latency.run(case(nets, "Lazy", task="latency", modes=("infer",)).with_options(**options), report)
    assert report.rows["latency_s"].value


@pytest.mark.parametrize("name", ["Lazy", "Growing"])
def test_a_step_trains_what_the_first_pass_makes(name: str, nets: Path) -> None:
    workload = build_workload(case(nets, name, optimizer="sgd"), "cpu")
    before = {key: value.clone() for key, value in workload.network.named_parameters()}
    workload.train_step(*workload.make_batch())
    changed = [key for key, value in workload.network.named_parameters() if not torch.equal(value, before[key])]
    assert {"a.weight", "b.weight"} <= set(changed)


def test_a_network_that_is_whole_is_not_run(nets: Path) -> None:
    assert float(build_case_network(case(nets, "Whole")).calls) == 0  # type: ignore[arg-type]


def test_random_numbers_and_the_mode_go_on_as_if_nothing_had_run() -> None:
    network = nn.Sequential(nn.LazyConv2d(4, 1), nn.Dropout(), nn.LazyBatchNorm2d())
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    complete(network, (4, 4), None)
    assert torch.equal(torch.rand(2), expected)
    assert network.training
    assert torch.equal(network[2].running_mean, torch.zeros(4))  # type: ignore[arg-type]


def test_a_lazy_layer_that_no_pass_reaches_is_refused(nets: Path) -> None:
    with pytest.raises(UserError, match=r"not reached by a forward pass in eval mode \(aux\.weight\)"):
        build_case_network(case(nets, "Unreached"))
