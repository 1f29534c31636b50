"""What the person who starts the server decides: each setting, once, with its default and limits.

A setting has one name: ``max_pixels`` is ``--max-pixels`` on the command line, ``COIR_MAX_PIXELS``
in the environment and ``max_pixels`` in the file (`configuration`).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MEBIBYTE = 1024 * 1024
LOGS = ("quiet", "text", "json")
ORIGIN = re.compile(r"https?://[^/?#@\s,]+")  # as browsers send it


class StartError(Exception):
    """The server cannot start; the message is a sentence that says what to do."""


def _number(default: int, least: int, most: int = 2**63 - 1) -> Any:
    return dataclasses.field(default=default, metadata={"least": least, "most": most})


@dataclass(frozen=True, slots=True)
class Settings:
    """The choices of one server; nothing changes while it runs.

    Everything that must survive lies below ``data``: ``coir.db``, ``secret`` and
    ``datasets/NAME/…``. With a ``database`` a PostgreSQL takes the place of ``coir.db``. Raises
    `StartError` for what cannot be.
    """

    data: Path
    # The URL of a PostgreSQL; it may hold a password. Without one, the SQLite file.
    database: str = dataclasses.field(default="", repr=False)
    host: str = "127.0.0.1"
    # The original's port, so that existing scripts find the server; 0 takes a free one.
    port: int = _number(5000, 0, 65535)
    registration: bool = True
    jobs: bool = True  # whether the server runs jobs, or only `coir worker` does
    # Photographs stay below 50 MB; the rest is room for TIFF.
    max_upload_bytes: int = _number(100 * MEBIBYTE, 1)
    # Three times the annotations of COCO's 118,000 training images.
    max_coco_bytes: int = _number(1024 * MEBIBYTE, 1)
    # 2^27 pixels decode to about 400 MB of RGB, the most one request may take.
    max_pixels: int = _number(2**27, 1)
    # Off: each directory below `datasets` costs the system a watch; network disks tell nothing.
    watch: bool = False
    # Whoever does not read stderr must not have it filled: a full pipe stops the process.
    log: str = dataclasses.field(default="quiet", metadata={"choices": LOGS})
    # Longer than any page takes; a job stops at its next batch.
    grace_seconds: int = _number(10, 0, 3600)
    drain_seconds: int = _number(0, 0, 3600)
    # Whose X-Forwarded-For and X-Forwarded-Proto are believed.
    proxies: str = "127.0.0.1,::1"
    # Whose pages may connect to the live events, beside those of the server's own host.
    origins: str = ""

    @classmethod
    def of(cls, data: Path | str, **chosen: Any) -> Settings:
        """Settings for a data directory, which may not exist yet."""
        return cls(data=Path(data).expanduser().resolve(), **chosen)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, limits = getattr(self, field.name), field.metadata
            if "least" in limits and not limits["least"] <= value <= limits["most"]:
                raise StartError(
                    f"{field.name} is {value}: it must be between {limits['least']} and "
                    f"{limits['most']}."
                )
            if "choices" in limits and value not in limits["choices"]:
                raise StartError(
                    f"{field.name} is '{value}': it must be one of {', '.join(limits['choices'])}."
                )
        for one in filter(None, map(str.strip, self.origins.split(","))):
            if ORIGIN.fullmatch(one) is None:
                raise StartError(
                    f"origins names '{one}', which is no origin: write https://labels.example, "
                    "without a path, separated by commas."
                )
        for one in filter(None, self.proxies.split(",")):
            try:
                ipaddress.ip_network(one.strip())
            except ValueError as error:
                raise StartError(
                    f"proxies names '{one.strip()}', which is no address and no network: write "
                    "10.0.0.7 or 10.0.0.0/8, separated by commas."
                ) from error

    @property
    def store(self) -> Path | str:
        """The SQLite file, or the URL of a PostgreSQL."""
        return self.database or self.data / "coir.db"

    @property
    def secret(self) -> Path:
        """The file with the key that signs session cookies."""
        return self.data / "secret"

    @property
    def queue(self) -> Path | str:
        """Where jobs are asked for: a SQLite file, or the PostgreSQL."""
        return self.database or self.data / "queue.db"

    @property
    def board(self) -> Path | None:
        """The SQLite file in which processes tell each other of live events, without PostgreSQL."""
        return None if self.database else self.data / "live.db"

    @property
    def imports(self) -> Path:
        """The directory with the files of imports that are not finished."""
        return self.data / "imports"

    @property
    def renditions(self) -> Path:
        """The directory with the smaller copies of pictures; it may be removed."""
        return self.data / "renditions"

    @property
    def datasets(self) -> Path:
        """The directory that holds one directory for each dataset."""
        return self.data / "datasets"
