"""Why numbers of ours and of the paper differ, as far as it is known: each reason with the columns it is about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KnownReason:
    """One reason.

    Attributes:
        columns: names of columns of the study.
        sentence: the reason.
        source: where it can be checked.
    """

    columns: tuple[str, ...]
    sentence: str
    source: str


V100_FLOPS = 15.7e12
"""Single precision peak of a Tesla V100 SXM2 32 GB (NVIDIA Tesla V100 datasheet)."""

HALF_A_MILLISECOND = 0.5e-3
"""To which the paper's test times are rounded."""

WINOGRAD_SAVES = 4
"""The most that cuDNN's Winograd kernels save of a 3x3 convolution's multiplications: F(4x4, 3x3) (Lavin and Gray, Fast
Algorithms for Convolutional Neural Networks, CVPR 2016)."""

TABLE2_REASONS = (
    KnownReason(
        ("test_time", "epoch_time"),
        "The paper's times were probably taken without synchronising the GPU: U-Net's 126.9 GMAC per image are 254 "
        "GFLOP and take 16 ms at the V100's peak of 15.7 TFLOPS in fp32; the paper prints 4 ms. Even with the best "
        "Winograd kernel in every layer, 4 ms would need the whole peak and no memory traffic. PSPNet and DeepLabv3 "
        "as we build them are below what direct convolutions need at that peak, too. The order of the small networks "
        "in this column is therefore not informative.",
        "`segbench params -m unet`; NVIDIA Tesla V100 datasheet; Lavin and Gray, CVPR 2016",
    ),
    KnownReason(
        ("train_memory", "max_batch"),
        "The paper does not say which memory it reports. Four different networks take 31.1 to 31.9 GB at batch 24, "
        "which is also the largest batch of each: the memory that the allocator holds, which fills a GPU where it can, "
        "would look like this; the memory that the tensors need would not (our inference).",
        "SegNode paper, Table 2, columns 1 and 2",
    ),
    KnownReason(
        ("infer_memory",),
        "The paper's 0.7 to 1.2 GB for one test image are what whole processes take, including a CUDA context of "
        "several hundred MB, and more than the tensors need; the ratios cannot settle the question (our inference).",
        "SegNode paper, Table 2, column 3; `process` in `segbench memory --device none`",
    ),
    KnownReason(
        ("train_memory", "max_batch"),
        "A residual network can train in little memory without a differential equation: HRNetV2 with its modules "
        "recomputed in the backward pass reaches the paper's 0.43 for SegNode and less, with exact gradients in 1.3 "
        "times the time (0.43 where a module is a stage's exchange unit; the row of `hrnetv2+checkpoint` recomputes "
        "in finer parts). SegNode's own gains are parameters, inference memory, and answers at any time of its solver.",
        "row `hrnetv2+checkpoint`; `segbench memory -m hrnetv2 -m hrnetv2+checkpoint -b 24 --device none`",
    ),
    KnownReason(
        ("train_memory", "max_batch", "epoch_time", "test_time"),
        "The baseline is ambiguous. Seven residual modules between stem and heads give the paper's 70.9 M parameters "
        "and cost half of HRNetV2; six modules behind HRNetV2's own first stages give 71.1 M and cost 1.03 of its "
        "operations, as the paper's row does, but no SegNode built of those modules has 20.9 M. We take the first.",
        "model card `baseline` and its argument `variant`; SegNode paper, sections 3.1 and 4.1",
    ),
    KnownReason(
        ("max_batch", "train_memory", "epoch_time", "test_time"),
        "The paper's PSPNet is not identified: 23.7 M parameters are those of a ResNet-34, not of the usual ResNet-50 "
        "(46.6 M), while its memory is that of a deeper network. Ours is the ResNet-34.",
        "model cards `pspnet` and `pspnet-50`",
    ),
    KnownReason(
        ("train_memory", "max_batch", "epoch_time", "test_time"),
        "The paper states neither tolerances nor evaluations of f. Its test time implies 11 to 16 evaluations, two "
        "accepted steps of dopri5; ours runs at rtol = atol = 1e-3, and predictions assume 14 evaluations. Batch norm "
        "makes training need many more.",
        "model card `segnode-paper`; SegNode paper, section 4.1 and Table 2",
    ),
    KnownReason(
        ("train_memory", "infer_memory", "max_batch"),
        "cuDNN's workspaces depend on the GPU and the algorithms it picks; predictions take those that fit the "
        "published peaks of V100s best, or none where the table's notes say so, and with "
        "cudnn.benchmark the first steps can take gigabytes more.",
        "--workspaces of `segbench memory`; quantity `train_first_step_peak_bytes`",
    ),
)

TABLE1_REASONS = (
    KnownReason(
        ("cityscapes", "camvid", "lip", "pascal-context"),
        "The paper pretrains every body on ImageNet. Without that, the accuracies of Table 1 are out of reach, so that "
        "networks trained from scratch are shown but get no verdict.",
        "SegNode paper, section 4.1",
    ),
    KnownReason(
        ("cityscapes",),
        "The paper's Cityscapes figures are of the test server, with training on the training, validation and coarse "
        "images together.",
        "SegNode paper, section 4.2",
    ),
)
