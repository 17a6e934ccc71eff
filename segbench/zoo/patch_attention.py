"""Attention over image patches: a network whose memory is that of its attention kernels, for checks of a new GPU."""

from __future__ import annotations

from torch import Tensor, nn


class PatchAttention(nn.Module):
    """Patches through a transformer encoder to class scores by a linear layer, as Segmenter's linear decoder does.

    Without position embeddings: it is there to be measured, not to be trained (Strudel et al. 2021, "Segmenter:
    Transformer for Semantic Segmentation", Sec. 3; the sizes are ViT-Tiny's, at half of its depth).

    Args:
        classes: channels of the scores.
        width: of a token.
        depth, heads: of the encoder.
        patch: side of a patch in pixels; what does not fill one at the right and lower edges is left out.
    """

    def __init__(self, classes: int, width: int = 192, depth: int = 6, heads: int = 3, patch: int = 16) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.encode = nn.TransformerEncoder(layer, depth, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, 3, H, W)` to scores `(N, classes, H // patch, W // patch)`."""
        maps: Tensor = self.embed(images)
        tokens = maps.flatten(2).transpose(1, 2)
        scores: Tensor = self.head(self.encode(tokens)).transpose(1, 2)
        return scores.reshape(*scores.shape[:2], *maps.shape[2:])
