"""Where an exception came from, as a ledger that may be published can hold it."""

from __future__ import annotations

import re
import sys
import traceback
from pathlib import Path

_MOST_CHARACTERS = 4000
"""Of the end, which tells where; a recursion's beginning repeats itself."""
_FILE = re.compile(r'(?<=  File ")([^"]+)(?=", line \d)')


def publishable_traceback(error: BaseException) -> str:
    """The end of the exception's traceback, with files named as they are imported and the user's home as `~`.

    `.../site-packages/torch/nn/modules/conv.py` becomes `torch/nn/modules/conv.py`, `/data/me/net.py` becomes `net.py`.
    """
    text = "".join(traceback.format_exception(error))
    named = _FILE.sub(lambda found: _as_imported(found[1]), text).strip()
    homeless = named.replace(str(Path.home()), "~") if Path.home() != Path("/") else named
    return homeless if len(homeless) <= _MOST_CHARACTERS else "...\n" + _from_a_line(homeless[-_MOST_CHARACTERS:])


def _as_imported(file: str) -> str:
    """The file relative to the longest folder of the import path that holds it; its name alone where none does."""
    path = Path(file)
    if not path.is_absolute():  # `<frozen importlib>`, `<string>`
        return file
    folders = [Path(folder) for folder in sys.path if folder and path.is_relative_to(folder)]
    longest = max(folders, key=lambda folder: len(folder.parts), default=path.parent)
    return str(path.relative_to(longest))


def _from_a_line(text: str) -> str:
    return text.partition("\n")[2] or text
