"""What the person who starts the server decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class StartError(Exception):
    """The server cannot start; the message is a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one server; nothing changes while it runs.

    Everything that must survive lies below ``data``: ``coir.db``, ``secret`` and
    ``datasets/NAME/…``.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 5000  # the original's port, so that existing scripts find the server
    allow_registration: bool = True
    # Whose pages may connect to the live events, beside those of the server's own host.
    allowed_origins: tuple[str, ...] = ()
    # Photographs stay below 50 MB; the rest is room for TIFF.
    max_upload_bytes: int = 100 * 1024 * 1024
    # Three times the annotations of COCO's 118,000 training images.
    max_coco_bytes: int = 1024 * 1024 * 1024
    # 2^27 pixels decode to about 400 MB of RGB, the most one request may take.
    max_pixels: int = 2**27

    @classmethod
    def of(
        cls,
        data: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 5000,
        allow_registration: bool = True,
        allowed_origins: tuple[str, ...] = (),
    ) -> Settings:
        """Settings for a data directory, which may not exist yet; ``port`` 0 takes a free one."""
        root = Path(data).expanduser().resolve()
        return cls(data=root, host=host, port=port, allow_registration=allow_registration)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "coir.db"

    @property
    def secret(self) -> Path:
        """The file with the key that signs session cookies."""
        return self.data / "secret"

    @property
    def datasets(self) -> Path:
        """The directory that holds one directory for each dataset."""
        return self.data / "datasets"
