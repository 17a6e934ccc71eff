"""Which of a network's outputs is its answer, and what the others weigh in the loss; one rule for every command.

Networks return a tensor; a mapping (torchvision's `out` and `aux`, Hugging Face's `logits`); an object with such
attributes; or a sequence. Published code has two habits with sequences, and Python's two forms tell them apart: a tuple
is `return answer, others` (PSPNet, BiSeNet, Fast-SCNN, DANet, U2-Net), a list is gathered on the way, its last the
answer (HRNet-OCR's `[aux, out]`, UNet++'s deep supervision). A larger map goes before smaller ones in both (nnU-Net's
list begins with full resolution). The choice is ours, is told, and can be overruled.

Networks that classify masks (MaskFormer and its kin) return classes and masks of queries. Their semantic map is the sum
over queries of class probabilities, without the last class "no object", times mask probabilities (arXiv 2107.06278,
section 3.4).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from segbench.errors import UserError
from segbench.libraries.traits import Traits, traits_of
from segbench.records.case import Case
from segbench.workload.relabelled import Relabelled

AUXILIARY_WEIGHT = 0.4
"""Of every output beside the main one (PSPNet's and HRNet-OCR's auxiliary losses)."""

_MAIN_NAMES = ("out", "logits", "main", "pred", "preds", "prediction", "output", "seg", "sem_seg", "masks", "mask")
"""Of the answer, the surest first."""

_QUERIES = (("class_queries_logits", "masks_queries_logits"), ("pred_logits", "pred_masks"))
"""Of mask classification: `(N, queries, classes + 1)` and `(N, queries, h, w)`, by the names of transformers and of the
authors' own code."""
_COMBINED = "semantic map of the queries"
_COMBINING = (
    "classes and masks of the queries combined into a semantic map (softmax without 'no object' times sigmoid, summed)"
)

_AUXILIARY = ("aux", "deep", "edge", "bound", "feat", "hidden", "coarse")
"""Words in the names of what is not."""

Maps = dict[str, Tensor]
"""Maps `(N, C, h, w)` by name; those of a sequence are called 0, 1, ... and inner ones `aux.0`."""


