"""Names of users."""

from __future__ import annotations


def fold(username: str) -> str:
    """The form in which usernames are compared: they are case-insensitive."""
    return username.casefold()
