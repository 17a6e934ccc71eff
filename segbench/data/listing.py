"""Finds which image belongs to which label, from list files or from the folders' content."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from segbench.data.broken import Broken
from segbench.data.lists import named, read_lines
from segbench.data.source import ImageAndLabel
from segbench.errors import DataError
from segbench.records.text import printable

__all__ = ["Matched", "files_in", "first_file", "join", "match", "names_in", "paired", "read_lines", "stem"]

IMAGE_ENDINGS = (".jpg", ".png", ".jpeg")

Matched = tuple[tuple[ImageAndLabel, ...], tuple[Broken, ...]]

Found = Mapping[str, Sequence[Path]]
"""A sample's name -> the files that bear it; several are one too many."""


def stem(path: str) -> str:
    """A file's name without folders and image ending, of either case; dots inside a name stay."""
    name = PurePosixPath(path.replace("\\", "/")).name
    return next((name[: -len(ending)] for ending in IMAGE_ENDINGS if _ends(name, ending)), name)


def first_file(candidates: Iterable[Path]) -> Path | None:
    """The first that is a file."""
    return next((path for path in candidates if path.is_file()), None)


def match(
    images: Path,
    labels: Path | None,
    listed: Sequence[str] | None,
    *,
    ending: str = ".png",
    image_endings: tuple[str, ...] = IMAGE_ENDINGS,
) -> Matched:
    """The pairs of an image folder and a label folder.

    Args:
        labels: None where the split has no labels.
        listed: the lines of a list file, in its order; None takes everything in the folders, sorted.
        ending: what a label's file name has after the sample's name (`_L.png`).
        image_endings: what an image's file name may have after it.

    Returns:
        the pairs, and what has no partner.
    """
    image_of = _by_name(images, image_endings)
    label_of = _by_name(labels, (ending,)) if labels else None
    known = image_of.keys() | (label_of or {}).keys()
    names = None if listed is None else named(listed, lambda written: _if_known(stem(written), known))
    usual = next((files[0].suffix for files in image_of.values()), image_endings[0])
    return paired(
        image_of,
        label_of,
        None if names is None else [name if name in known else stem(name) for name in names],
        lambda name: images / f"{name}{usual}",
        lambda name: (labels or images) / f"{name}{ending}",
    )


def paired(
    image_of: Found,
    label_of: Found | None,
    names: Sequence[str] | None,
    image_place: Callable[[str], Path],
    label_place: Callable[[str], Path],
) -> Matched:
    """Images and labels of one name each.

    Args:
        label_of: None where the split has no labels.
        names: the samples wanted, in their order; None takes all, sorted.
        image_place, label_place: where a missing file would lie.
    """
    wanted = names if names is not None else sorted(image_of.keys() | (label_of or {}).keys())
    no_image = "the image is in the list but not here" if names is not None else "its label has no image"
    pairs, broken = [], []
    for name in wanted:
        images, labels = image_of.get(name, ()), label_of.get(name, ()) if label_of is not None else None
        if not images:
            broken.append(Broken.of(name, image_place(name), no_image))
        elif labels is not None and not labels:
            broken.append(Broken.of(name, label_place(name), "the label of an image is missing"))
        elif len(images) > 1 or len(labels or ()) > 1:
            first, second = (images if len(images) > 1 else labels or ())[:2]
            broken.append(Broken.of(name, first, f"{printable(second.name)} has the same name; remove one of them"))
        else:
            pairs.append(ImageAndLabel(printable(name), images[0], labels[0] if labels else None))
    return tuple(pairs), tuple(broken)


def names_in(folder: Path, ending: str) -> set[str]:
    """What stands before the ending in the names of a folder's files."""
    return set(_by_name(folder, (ending,)))


def _by_name(folder: Path, endings: tuple[str, ...]) -> Found:
    """The files with one of these endings, of either case, by what stands before it."""
    found: dict[str, list[Path]] = defaultdict(list)
    for name in sorted(files_in(folder)):
        ending = next((ending for ending in endings if _ends(name, ending)), None)
        if ending is not None:
            found[name[: -len(ending)]].append(folder / name)
    return found


def _ends(name: str, ending: str) -> bool:
    return name.lower().endswith(ending.lower())


def _if_known(name: str, known: Collection[str]) -> str | None:
    return name if name in known else None


def files_in(folder: Path) -> tuple[str, ...]:
    """The names in a folder, hidden ones (`._a.png`, as macOS leaves them) left out; none if it does not exist.

    Raises:
        DataError: the folder may not be read.
    """
    try:
        return tuple(path.name for path in folder.iterdir() if not path.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise DataError(f"the folder {printable(str(folder))} cannot be read: {error.strerror}") from error


def join(matched: Iterable[Matched]) -> Matched:
    """Several parts of a split, one after the other."""
    parts = list(matched)
    pairs = tuple(pair for part, _ in parts for pair in part)
    broken = tuple(item for _, part in parts for item in part)
    return pairs, broken
