"""What the routes of one server share: opened at its start, closed at its end."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from threading import BoundedSemaphore, Event

from fastapi import Request

from coir.server.attempts import Attempts
from coir.server.followers import Followers
from coir.server.jobs.jobs import Jobs
from coir.server.live.announcement import Announcements
from coir.server.live.board import Board
from coir.server.live.sending import Sending
from coir.server.notes import Notes
from coir.server.passwords import Passwords
from coir.server.renditions import Renditions
from coir.server.sessions import Sessions
from coir.server.settings import Settings
from coir.server.sightings import Sightings
from coir.server.storage import Storage
from coir.server.store.engine import Store
from coir.server.store.milestones import Milestones
from coir.server.tokens import Tokens


@dataclass(frozen=True, slots=True)
class ServerState:
    """The parts of a running server."""

    settings: Settings
    store: Store
    folders: Storage
    renditions: Renditions
    passwords: Passwords
    attempts: Attempts
    sessions: Sessions
    tokens: Tokens
    sightings: Sightings
    notes: Notes
    jobs: Jobs
    followers: Followers
    board: Board
    sending: Sending
    announcements: Announcements
    snapshots: BoundedSemaphore
    milestones: Milestones
    draining: Event  # set when the server is about to end

    def close(self) -> None:
        """Leave the running job at a safe point, write what is not written, and let go."""
        with ExitStack() as ending:  # each is closed, also when another cannot be
            parts = (
                self.store,
                self.sending,
                self.notes,
                self.jobs,
                self.followers,
            )
            for one in parts:
                ending.callback(one.close)


def state_of(request: Request) -> ServerState:
    """The server that this request reached."""
    state: ServerState = request.app.state.server
    return state
