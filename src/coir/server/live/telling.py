"""Tells the clients of this process what is announced, by it and by the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError

from coir.server.access import task_viewers, viewers
from coir.server.live.announcement import Announcement, Announcements, read
from coir.server.live.board import Board
from coir.server.live.visitor import Visitor
from coir.server.store.engine import Store

log = logging.getLogger(__name__)

# Between two looks at the board, while somebody is connected. One that finds nothing takes half a
# millisecond on SQLite, and two on PostgreSQL (medians, beside other work). What another process
# announces is told after half of it on average.
LOOK_SECONDS = 0.25
# After a look that failed; the database may be starting again.
FAILED_SECONDS = 1.0
# Packets that wait for one client; one that reads nothing must not fill the memory.
MAX_BACKLOG = 1000


class Telling:
    """Who is told what. ``server`` is the library's, ``end`` ends a connection of it."""

    def __init__(
        self,
        store: Store,
        board: Board,
        announcements: Announcements,
        visitors: Mapping[str, Visitor],
        server: Any,
        end: Callable[[str], None],
    ) -> None:
        self._store = store
        self._board = board
        self._announcements = announcements
        self._visitors = visitors
        self._server = server
        self._end = end
        self._limiter: CapacityLimiter | None = None
        self._somebody = asyncio.Event()

    def open(self, limiter: CapacityLimiter) -> None:
        """Begin, with the threads of the limiter."""
        self._limiter = limiter
        self._announcements.open()

    def came(self) -> None:
        """Say that somebody has connected."""
        self._somebody.set()

    async def own(self) -> None:
        """Tell what this process announces, one after the other."""
        while True:
            announcement = await self._announcements.next()
            if self._visitors:
                await self._tell_or_lose(announcement, None)

    async def others(self) -> None:
        """Tell what the other processes announce, one after the other."""
        while True:
            await self._somebody.wait()
            self._somebody.clear()
            place = min((one.place for one in self._visitors.values()), default=0)
            while self._visitors:
                place = await self._look(place)

    async def _look(self, place: int) -> int:
        """Tell what stands behind a place, after a while; the place behind that."""
        try:
            await asyncio.sleep(LOOK_SECONDS)
            more = True
            while more:
                found = await to_thread.run_sync(self._board.behind, place, limiter=self._limiter)
                for number, told in found.told:
                    await self._tell_or_lose(read(told), number)
                place, more = found.place, found.more
        except SQLAlchemyError:
            log.warning("What other processes announce cannot be read.", exc_info=True)
            await asyncio.sleep(FAILED_SECONDS)
        return place

    async def _tell_or_lose(self, announcement: Announcement, number: int | None) -> None:
        try:
            await self._tell(announcement, number)
        except SQLAlchemyError:
            log.exception("An event of the kind %r was lost.", announcement.event)

    async def _tell(self, announcement: Announcement, number: int | None) -> None:
        """Tell those who may see it now; one with a number on the board, who were there then."""
        ids = await to_thread.run_sync(self._viewers, announcement, limiter=self._limiter)
        session = announcement.without_session
        to = [
            sid
            for sid, visitor in self._visitors.items()
            if visitor.caller.id in ids
            and sid != announcement.without_connection
            and not (session is not None and visitor.session == session)
            and (number is None or number > visitor.place)
        ]
        to = [sid for sid in to if self._keeps_up(sid)]
        if to:
            await self._server.emit(announcement.event, dict(announcement.data), to=to)

    def _keeps_up(self, sid: str) -> bool:
        connection_id = self._server.manager.eio_sid_from_sid(sid, "/")
        socket = self._server.eio.sockets.get(connection_id)
        if socket is None:
            return False
        if socket.queue.qsize() < MAX_BACKLOG:
            return True
        self._end(connection_id)
        return False

    def _viewers(self, announcement: Announcement) -> set[int]:
        if announcement.task_id is not None:
            asked = task_viewers(announcement.task_id)
        elif announcement.dataset_id is not None:
            asked = viewers(announcement.dataset_id)
        else:
            return set()
        with self._store.read() as connection:
            return {user_id for (user_id,) in connection.execute(asked)}
