"""Renditions: the JPEGs that were made of pictures, kept so that each is made once.

Decoding a photograph and writing it again takes a tenth of a second and more, reading what was
written a tenth of a millisecond. A rendition is named by the picture's path, its stamp and the box:
of a file that changed nothing old is shown. Everything here may be removed at any time.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from contextlib import suppress
from pathlib import Path
from threading import Lock

from coir.server.folders import HIDDEN
from coir.server.pictures import as_jpeg
from coir.server.storage import Stamp

log = logging.getLogger(__name__)

# Some 100,000 thumbnails, or a thousand photographs at full size.
MOST_BYTES = 1024 * 1024 * 1024
# What is left when there are too many: sweeping reads the whole folder, and is to be rare.
KEPT_SHARE = 0.8


class Renditions:
    """Renditions in a folder, at most so many bytes; the oldest go first."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most = most_bytes
        self._bytes: int | None = None  # until the first is written nobody has to count
        self._lock = Lock()

    def find(self, logical: str, stamp: Stamp, box: tuple[int, int]) -> bytes | None:
        """The rendition, if it is there."""
        try:
            return self._place(logical, stamp, box).read_bytes()
        except OSError:
            return None

    def has(self, logical: str, file: Path, box: tuple[int, int]) -> bool:
        """Whether the rendition of a file is there."""
        return self._place(logical, _stamp(file), box).exists()

    def rendition(self, logical: str, file: Path, box: tuple[int, int], max_pixels: int) -> bytes:
        """The JPEG of a file that fits into the box, made once. Raises `PictureError`."""
        stamp = _stamp(file)
        content = self.find(logical, stamp, box)
        if content is None:
            content = as_jpeg(file, box, max_pixels)
            self.keep(logical, stamp, box, content)
        return content

    def is_full(self) -> bool:
        """Whether so many are kept that others would soon push them out."""
        with self._lock:
            if self._bytes is None:
                self._bytes = self._swept()
            return self._bytes > self._most * KEPT_SHARE

    def keep(self, logical: str, stamp: Stamp, box: tuple[int, int], content: bytes) -> None:
        """Keep a rendition. A disk that is full takes nothing, and says so in the log."""
        place = self._place(logical, stamp, box)
        hidden = place.parent / f"{HIDDEN}{secrets.token_hex(8)}"
        try:
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            hidden.write_bytes(content)
            hidden.replace(place)
            self._count(len(content))
        except OSError as error:
            log.warning("A rendition could not be kept: %s", error.strerror)
            with suppress(OSError):
                hidden.unlink(missing_ok=True)

    def _place(self, logical: str, stamp: Stamp, box: tuple[int, int]) -> Path:
        told = f"{logical}\0{stamp.size}\0{stamp.modified_ns}\0{box[0]}x{box[1]}"
        name = hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _count(self, added: int) -> None:
        with self._lock:
            if self._bytes is not None:
                self._bytes += added
            if self._bytes is None or self._bytes > self._most:
                self._bytes = self._swept()

    def _swept(self) -> int:
        """Remove the oldest while there are too many; gives how many bytes are left."""
        files: list[tuple[int, int, str]] = []
        if not self._folder.is_dir():
            return 0
        for folder in os.scandir(self._folder):
            for entry in os.scandir(folder.path):
                with suppress(FileNotFoundError):
                    found = entry.stat()
                    files.append((found.st_mtime_ns, found.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        if total <= self._most:
            return total
        for _, size, path in sorted(files):
            if total <= self._most * KEPT_SHARE:
                break
            Path(path).unlink(missing_ok=True)
            total -= size
        return total


def _stamp(file: Path) -> Stamp:
    found = file.stat()
    return Stamp(found.st_size, found.st_mtime_ns)
