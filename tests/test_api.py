"""The public list, drawn once: a name that goes or comes is a decision."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest
from torch import Tensor, nn

import segbench
from segbench import api
from segbench.errors import UserError
from segbench.estimate.prediction import predict_step
from segbench.records.case import Case
from segbench.tasks.predict import workload_on_meta


def test_the_public_names_are_these() -> None:
    assert segbench.__all__ == ["__version__", "build_network", "predict_memory", "read_ledger"]
    assert all(getattr(segbench, name) for name in segbench.__all__)


def test_importing_segbench_does_not_import_torch() -> None:
    program = "import sys, segbench; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predict_memry'"):
        _ = segbench.predict_memry  # type: ignore[attr-defined]


def test_a_modules_memory_is_predicted_as_the_command_predicts_its_card() -> None:
    case = Case("predict", "segnode-w8", width=96, height=64, batch_size=2, optimizer="sgd")
    by_command = predict_step(lambda: workload_on_meta(case), "train", 2)
    network = segbench.build_network("segnode-w8")
    before = next(network.parameters()).clone()
    by_api = segbench.predict_memory(network, 2, height=64, width=96)
    assert (by_api.live, by_api.reserved) == (by_command.live, by_command.reserved)
    assert next(network.parameters()).equal(before)
    assert isinstance(network, nn.Module)


@pytest.mark.parametrize("mode", ["train", "infer"])
def test_a_network_of_other_classes_is_refused_as_a_measurement_refuses_it(mode: str) -> None:
    with pytest.raises(UserError, match="Conv2d gives 19 classes, asked are 11; give classes=19"):
        segbench.predict_memory(nn.Conv2d(3, 19, 1), 2, height=16, width=16, mode=mode)
    assert segbench.predict_memory(nn.Conv2d(3, 19, 1), 2, height=16, width=16, mode=mode, classes=19).live


def test_class_scores_are_found_in_what_a_library_s_network_returns() -> None:
    class Named(nn.Conv2d):
        def forward(self, images: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
            scores = super().forward(images)
            return {"features": scores[:, :3], "logits": scores}

    named, plain = (segbench.predict_memory(kind(3, 11, 1), 2, height=16, width=16) for kind in (Named, nn.Conv2d))
    assert named.live == plain.live


def test_the_examples_of_the_public_names_run() -> None:
    result = doctest.testmod(api)
    assert result.failed == 0 and result.attempted >= 2