@dataclass
class OutputReader:
    """Takes class scores out of whatever a network returns.

    Attributes:
        wanted: the name or the number (from 0, or from the end: -1) of the main output; None: by convention.
        aux_weight: of every other output in the loss; None: 0.4.
        classes: of the answer, where it is known: maps of other depth are features.
        traits: of the network.
        pads: whether the network pads its images.
        relabelled: brings the answer's classes to those of a data set; None where they are the same.
        choice: what was taken of the last answer that had several maps, and why, as a phrase.
        stride: of the last answer's class scores, in pixels of the image: above 1 they were enlarged.
        auxiliary: how many outputs the last loss read beside the main one.
        combined: whether the last answer's class scores were made of classes and masks of queries.
    """

    wanted: str | None = None
    aux_weight: float | None = None
    classes: int | None = None
    traits: Traits = field(default_factory=Traits)
    pads: bool = False
    relabelled: Relabelled | None = None
    choice: str | None = None
    stride: int = 1
    auxiliary: int = 0
    combined: bool = False

    @classmethod
    def of(cls, case: Case, network: nn.Module) -> OutputReader:
        """As a case says, and otherwise as the network's library does."""
        traits = traits_of(network)
        weight = traits.aux_weight if case.aux_weight is None else case.aux_weight
        return cls(case.output, weight, case.classes, traits, case.pad)

    def logits(self, output: Any, size: tuple[int, int]) -> Tensor:
        """Full-size class scores `(N, classes, H, W)`; smaller maps are enlarged bilinearly to `size` = (H, W).

        Raises:
            UserError: nothing of the kind was returned, or no output of the wanted name.
        """
        if isinstance(output, Tensor) and output.ndim == 4:
            return self._answer(output, size)
        maps = _maps_of(output)
        return self._answer(maps[self._main(output, maps)], size)

    def supervised(self, output: Any, size: tuple[int, int]) -> list[tuple[float, Tensor]]:
        """What a loss reads, with weights: the main output with 1, then the others that have as many classes.

        Raises:
            UserError: as `logits`.
        """
        if isinstance(output, Tensor) and output.ndim == 4:
            return [(1.0, self._answer(output, size))]
        maps = _maps_of(output)
        main = self._main(output, maps)
        weight = AUXILIARY_WEIGHT if self.aux_weight is None else self.aux_weight
        others = [item for name, item in maps.items() if name != main and item.shape[1] == maps[main].shape[1]]
        self.auxiliary = len(others) if weight else 0
        read = [(weight, item) for item in others if weight]
        return [(1.0, self._answer(maps[main], size)), *((share, self._enlarged(item, size)) for share, item in read)]

    def notes(self) -> list[str]:
        """What was chosen and done, for people; empty where there was no choice and nothing to do."""
        chosen = [] if self.choice is None else [f"{self.choice}; --network-output NAME or INDEX takes another"]
        combined = [_COMBINING] if self.combined else []
        enlarged = [f"class scores at stride {self.stride} enlarged bilinearly"] if self.stride > 1 else []
        return [*chosen, *combined, *enlarged]

    def _answer(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """The main output at the image's size."""
        self.stride = round(self._asked(size)[1] / maps.shape[3])
        scores = self._scores(maps)
        if self.relabelled:  # which reads logits
            scores = self.relabelled(_logarithms(scores) if self.combined else scores)
        return self._enlarged(scores, size)

    def _scores(self, maps: Tensor) -> Tensor:
        """The main output itself.

        Raises:
            UserError: it is no class score of any image, or has its classes last.
        """
        shape = tuple(maps.shape)
        if not maps.is_floating_point() or not maps.numel():
            kind = str(maps.dtype).removeprefix("torch.")
            raise UserError(
                f"the network returned {kind} of shape {shape}; segbench needs real class scores of each image"
            )
        if shape[1] != self.classes == shape[3]:
            raise UserError(
                f"the network returned {shape}, its classes last; segbench needs (N, classes, H, W), as after"
                " permute(0, 3, 1, 2)"
            )
        return maps

    def _main(self, output: Any, maps: Maps) -> str:
        """The name of the main output, remembered with the reason."""
        if self.wanted is not None:
            main, why = _found(self.wanted, maps), "as asked"
        else:
            fitting = {name: item for name, item in maps.items() if item.shape[1] == self.classes}
            main, why = _by_convention(output, fitting or maps)
        self.combined = main == _COMBINED
        if len(maps) > 1:
            self.choice = f"read output {main} of {', '.join(maps)} ({why})"
        return main

    def _asked(self, size: tuple[int, int]) -> tuple[int, int]:
        """What the network saw of an image of (H, W)."""
        return self.traits.padded(size) if self.pads else size

    def _enlarged(self, maps: Tensor, size: tuple[int, int]) -> Tensor:
        """To the image's size; what answers for padding is cut off."""
        full = self._asked(size)
        if maps.shape[-2:] != full:
            maps = functional.interpolate(maps, size=full, mode="bilinear", align_corners=False)
        return maps if full == size else maps[..., : size[0], : size[1]]


def logits_of(output: Any, size: tuple[int, int]) -> Tensor:
    """Full-size class scores of whatever a network returns, by convention alone; see `OutputReader.logits`."""
    return OutputReader().logits(output, size)


def _maps_of(output: Any) -> Maps:
    """Every map in an answer.

    Raises:
        UserError: there is none.
    """
    fields = _fields(output)
    combined = _combined(fields) if isinstance(fields, Mapping) else None
    maps = dict(_maps_in(fields)) if combined is None else {_COMBINED: combined}
    if not maps:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise UserError(f"the network returned {found}; segbench needs class scores of shape (N, classes, H, W)")
    return maps


def _fields(output: Any) -> Any:
    """An answer's parts by name or in order: objects with attributes and named tuples are mappings too."""
    if isinstance(output, Mapping) or not hasattr(output, "_asdict"):
        plain = isinstance(output, (Mapping, tuple, list, Tensor)) or not hasattr(output, "__dict__")
        return output if plain else vars(output)
    return output._asdict()


def _maps_in(parts: Any, path: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(parts, Tensor):
        if parts.ndim == 4:
            yield path, parts
        return
    if isinstance(parts, (tuple, list)):
        parts = dict(enumerate(parts))
    for name, part in parts.items() if isinstance(parts, Mapping) else ():
        yield from _maps_in(part, f"{path}.{name}" if path else str(name))


def _found(wanted: str, maps: Maps) -> str:
    """The name that was asked for, or the one at that place."""
    names = list(maps)
    if wanted in maps:
        return wanted
    if wanted.removeprefix("-").isdigit() and -len(names) <= int(wanted) < len(names):
        return names[int(wanted)]
    raise UserError(f"the network has no output {wanted!r}; its maps are {', '.join(names)}, or 0 to {len(names) - 1}")


def _by_convention(output: Any, maps: Maps) -> tuple[str, str]:
    """The main output's name, and why it is that."""
    if len(maps) == 1:
        return next(iter(maps)), "the only class map"
    if isinstance(_fields(output), Mapping):
        named = next((name for name in _MAIN_NAMES if name in maps), None)
        if named is not None:
            return named, "by its name"
        maps = {name: item for name, item in maps.items() if not any(word in name for word in _AUXILIARY)} or maps
    area = max(item.shape[-2] * item.shape[-1] for item in maps.values())
    largest = [name for name, item in maps.items() if item.shape[-2] * item.shape[-1] == area]
    if len(largest) == 1:
        return largest[0], "the largest map" if len(maps) > 1 else "the only one whose name is not an auxiliary's"
    if isinstance(output, list):
        return largest[-1], "the last of a list"
    return largest[0], "the first of a tuple" if isinstance(output, tuple) else "the first"


def _combined(fields: Mapping[str, Tensor]) -> Tensor | None:
    """The semantic map `(N, classes, h, w)` of classes and masks of queries; None without these."""
    names = next((pair for pair in _QUERIES if all(name in fields for name in pair)), None)
    if names is None:
        return None
    classes, masks = (fields[name] for name in names)
    return torch.einsum("nqc,nqhw->nchw", classes.softmax(-1)[..., :-1], masks.sigmoid())


def _logarithms(probabilities: Tensor) -> Tensor:
    """Finite ones: infinities would spread as nan when they are enlarged."""
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()
