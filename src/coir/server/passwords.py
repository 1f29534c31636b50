"""Password hashes: argon2id, and a check that takes equally long for unknown users."""

from __future__ import annotations

from threading import BoundedSemaphore

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

# One hash takes 64 MiB (argon2-cffi's default, RFC 9106's second recommendation): without a
# bound a burst of logins would take memory for each of the server's threads.
CONCURRENT_HASHES = 2
# Longer ones are not typed by people; hashing them is work for an attacker to ask for.
MAX_PASSWORD_LENGTH = 1024


class Passwords:
    """Makes and checks hashes; at most two at a time."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._turn = BoundedSemaphore(CONCURRENT_HASHES)

    def hash(self, password: str) -> str:
        """The string to store."""
        with self._turn:
            return self._hasher.hash(password)

    def verify(self, stored: str | None, password: str) -> bool:
        """Whether ``password`` is the one; ``None`` stands for an unknown user: never."""
        if len(password) > MAX_PASSWORD_LENGTH:
            return False
        if stored is None:
            self.hash(password)  # which is what takes the time of a check
            return False
        try:
            with self._turn:
                return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
