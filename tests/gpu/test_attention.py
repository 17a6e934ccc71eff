"""Kernels of attention on a real CUDA device: which is chosen, and what each keeps and takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from segbench.devices.capabilities import cublas_workspace
from segbench.estimate.attention_backends import Backend, Call, Kernels, backend_on_cuda
from segbench.estimate.overheads import Overheads
from segbench.estimate.prediction import predict_step
from segbench.meters.cuda_memory import measure_cuda_peaks
from tests.estimate.test_attention import Attends, Half
from tests.estimate.test_step import CLASSES, Work

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")]

DEVICE = torch.device("cuda:0")
BACKENDS: dict[Backend, SDPBackend] = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
SIDE = 256
"""Pixels: 4096 tokens, so that an attention matrix of four heads takes 268 MB in float32."""


class Large(Work):
    def make_batch(self, count: int | None = None, /) -> tuple[Tensor, Tensor]:
        size = (count or 1, SIDE, SIDE)
        images = torch.randn(size[0], 3, *size[1:], device=self.device)
        return images, torch.randint(0, CLASSES, size, device=self.device)


def network(half: bool) -> nn.Module:
    return Half(Attends(layers=4)) if half else Attends(layers=4)


@pytest.mark.parametrize("mode", ["train", "infer"])
@pytest.mark.parametrize(
    ("kernel", "half"), [("flash", True), ("efficient", False), ("efficient", True), ("cudnn", True), ("math", False)]
)
def test_each_kernel_takes_what_is_predicted(kernel: Backend, half: bool, mode: str) -> None:
    capability = torch.cuda.get_device_capability(DEVICE)
    if kernel in ("flash", "cudnn") and capability < (8, 0):
        pytest.skip("needs compute capability 8.0")
    work = Large(network(half).to(DEVICE), "cuda:0")

    def step() -> None:
        images, labels = work.make_batch(1)
        if mode == "train":
            work.train_step(images, labels)
        else:
            del labels
            work.infer(images)

    with sdpa_kernel(BACKENDS[kernel]):
        real = measure_cuda_peaks(step, DEVICE, warmup=1, repeats=2)
    overheads = Overheads(cublas_bytes=cublas_workspace(torch.cuda.get_device_name(DEVICE)))
    kernels = Kernels(kernel, capability)
    found = predict_step(lambda: Large(network(half), "meta"), mode, 1, overheads, kernels=kernels)
    assert found.allocated == pytest.approx(real.allocated, rel=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [8, 12, 64, 128, 256, 264])
@pytest.mark.parametrize("masked", [False, True])
def test_the_kernel_that_is_predicted_is_the_one_torch_chooses(dtype: torch.dtype, size: int, masked: bool) -> None:
    heads = torch.randn(2, 4, 64, size, dtype=dtype, device=DEVICE)
    mask = torch.zeros(64, 64, dtype=dtype, device=DEVICE) if masked else None
    chosen = SDPBackend(torch._fused_sdp_choice(heads, heads, heads, mask))
    call = Call(heads, heads, heads, mask)
    assert BACKENDS[backend_on_cuda(call, Kernels(capability=torch.cuda.get_device_capability(DEVICE)))] == chosen
