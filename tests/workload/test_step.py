from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from segbench.errors import UserError
from segbench.records.case import Case
from segbench.workload.step import build_workload, check_classes

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, classes, 1))

class Three(Net):
    def __init__(self):
        super().__init__(3)

class OneSize(Net):
    def forward(self, images):
        assert images.shape[-2:] == (260, 200)
        return super().forward(images)

class Fixed(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def forward(self, images):
        return images[:, :1].expand(-1, self.classes, -1, -1)
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    (tmp_path / "net.py").write_text(NET)
    return str(tmp_path / "net.py")


def case(net: str, name: str = "Net", **changes: object) -> Case:
    values = {"width": 16, "height": 12, "batch_size": 2, "classes": 5, "optimizer": "sgd", **changes}
    return Case("memory", f"{net}:{name}", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_training_steps_reduce_the_loss(net: str, optimizer: str) -> None:
    workload = build_workload(case(net, optimizer=optimizer), "cpu")
    images, labels = workload.make_batch()
    losses = [float(workload.train_step(images, labels)) for _ in range(20)]
    assert losses[-1] < losses[0]


def test_without_an_optimizer_the_weights_stay(net: str) -> None:
    workload = build_workload(case(net, optimizer="none"), "cpu")
    before = [p.clone() for p in workload.network.parameters()]
    workload.train_step(*workload.make_batch())
    assert all(torch.equal(a, b) for a, b in zip(before, workload.network.parameters(), strict=True))
    assert all(p.grad is not None for p in workload.network.parameters())


def test_inference_is_in_eval_mode_without_gradients(net: str) -> None:
    workload = build_workload(case(net), "cpu")
    scores = workload.infer(workload.make_batch(3)[0])
    assert scores.shape == (3, 5, 12, 16)
    assert not workload.network.training
    assert not scores.requires_grad


def test_ignored_pixels_do_not_count(net: str) -> None:
    workload = build_workload(case(net, optimizer="none"), "cpu")
    images, labels = workload.make_batch()
    half = labels.clone()
    half[:, :, 8:] = 255
    with torch.no_grad():
        workload.network.eval()
        scores = workload.network(images)
        by_hand = torch.nn.functional.cross_entropy(scores[..., :8], labels[..., :8])
        assert torch.allclose(workload.loss(images, half), by_hand)


def test_bf16_autocasts_the_forward(net: str) -> None:
    workload = build_workload(case(net, precision="bf16"), "cpu")
    assert workload.infer(workload.make_batch()[0]).dtype is torch.bfloat16


def test_a_workload_can_stand_on_meta(net: str) -> None:
    workload = build_workload(case(net), "meta")
    assert workload.train_step(*workload.make_batch()).device.type == "meta"


def test_channels_last_reaches_weights_and_images(net: str) -> None:
    workload = build_workload(case(net, channels_last=True), "cpu")
    images, _ = workload.make_batch()
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_another_number_of_classes_is_the_users_mistake(net: str) -> None:
    workload = build_workload(case(net, "Three"), "cpu")
    with pytest.raises(UserError, match="gives 3 classes, asked are 5; use --classes 3"):
        check_classes(workload, workload.infer(workload.make_batch()[0]))


def test_a_network_without_parameters_infers(net: str) -> None:
    workload = build_workload(case(net, "Fixed"), "cpu")
    assert workload.optimizer is None
    assert workload.infer(workload.make_batch()[0]).shape[1] == 5


def test_fp16_on_the_cpu_is_refused(net: str) -> None:
    with pytest.raises(UserError, match="fp16 trains only on CUDA"):
        build_workload(case(net, precision="fp16"), "cpu")


@pytest.mark.parametrize(("optimizer", "keeps_state"), [("sgd", True), ("adamw", True), ("none", False)])
def test_an_optimizer_awaits_its_momenta_until_its_first_step(net: str, optimizer: str, keeps_state: bool) -> None:
    workload = build_workload(case(net, optimizer=optimizer), "cpu")
    assert workload.awaits_momenta is keeps_state
    workload.train_step(*workload.make_batch())
    assert not workload.awaits_momenta


@pytest.mark.parametrize(
    ("name", "seen"), [("Net", [(65, 64)]), ("OneSize", [(65, 64), (260, 200)])], ids=["a corner", "the whole image"]
)
def test_momenta_are_made_on_the_smallest_image_the_network_takes(net: str, name: str, seen: list[object]) -> None:
    workload = build_workload(case(net, name, width=200, height=260), "cpu")
    sizes: list[object] = []
    workload.network.register_forward_pre_hook(lambda _, inputs: sizes.append(tuple(inputs[0].shape[-2:])))
    workload.make_momenta()
    assert sizes == seen and not workload.awaits_momenta
    workload.make_momenta()
    assert sizes == seen, "there is nothing more to make"


def test_steps_that_the_scaler_skips_leave_the_momenta_awaited(net: str) -> None:
    workload = build_workload(case(net, optimizer="adamw"), "cpu")
    workload.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)  # the scaled loss overflows, as fp16's does
    with torch.no_grad():
        workload.network[-1].weight.mul_(1000)  # type: ignore[index]
    batch, waits = workload.make_batch(), []
    for _ in range(20):
        workload.train_step(*batch)
        waits.append(workload.awaits_momenta)
    assert waits[0] and not waits[-1]


TWO_OUTPUTS = """
from torch import nn

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.main, self.aux = nn.Conv2d(3, classes, 1), nn.Conv2d(3, classes, 1)

    def forward(self, images):
        return {"aux": self.aux(images), "main": self.main(images)}
"""


@pytest.mark.parametrize(("weight", "trained"), [(None, True), (0.0, False)])
def test_a_step_trains_all_outputs_with_their_weights(tmp_path: Path, weight: float | None, trained: bool) -> None:
    """So that its memory and its time are those of the training."""
    (tmp_path / "net.py").write_text(TWO_OUTPUTS)
    workload = build_workload(case(str(tmp_path / "net.py"), aux_weight=weight, optimizer="none"), "cpu")
    images, labels = workload.make_batch()
    workload.train_step(images, labels)
    network = workload.network
    assert network.main.weight.grad is not None
    assert (network.aux.weight.grad is not None) == trained
    assert torch.equal(workload.infer(images), network(images)["main"])
    network.train()
    main, aux = (functional.cross_entropy(network(images)[name], labels) for name in ("main", "aux"))
    assert torch.allclose(workload.loss(images, labels), main + (0.4 * aux if trained else 0))


OWN_LOSS = """
from torch import nn

class Net(nn.Conv2d):
    def __init__(self, classes):
        super().__init__(3, classes, 1)

    def training_loss(self, images, labels):
        return 7 + 0 * self(images).mean() * labels.sum()
"""


SUPERVISES_ITSELF = """
from torch import nn

class Net(nn.Conv2d):
    def __init__(self, classes):
        super().__init__(3, classes, 1)

    def supervise(self, images, targets, loss, moment):
        assert (moment.draw, moment.progress) == (0.5, 0.0)
        return 2 * loss.total(self(images), targets)
"""


def test_a_network_that_supervises_itself_makes_the_step_of_its_trainings_beginning(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(SUPERVISES_ITSELF)
    workload = build_workload(case(str(tmp_path / "net.py"), optimizer="none"), "cpu")
    images, labels = workload.make_batch()
    labels[:, :2] = 255
    expected = 2 * functional.cross_entropy(workload.network(images), labels, ignore_index=255)
    assert torch.allclose(workload.loss(images, labels), expected)
    assert "supervision" in str(workload.outputs.traits.loss)


def test_a_loss_of_the_networks_own_goes_before_cross_entropy(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(OWN_LOSS)
    workload = build_workload(case(str(tmp_path / "net.py"), optimizer="none"), "cpu")
    assert float(workload.train_step(*workload.make_batch())) == 7
    assert workload.network.weight.grad is not None
