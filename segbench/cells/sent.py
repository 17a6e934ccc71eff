"""What a worker is sent: the user's files as they were when their case was submitted, and where they lie there.

A copy keeps every file's whole path below one folder: `FOLDER/home/me/net.py`. What the user edits afterwards does not
reach it, and equal files make one copy, named by their contents.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segbench.cards.data_roots import find_root
from segbench.cards.datasets import dataset_card
from segbench.cards.source_code import source_files
from segbench.cards.sources import card_of, read_spec
from segbench.cells.places import read_places
from segbench.records.case import Case
from segbench.records.dataset_spec import DatasetSpec
from segbench.records.options import READS, WRITES, Options

_PACKAGE = Path(__file__).resolve().parent.parent
"""segbench itself, which every worker has."""


@dataclass(frozen=True)
class Sent:
    """Files of the asking machine and how it looks for them.

    Attributes:
        folder: of the copy, on the asking machine or on a shared disk; empty where nothing is sent.
        files: absolute paths there, and then here.
        current: the asking command's current folder.
        search: folders in which it looks for modules.
        token: a file that only a machine with the same disk sees.
    """

    folder: str = ""
    files: frozenset[str] = frozenset()
    current: str = ""
    search: tuple[str, ...] = ()
    token: str = ""

    def texts(self) -> dict[str, bytes]:
        """Asked on the asking machine: path -> content, for an engine that carries them itself."""
        return {name: below(Path(self.folder), name).read_bytes() for name in self.files}

    @property
    def disk_is_shared(self) -> bool:
        """Asked on a worker: whether what it writes lies where the asking machine will look."""
        return bool(self.token) and Path(self.token).exists()


class Sender:
    """Copies files into `folder`, each content once.

    Args:
        folder: beside the ledger.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._files: dict[Case, tuple[Path, ...]] = {}
        self._known: dict[tuple[Path, ...], Sent] = {}
        self._token = ""

    def send(self, cases: Sequence[Case]) -> Sent:
        """The files that the cases read, as they are now; of files that were sent before, as they were then."""
        files = tuple(sorted({file for case in cases for file in self._needed(case)}))
        if files not in self._known:
            self._known[files] = self._copy(files)
        return self._known[files]

    def _needed(self, case: Case) -> tuple[Path, ...]:
        """Of cases that read the same files, one is looked at."""
        like = Case(case.task, case.model, dataset=case.dataset, options=case.options)
        if like not in self._files:
            self._files[like] = tuple(_files_of(case))
        return self._files[like]

    def _copy(self, files: Sequence[Path]) -> Sent:
        here = Sent(current=str(Path.cwd()), search=_search_path(files), token=self._mark())
        if not files:
            return here
        texts = {str(file): file.read_bytes() for file in files}
        digest = hashlib.sha256(repr([(name, hashlib.sha256(text).digest()) for name, text in texts.items()]).encode())
        folder = self._folder / digest.hexdigest()[:16]
        unpack(texts, folder)
        return replace(here, folder=str(folder), files=frozenset(texts))

    def _mark(self) -> str:
        if not self._token:
            self._folder.mkdir(parents=True, exist_ok=True)
            token = self._folder / f"asked-{os.getpid()}-{os.urandom(4).hex()}"
            token.touch()
            atexit.register(token.unlink, missing_ok=True)  # the copies stay, for jobs that still wait somewhere
            self._token = str(token)
        return self._token


def unpack(texts: Mapping[str, bytes], folder: Path) -> None:
    """Writes a copy of files; each is whole or not there, also where another process writes the same copy."""
    for name, text in texts.items():
        copy = below(folder, name)
        copy.parent.mkdir(parents=True, exist_ok=True)
        part = copy.with_name(f"{copy.name}.{os.getpid()}")
        part.write_bytes(text)
        part.replace(copy)


def below(folder: Path, path: str) -> Path:
    """Where a copy of an absolute path lies."""
    return folder.joinpath(*Path(path).parts[1:])


def _files_of(case: Case) -> Iterator[Path]:
    """What another machine lacks: declared files, and the modules that the network comes from.

    Folders are not copied: a data set is found on the worker by itself.
    """
    for path in read_places(case):
        if path.is_file():
            yield path.absolute()
    if case.model:
        for path in source_files(card_of(read_spec(case.model)).builder):
            if not path.resolve().is_relative_to(_PACKAGE):
                yield path.absolute()


def _search_path(files: Sequence[Path]) -> tuple[str, ...]:
    """The folders on Python's path in which one of the files lies."""
    folders = [Path(entry).absolute() for entry in sys.path if entry]
    return tuple(str(folder) for folder in folders if any(file.is_relative_to(folder) for file in files))


@dataclass
class Arrived:
    """On the worker: what was sent, found in its place here.

    Args:
        sent: from the asking machine.
        root: of the copy here.
        out: a folder for what cases write where the disk is not shared.
    """

    sent: Sent
    root: Path
    out: Path
    _written: dict[str, str] = field(default_factory=dict)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Within it modules are looked for as on the asking machine: in its current folder and along its path."""
        if not self.sent.files:
            yield  # in the worker's own folder, so that a warm start serves the next job too
            return
        folders = [str(below(self.root, folder)) for folder in self.sent.search]
        current = below(self.root, self.sent.current)
        current.mkdir(parents=True, exist_ok=True)
        before, path, own = Path.cwd(), list(sys.path), os.environ.get("PYTHONPATH", "")
        sys.path[:0] = folders
        os.environ["PYTHONPATH"] = os.pathsep.join([*folders, *filter(None, [own])])
        os.chdir(current)
        try:
            yield
        finally:
            os.chdir(before)
            sys.path[:] = path
            os.environ["PYTHONPATH"] = own

    def case(self, case: Case) -> Case:
        """The case with this machine's paths."""
        options = case.options_as(Options)
        changed = {name: self._read(path) for name, path in options.paths(READS)}
        changed |= {name: self._write(path) for name, path in options.paths(WRITES)}
        return replace(
            case,
            model=self._model(case.model),
            dataset=self._dataset(case.dataset),
            data_root=self._data_root(case),
            options=options.changed(**changed) if changed else options,
        )

    def written(self) -> dict[str, bytes]:
        """Path on the asking machine -> content, of what was written here and is not seen there."""
        found = {}
        for there, here in self._written.items():
            for file in [Path(here), *Path(here).rglob("*")]:
                if file.is_file():
                    found[str(Path(there) / file.relative_to(here))] = file.read_bytes()
        return found

    def _read(self, path: Path) -> str:
        there = os.path.join(self.sent.current, path)  # noqa: PTH118  # of the asking machine
        return str(below(self.root, there)) if there in self.sent.files else there

    def _write(self, path: Path) -> str:
        there = os.path.join(self.sent.current, path)  # noqa: PTH118
        if self.sent.disk_is_shared:
            return there
        return self._written.setdefault(there, str(below(self.out, there)))

    def _model(self, text: str) -> str:
        spec = read_spec(text) if text else None
        if spec is None or spec.file is None:
            return text
        return replace(spec, place=self._read(spec.file)).text

    def _dataset(self, text: str | None) -> str | None:
        spec = DatasetSpec.parse(text) if text else None
        if spec is None or spec.card is None:
            return text
        return str(replace(spec, card=Path(self._read(spec.card))))

    def _data_root(self, case: Case) -> str | None:
        """The asking machine's folder where this one has it too; else the data set's own folder here."""
        if case.data_root is None or case.dataset is None or Path(case.data_root).is_dir():
            return case.data_root
        return str(find_root(dataset_card(str(self._dataset(case.dataset))), None))
