"""Finds which image belongs to which label, from list files or from the folders' content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from segbench.data.broken import Broken
from segbench.data.source import ImageAndLabel
from segbench.errors import DataError

IMAGE_ENDINGS = (".jpg", ".png", ".jpeg", ".JPG", ".PNG", ".JPEG")

Matched = tuple[tuple[ImageAndLabel, ...], tuple[Broken, ...]]


def read_lines(path: Path) -> list[str]:
    """The lines of a list file, blank ones left out.

    Raises:
        DataError: unreadable, or not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list {path} cannot be read: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def first_column(lines: Iterable[str]) -> list[str]:
    """The name in each line's first column, without folders and ending: `/a/b/X.png /c/X.png` gives `X`."""
    return [stem(line.split()[0]) for line in lines]


def stem(path: str) -> str:
    """A file's name without folders and image ending; dots inside a name stay."""
    name = PurePosixPath(path.replace("\\", "/")).name
    return next((name.removesuffix(ending) for ending in IMAGE_ENDINGS if name.endswith(ending)), name)


def first_file(candidates: Iterable[Path]) -> Path | None:
    """The first that is a file."""
    return next((path for path in candidates if path.is_file()), None)


def match(
    images: Path,
    labels: Path | None,
    names: Sequence[str] | None,
    *,
    ending: str = ".png",
    image_endings: tuple[str, ...] = IMAGE_ENDINGS,
) -> Matched:
    """The pairs of an image folder and a label folder.

    Args:
        labels: None where the split has no labels.
        names: what a list file asks for, in its order; None takes everything in the folders, sorted.
        ending: what a label's file name has after the sample's name (`_L.png`).
        image_endings: what an image's file name may have after it.

    Returns:
        the pairs, and what has no partner.
    """
    image_of = {stem(name): name for name in files_in(images) if name.endswith(image_endings)}
    label_of = {name.removesuffix(ending): name for name in files_in(labels) if name.endswith(ending)} if labels else {}
    usual_ending = Path(next(iter(image_of.values()), f"x{image_endings[0]}")).suffix
    missing_image = "the image is in the list but not here" if names is not None else "its label has no image"
    pairs, broken = [], []
    for name in names if names is not None else sorted(image_of.keys() | label_of.keys()):
        if name not in image_of:
            broken.append(Broken(name, str(images / f"{name}{usual_ending}"), missing_image))
        elif labels is not None and name not in label_of:
            broken.append(Broken(name, str(labels / f"{name}{ending}"), "the label of an image is missing"))
        else:
            pairs.append(ImageAndLabel(name, images / image_of[name], labels / label_of[name] if labels else None))
    return tuple(pairs), tuple(broken)


def files_in(folder: Path) -> tuple[str, ...]:
    """The names in a folder; none if it does not exist.

    Raises:
        DataError: the folder may not be read.
    """
    try:
        return tuple(path.name for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise DataError(f"the folder {folder} cannot be read: {error.strerror}") from error


def join(matched: Iterable[Matched]) -> Matched:
    """Several parts of a split, one after the other."""
    parts = list(matched)
    pairs = tuple(pair for part, _ in parts for pair in part)
    broken = tuple(item for _, part in parts for item in part)
    return pairs, broken
