"""What `meta` lets pass and no device takes, in counting and in predicting alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from segbench.errors import UserError
from segbench.records.case import Case
from segbench.tasks import params, predict
from segbench.workload.dtypes import require_one_dtype

NETWORKS = """
from torch import nn

class Half(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.layer = nn.Conv2d(3, classes, 1, bias=False).half()

    def forward(self, images):
        return self.layer(images)

class Casting(Half):
    def forward(self, images):
        return self.layer(images.half()).float()
"""


class Silent:
    def measured(self, measurement: Any) -> None: ...

    def progress(self, stage: str, done: int, total: int, **extra: Any) -> None: ...

    def note(self, sentence: str) -> None: ...


def case_of(tmp_path: Path, task: str, network: str) -> Case:
    (tmp_path / "net.py").write_text(NETWORKS)
    device = "none" if task == "predict" else "cpu"
    return Case(task, f"{tmp_path}/net.py:{network}", device=device, width=8, height=4, classes=2)


@pytest.mark.parametrize(("task", "run"), [("params", params.run), ("predict", predict.run)])
def test_half_weights_on_float32_images_are_refused_and_a_network_that_casts_is_not(
    tmp_path: Path, task: str, run: Any
) -> None:
    with pytest.raises(UserError, match="float32 and float16, which no device takes"):
        run(case_of(tmp_path, task, "Half"), Silent())
    run(case_of(tmp_path, task, "Casting"), Silent())


@pytest.mark.parametrize("other", [torch.float16, torch.float64])
def test_a_product_is_refused_where_the_cpu_refuses_it(other: torch.dtype) -> None:
    left, right = torch.ones(2, 2), torch.ones(2, 2, dtype=other)
    products: list[tuple[Any, tuple[Tensor, ...]]] = [
        (torch.ops.aten.mm.default, (left, right)),
        (torch.ops.aten.addmm.default, (right, left, left)),
        (torch.ops.aten.bmm.default, (left[None], right[None])),
        (torch.ops.aten.mv.default, (left, right[0])),
    ]
    for operator, arguments in products:
        with pytest.raises(RuntimeError):
            operator(*arguments)
        with pytest.raises(UserError):
            require_one_dtype(operator, arguments)
    require_one_dtype(torch.ops.aten.add.Tensor, (left, right))
