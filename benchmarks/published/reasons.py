"""Why networks have no prediction, or one that is more than 5 % from the published number."""

from __future__ import annotations

NOT_TRACED = {
    "mask2former": "needs mmdet, and matches masks to segments whose number depends on the images",
    "maskformer": "needs mmdet, and matches masks to segments whose number depends on the images",
    "san": "matches masks to segments whose number depends on the images",
    "fpn_poolformer_s36": "mmsegmentation 1.2.2 has no config of this name",
}
"""Begin of a name -> why it is not traced."""

_BEYOND = {
    "convnext-xlarge": "published is more than twice the next smaller network's: float32, or a slip",
    "convnext": "mixed precision of mmcv's time kept more of every block, in proportion to its channels; unexplained",
    "ddrnet_23-slim": "published is less than the class scores of the loss alone take",
    "deeplabv3plus_r101-d16-mg124_4xb2-80k": "published with 5.8 GB after 40000 steps, which agrees",
    "emanet_r101-d8_4xb2-80k_cityscapes-512": "swapped with the row of ResNet-50 at 769x769",
    "emanet_r50-d8_4xb2-80k_cityscapes-769": "swapped with the row of ResNet-101 at 512x1024",
    "fpn_r101_4xb4-160k_ade20k": "the config of mmsegmentation 1.2.2 builds ResNet-50",
    "knet-s3_swin-l_upernet_8xb2-adamw-80k_ade20k-640": "published is the number of 512x512",
    "ocrnet_hr48": "the first head's second forward pass seems to have kept nothing for the backward pass",
    "pidnet": "published is half of the prediction, as of half the batch",
    "pspnet_r50-d8_4xb4-20k_coco": "published is the number of DeepLabV3's row, to the digit",
    "pspnet_r50-d8_4xb4-80k_coco": "published is the number of DeepLabV3's row, to the digit",
    "pspnet_r101-d8_4xb4-20k_coco": "published is the number of DeepLabV3's row, to the digit",
    "pspnet_r101-d8_4xb4-80k_coco": "published is the number of DeepLabV3's row, to the digit",
    "unet-s5-d16_pspnet_4xb4-ce-1.0-dice-3.0": "trained a year after the same network without Dice loss, which agrees: "
    "another release of cuDNN is likely",
    "unet-s5-d16_fcn_4xb4-40k_drive": "above the same network's other rows on 64x64 pixels by a sixth; unexplained",
}
"""Begin of a name -> the reason."""


def reason(config: str) -> str:
    """Why a network is far off; a plain `unexplained` where nobody knows."""
    return next((cause for begin, cause in _BEYOND.items() if config.startswith(begin)), "unexplained")
