"""Which functions autocast casts, by device: torch 2.13's registrations, under the names by which programs call them.

A test compares these with what torch registers for the dispatch keys `AutocastCUDA` and `AutocastCPU`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CastLists:
    """Functions by what happens to their floating-point arguments.

    Attributes:
        lower: rounded to the lower precision.
        single: widened to float32.
        single_result: asked for a float32 result, unless told a dtype.
        widest: brought to the widest dtype among them.
    """

    lower: frozenset[str]
    single: frozenset[str]
    single_result: frozenset[str] = frozenset()
    widest: frozenset[str] = frozenset()


_PRODUCTS = frozenset(
    "conv1d conv2d conv3d conv_tbc conv_transpose1d conv_transpose2d conv_transpose3d prelu addmm matmul __matmul__ "
    "__rmatmul__ mm linear addbmm baddbmm bmm vecdot scaled_dot_product_attention".split()
)
_LOSSES = frozenset(
    "poisson_nll_loss cosine_embedding_loss nll_loss hinge_embedding_loss kl_div l1_loss smooth_l1_loss huber_loss "
    "mse_loss margin_ranking_loss multilabel_margin_loss soft_margin_loss triplet_margin_loss multi_margin_loss "
    "binary_cross_entropy_with_logits cdist".split()
)

LISTS = {
    "cuda": CastLists(
        lower=_PRODUCTS | frozenset("addmv addr mv einsum chain_matmul multi_dot".split()),
        single=_LOSSES
        | frozenset(
            "acos asin cosh erfinv exp expm1 log log10 log2 log1p reciprocal rsqrt sinh tan pow __pow__ __rpow__ "
            "softplus layer_norm rms_norm group_norm cosine_similarity dist pdist renorm logsumexp interpolate "
            "upsample upsample_bilinear upsample_nearest norm".split()
        ),
        single_result=frozenset("prod softmax log_softmax cumprod cumsum vector_norm matrix_norm sum".split()),
        widest=frozenset(
            "addcdiv addcmul atan2 bilinear cross dot vdot grid_sample index_put tensordot scatter_add".split()
        ),
    ),
    "cpu": CastLists(
        lower=_PRODUCTS,
        single=_LOSSES
        | frozenset(
            "cross_entropy binary_cross_entropy grid_sample prod quantile nanquantile avg_pool3d max_pool3d trace "
            "polar adaptive_avg_pool3d adaptive_max_pool3d fractional_max_pool2d fractional_max_pool3d max_unpool2d "
            "max_unpool3d ctc_loss stft".split()
        ),
        widest=frozenset("cat stack index_copy".split()),
    ),
}
"""By target; of the CPU's, linear algebra and Fourier transforms are left out."""
