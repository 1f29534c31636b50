"""What jobs work on: the database and the folders, in whichever process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coir.server.folders import Folders
from coir.server.store.engine import Store


@dataclass(frozen=True, slots=True)
class Workplace:
    """The data of one server."""

    store: Store
    folders: Folders
    imports: Path
    max_pixels: int
