"""What jobs work on: the database and the folders, in whichever process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coir.server.renditions import Renditions
from coir.server.storage import Storage
from coir.server.store.engine import Store


@dataclass(frozen=True, slots=True)
class Workplace:
    """The data of one server."""

    store: Store
    folders: Storage
    imports: Path
    renditions: Renditions
    max_pixels: int
