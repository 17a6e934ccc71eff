"""An inference in parts, on a network whose answer is known and a watch that only writes down what it is told."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from segbench.errors import UserError
from segbench.meters import latency
from segbench.meters.latency import LATENCY_PARTS, Inference, pipelined_seconds
from segbench.meters.sampling import Timing
from segbench.records.case import Case
from segbench.workload.step import Workload


class Notebook:
    """A watch that counts laps instead of seconds."""

    def __init__(self) -> None:
        self.laps: list[str] = []

    def start(self) -> None:
        self.laps = []

    def lap(self, name: str) -> None:
        self.laps.append(name)

    def stop(self) -> Timing:
        return Timing(len(self.laps), dict.fromkeys(self.laps, 1.0))


class Brightest(nn.Module):
    """Class scores are the colours: the class of a pixel is its strongest channel."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.was_training: bool | None = None

    def forward(self, images: Tensor) -> Tensor:
        self.was_training = self.training
        assert not torch.is_grad_enabled()
        return images[..., :: self.stride, :: self.stride]


def workload(network: nn.Module, **changes: object) -> Workload:
    case = Case("latency", "x", width=8, height=4, classes=3, **changes)  # type: ignore[arg-type]
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return Workload(case, network, None, torch.device("cpu"), lambda count: (torch.zeros(1), torch.zeros(1)), scaler)


def pictures(count: int = 2) -> Tensor:
    """Left half red, right half blue."""
    found = torch.zeros(count, 4, 8, 3, dtype=torch.uint8)
    found[:, :, :4, 0] = 255
    found[:, :, 4:, 2] = 255
    return found


@pytest.mark.parametrize("stride", [1, 2])
def test_pictures_go_in_and_label_maps_of_their_size_come_out(stride: int) -> None:
    network = Brightest(stride)
    inference = Inference(workload(network), pictures(), Notebook())
    timing = inference()
    assert tuple(timing.parts) == LATENCY_PARTS
    assert inference.labels.shape == (2, 4, 8) and inference.labels.dtype == torch.uint8
    assert inference.labels[0, 0].tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert network.was_training is False


def test_channels_last_reaches_the_network() -> None:
    class Layout(Brightest):
        def forward(self, images: Tensor) -> Tensor:
            assert images.is_contiguous(memory_format=torch.channels_last)
            return super().forward(images)

    Inference(workload(Layout(), channels_last=True), pictures(), Notebook())()


def test_another_number_of_classes_is_refused() -> None:
    asked = workload(Brightest())
    asked.case = Case("latency", "x", width=8, height=4, classes=11)
    with pytest.raises(UserError, match="gives 3 classes"):
        Inference(asked, pictures(), Notebook())()


def test_more_classes_than_a_byte_holds_get_a_wider_label() -> None:
    asked = workload(Brightest())
    asked.case = Case("latency", "x", width=8, height=4, classes=459)
    assert Inference(asked, pictures(), Notebook()).labels.dtype == torch.int32


class Queue:
    """A device that works off what was handed to it: a batch takes the host 1 s to launch and the device 3 s."""

    def __init__(self) -> None:
        self.now = self.busy_until = 0.0
        self.waits = 0

    def submit(self) -> None:
        self.now += 1
        self.busy_until = max(self.busy_until, self.now) + 3

    def synchronize(self) -> None:
        self.waits += 1
        self.now = max(self.now, self.busy_until)


def test_batches_in_flight_are_waited_for_once_and_launched_while_the_device_works() -> None:
    queue = Queue()
    found = pipelined_seconds(queue.submit, 10, queue.synchronize, lambda: queue.now)
    assert found == pytest.approx(3.1), "ten times three seconds and the first launch; one after another it were four"
    assert queue.waits == 2


def test_a_submitted_batch_ends_up_in_the_labels_and_is_not_timed() -> None:
    watch = Notebook()
    inference = Inference(workload(Brightest()), pictures(), watch)
    inference.submit()
    assert inference.labels[0, 0].tolist() == [0, 0, 0, 0, 2, 2, 2, 2]
    assert watch.laps == []


def test_with_the_switch_the_network_is_replayed_as_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Graphed:
        def __init__(self, name: str, network: nn.Module) -> None:
            made.append(name)
            self._network = network

        def __call__(self, images: Tensor) -> Tensor:
            return self._network(images)  # type: ignore[no-any-return]

    monkeypatch.setattr(latency, "GraphedNetwork", Graphed)
    Inference(workload(Brightest(), cuda_graph=True), pictures(), Notebook())()
    Inference(workload(Brightest()), pictures(), Notebook())()
    assert made == ["x"]


def test_scores_that_are_no_numbers_are_seen_once_and_outside_the_timing() -> None:
    class Spoilt(Brightest):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images) * float("nan")

    for network, finite in ((Brightest(), True), (Spoilt(), False)):
        inference = Inference(workload(network), pictures(), Notebook())
        assert inference.finite is None
        inference()
        assert inference.finite is finite
