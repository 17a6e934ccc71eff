"""Training crops per second, beside kornia and Pillow on the same images in the same run.

`python benchmarks/augmentation.py [--batch 8] [--rounds 15]`

Every way makes the same thing: a batch of 240x180 crops of 480x360 images and their labels, zoomed, mirrored, coloured
and normalised. The ways take turns, so that whatever else the machine does falls on all; a ratio is the median over the
rounds of (way / ours). One thread each.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from segbench.data import Sample, open_dataset
from segbench.learning.feed import Feed, LabelledAugmenter, batches
from segbench.learning.plan import TrainingPlan
from segbench.libraries.traits import IMAGENET_MEAN as MEAN
from segbench.libraries.traits import IMAGENET_STD as STD

WIDTH, HEIGHT = 240, 180

Batch = tuple[Tensor, Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = open_dataset("synthetic:count=32")
    samples = [dataset[index] for index in range(len(dataset))]
    ways = {"segbench": ours(samples, options.batch), "Pillow": pillow(samples, options.batch)}
    ways |= {f"kornia, {mode}": kornia_way(samples, options.batch, mode) for mode in ("slice", "resample")}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name].append(time.process_time() - start)
    print(f"{'way':<20}{'ms an image':>12}{'x segbench':>12}")
    for name, taken in seconds.items():
        ratio = statistics.median(one / own for one, own in zip(taken[1:], seconds["segbench"][1:], strict=True))
        print(f"{name:<20}{1e3 * statistics.median(taken[1:]) / options.batch:>12.2f}{ratio:>12.1f}")


def ours(samples: list[Sample], count: int) -> Callable[[], Batch]:
    """What a training uses."""
    plan = TrainingPlan(width=WIDTH, height=HEIGHT, steps=1)
    plan = TrainingPlan(plan.recipe.model_copy(update={"batch_size": count}), WIDTH, HEIGHT, steps=1)

    class Held:
        classes = 11

        def __len__(self) -> int:
            return len(samples)

        def __getitem__(self, index: int, /) -> Sample:
            return samples[index]

    stream = batches(Feed(LabelledAugmenter(Held(), plan), 0), plan, 0, torch.device("cpu"))

    def way() -> Batch:
        (batch,) = next(stream)
        return batch.inputs(), batch.targets

    return way


def pillow(samples: list[Sample], count: int) -> Callable[[], Batch]:
    """`Image.resize` with a box, and the enhancers one after another: the usual hand-written loader."""
    from PIL import ImageEnhance

    rng = np.random.default_rng(0)
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)

    def one() -> Batch:
        sample = samples[rng.integers(len(samples))]
        zoom = 2.0 ** rng.random()
        width, height = 480 / zoom, 360 / zoom
        left, top = (480 - width) * rng.random(), (360 - height) * rng.random()
        box = (left, top, left + width, top + height)
        image = Image.fromarray(sample.image).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box)
        label = Image.fromarray(sample.label).resize((WIDTH, HEIGHT), Image.Resampling.NEAREST, box)
        if rng.random() < 0.5:
            image, label = (picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for picture in (image, label))
        for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            image = enhance(image).enhance(1 + 0.3 * (2 * rng.random() - 1))
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
        return (pixels - mean) / std, torch.from_numpy(np.array(label))

    def way() -> Batch:
        images, labels = zip(*(one() for _ in range(count)), strict=True)
        return torch.stack(images), torch.stack(labels)

    return way


def kornia_way(samples: list[Sample], count: int, mode: str) -> Callable[[], Batch]:
    """kornia on whole batches; its masks must be floats, and would be padded with class 0 if they were padded."""
    warnings.simplefilter("ignore")
    from kornia import augmentation

    chain = augmentation.AugmentationSequential(
        augmentation.RandomResizedCrop((HEIGHT, WIDTH), scale=(0.25, 1.0), ratio=(1.2, 1.5), p=1.0, cropping_mode=mode),
        augmentation.RandomHorizontalFlip(p=0.5),
        augmentation.ColorJiggle(0.3, 0.3, 0.3, 0.0, p=1.0),
        augmentation.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
        data_keys=["input", "mask"],
    )
    rng = np.random.default_rng(0)

    def way() -> Batch:
        chosen = [samples[index] for index in rng.integers(len(samples), size=count)]
        images = torch.from_numpy(np.stack([sample.image for sample in chosen])).permute(0, 3, 1, 2).float() / 255
        labels = torch.from_numpy(np.stack([sample.label for sample in chosen]))[:, None].float()
        images, labels = chain(images, labels)
        return images, labels[:, 0].byte()

    return way


if __name__ == "__main__":
    main()
