"""A keyring of keyring's own kind, over a file that `RING` names: PYTHON_KEYRING_BACKEND."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class Ring(KeyringBackend):
    """Keeps passwords in the open, for tests."""

    priority = 1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        return self._kept().get(f"{service} {username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write(self._kept() | {f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        kept = self._kept()
        if kept.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError("not there")
        self._write(kept)

    def _kept(self) -> dict[str, str]:
        path = Path(os.environ["RING"])
        return dict(json.loads(path.read_text())) if path.exists() else {}

    def _write(self, kept: dict[str, str]) -> None:
        Path(os.environ["RING"]).write_text(json.dumps(kept))


class Locked(Ring):
    """A keyring that its owner does not unlock."""

    def _kept(self) -> dict[str, str]:
        raise KeyringLocked("it stays locked")
