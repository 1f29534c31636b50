"""What the person who starts the server decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


class StartError(Exception):
    """The server cannot start; the message is a sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one server; nothing changes while it runs.

    Everything that must survive lies below ``data``: ``coir.db``, ``secret`` and
    ``datasets/NAME/…``. With ``database_url`` a PostgreSQL takes the place of ``coir.db``.
    """

    data: Path
    host: str = "127.0.0.1"
    port: int = 5000  # the original's port, so that existing scripts find the server
    allow_registration: bool = True
    # Photographs stay below 50 MB; the rest is room for TIFF.
    max_upload_bytes: int = 100 * 1024 * 1024
    # Three times the annotations of COCO's 118,000 training images.
    max_coco_bytes: int = 1024 * 1024 * 1024
    # 2^27 pixels decode to about 400 MB of RGB, the most one request may take.
    max_pixels: int = 2**27
    database_url: str | None = field(default=None, repr=False)  # it may hold a password
    runs_jobs: bool = True  # else only `coir worker` does

    @classmethod
    def of(
        cls,
        data: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 5000,
        allow_registration: bool = True,
        database_url: str | None = None,
        runs_jobs: bool = True,
    ) -> Settings:
        """Settings for a data directory, which may not exist yet; ``port`` 0 takes a free one."""
        return cls(
            data=Path(data).expanduser().resolve(),
            host=host,
            port=port,
            allow_registration=allow_registration,
            database_url=database_url or None,
            runs_jobs=runs_jobs,
        )

    @property
    def database(self) -> Path | str:
        """The SQLite file, or the URL of a PostgreSQL."""
        return self.database_url or self.data / "coir.db"

    @property
    def secret(self) -> Path:
        """The file with the key that signs session cookies."""
        return self.data / "secret"

    @property
    def queue(self) -> Path | str:
        """Where jobs are asked for: a SQLite file, or the PostgreSQL."""
        return self.database_url or self.data / "queue.db"

    @property
    def imports(self) -> Path:
        """The directory with the files of imports that are not finished."""
        return self.data / "imports"

    @property
    def datasets(self) -> Path:
        """The directory that holds one directory for each dataset."""
        return self.data / "datasets"
