"""When users were last seen at their datasets, images, annotations and categories."""

from __future__ import annotations

from sqlalchemy import or_, update

from coir.server.notes import Notes
from coir.server.store.engine import now_ms
from coir.server.store.tables import users

# The routes at which the original notes it.
PLACES = tuple(
    f"/api/{name}" for name in ("dataset", "image", "annotation", "annotator", "category", "export")
)
# How exactly it is known: each writing costs the disk a flush.
SEEN_MS = 60 * 1000
# How long a user's first request in this process waits for its note, so that what is asked next
# shows it. Not longer: a request that reads must not wait for whoever writes.
FIRST_SECONDS = 0.25


class Sightings:
    """Notes who was seen."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._noted: dict[int, int] = {}

    def note(self, user_id: int, path: str) -> None:
        """Note that a user asked for this path, if it is one of those that count."""
        if not path.startswith(PLACES):
            return
        moment, last = now_ms(), self._noted.get(user_id)
        if last is not None and moment - last < SEEN_MS:
            return
        self._noted[user_id] = moment
        seen = users.c.last_seen  # another process may have written it meanwhile
        before = or_(seen.is_(None), seen <= moment - SEEN_MS)
        change = update(users).where(users.c.id == user_id, before).values(last_seen=moment)
        written = self._notes.add(change, f"That user {user_id} was seen")
        if last is None:
            written.wait(FIRST_SECONDS)
