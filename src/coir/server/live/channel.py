"""The Socket.IO server: what clients send, and who is told what."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

import socketio
from anyio import CapacityLimiter, to_thread
from engineio.packet import Packet
from engineio.payload import Payload
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Receive, Scope, Send

from coir.server.access import visible_annotation
from coir.server.answers import Refusal, refused
from coir.server.live.announcement import Announcement, Announcements
from coir.server.live.board import Board
from coir.server.live.packets import MAX_PACKETS
from coir.server.live.presence import Mark, Presence, announced
from coir.server.live.telling import Telling
from coir.server.live.visitor import Credentials, Visitor, session_of
from coir.server.parameters import integer
from coir.server.scopes import includes
from coir.server.sessions import Caller, Sessions
from coir.server.store.engine import Store

log = logging.getLogger(__name__)

VISITOR: Final = "coir.visitor"  # where a handshake's scope says who it is
# A drawn outline stays below; the original takes a hundred times as much.
MAX_BYTES = 1024 * 1024
# Recorded, and what clients of revision 3 go by: they ping after the first, and give up after the
# second.
PING_SECONDS = 25
PONG_SECONDS = 60
HEARTBEAT_SECONDS = 10  # a third of a lease
CLOSE_SECONDS = 1  # for a client to take its last packet
ACTIONS = ("create", "modify", "delete")
THREADS = 4  # of the server's, so that events cannot take all of them from the routes

Payload.max_decode_packets = MAX_PACKETS  # the library's own way to set it


class GoneError(Exception):
    """The session of a connection is over."""


class Channel:
    """All live connections of this process."""

    def __init__(
        self, store: Store, sessions: Sessions, announcements: Announcements, board: Board
    ) -> None:
        self._sessions = sessions
        self.is_open = False
        self._store = store
        self._announcements = announcements
        self._board = board
        self._presence = Presence(store)
        self._visitors: dict[str, Visitor] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._limiter: CapacityLimiter | None = None
        self._server: Any = socketio.AsyncServer(
            async_mode="asgi",
            async_handlers=False,  # of one client one event after the other
            cors_allowed_origins=[],  # `Gate` decides
            http_compression=False,
            max_http_buffer_size=MAX_BYTES,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            logger=log,
            engineio_logger=log,
        )
        self._telling = Telling(store, board, announcements, self._visitors, self._server, self.end)
        self._server.on("connect", self._connect)
        self._server.on("disconnect", self._disconnect)
        self._server.on("annotating", self._annotating)
        self._server.on("annotation", self._annotation)

    def open(self) -> None:
        """Begin to take connections, in the loop that serves them."""
        self._limiter = CapacityLimiter(THREADS)
        self._telling.open(self._limiter)
        self._start(self._telling.own())
        self._start(self._telling.others())
        self._start(self._beat())
        self.is_open = True

    async def end_all(self) -> None:
        """Take no more connections, and end those that there are."""
        self.is_open = False
        ends = [self._end(connection_id) for connection_id in list(self._server.environ)]
        await asyncio.gather(*ends)

    async def close(self) -> None:
        """End all that runs here, and take this process's marks away."""
        await self.end_all()
        self._announcements.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.shutdown()
        try:
            self._tell_marks(await to_thread.run_sync(self._presence.release))
        except SQLAlchemyError as error:
            log.warning("The marks of this process stay until they run out: %s", error)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request in revision 4 that `Gate` has let through."""
        await self._server.handle_request(scope, receive, send)

    async def answer(self, connection_id: str, packet: str) -> None:
        """Send a connection a packet that the server behind would not send by itself."""
        await self._server.eio.send_packet(connection_id, Packet(encoded_packet=packet))

    def visitor(self, shown: Credentials, address: str) -> Visitor | None:
        """Who begins a connection with these credentials; waits for the database."""
        caller = self._sessions.caller(shown.cookie, shown.authorization, address)
        if caller is None:
            return None
        return Visitor(caller, shown, address, session_of(shown.cookie), self._board.end())

    def credentials(self, connection_id: str) -> Credentials | None:
        """What was shown when a connection was opened; None when there is no such one."""
        environ = self._server.environ.get(connection_id)
        return None if environ is None else _visitor(environ).credentials

    def connections(self, user_id: int) -> int:
        """How many connections a user has."""
        callers = (_visitor(environ).caller for environ in self._server.environ.values())
        return sum(caller.id == user_id for caller in callers)

    def end(self, connection_id: str) -> None:
        """End a connection, soon."""
        self._start(self._end(connection_id))

    def _start(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, connection_id: str) -> None:
        """End a connection; its client may come again, and shows who it is then."""
        socket = self._server.eio.sockets.get(connection_id)
        if socket is None:
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._server.eio.disconnect(connection_id)
        except TimeoutError:
            log.debug("%s did not take its last packet", connection_id)
        socket.queue.put_nowait(None)  # ends what still writes to a WebSocket

    async def _connect(self, sid: str, environ: dict[str, Any], *_: Any) -> None:
        self._visitors[sid] = _visitor(environ)
        self._telling.came()

    async def _disconnect(self, sid: str, *_: Any) -> None:
        if self._visitors.pop(sid, None) is not None:
            await self._left(sid)

    async def _left(self, sid: str) -> None:
        try:
            marks = await to_thread.run_sync(self._presence.leave, sid, limiter=self._limiter)
        except SQLAlchemyError:
            log.exception("The mark of a connection that ended stays until its lease does.")
        else:
            self._tell_marks(marks)

    async def _annotating(self, sid: str, *given: Any) -> dict[str, Any] | None:
        return await self._handled(sid, self._mark, given)

    async def _annotation(self, sid: str, *given: Any) -> dict[str, Any] | None:
        return await self._handled(sid, self._pass_on, given)

    async def _handled(self, sid: str, work: Any, given: tuple[Any, ...]) -> dict[str, Any] | None:
        """Do the work of an event in a thread; gives the answer for a client that asks for one."""
        visitor = self._visitors.get(sid)
        if visitor is None:
            return None
        try:
            if len(given) != 1 or not isinstance(given[0], dict):
                raise refused("An event has one object.")
            await to_thread.run_sync(work, sid, visitor, given[0], limiter=self._limiter)
        except GoneError:
            self.end(self._server.manager.eio_sid_from_sid(sid, "/"))
            return None
        except Refusal as refusal:
            return {"success": False} | dict(refusal.body)
        except SQLAlchemyError:
            log.exception("an event failed")
            return {"success": False, "message": "Internal Server Error"}
        if sid not in self._visitors:  # it ended meanwhile
            await self._left(sid)
        return {"success": True}

    def _editor(self, visitor: Visitor) -> Caller:
        """The caller with the rights of this moment, or the refusal of one who only reads."""
        caller = visitor.present(self._sessions)
        if caller is None:
            raise GoneError
        if caller.scope is not None and not includes(caller.scope, "annotate"):
            raise refused("This needs an API token of the scope 'annotate'.", 403)
        return caller

    def _mark(self, sid: str, visitor: Visitor, given: dict[str, Any]) -> None:
        caller = self._editor(visitor)
        image_id = integer(given, "image_id")
        if image_id is None:
            raise refused("Invalid image id")
        if given.get("active"):
            marks = self._presence.enter(sid, caller, image_id)
        else:
            marks = self._presence.leave(sid, image_id)
        self._tell_marks(marks, sid)

    def _pass_on(self, _: str, visitor: Visitor, given: dict[str, Any]) -> None:
        """Tell what a page has drawn, as it says it, but only of an annotation that it sees."""
        caller = self._editor(visitor)
        shown = given.get("annotation")
        annotation_id = integer(shown, "id") if isinstance(shown, dict) else None
        if shown is None or annotation_id is None or given.get("action") not in ACTIONS:
            raise refused(f"An annotation has an id, and its action is one of {ACTIONS}.")
        with self._store.read() as connection:
            row = visible_annotation(connection, caller, annotation_id)
        if shown.get("image_id", row.image_id) != row.image_id:
            raise refused("Invalid annotation id")
        self._announcements.tell(Announcement("annotation", given, row.dataset_id))

    def _tell_marks(self, marks: Iterable[Mark], sid: str | None = None) -> None:
        for dataset_id, data in announced(marks):
            told = Announcement("annotating", data, dataset_id, without_connection=sid)
            self._announcements.tell(told)

    async def _beat(self) -> None:
        """Prolong this process's marks, end those that nobody prolongs, and ended sessions."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            try:
                self._tell_marks(await to_thread.run_sync(self._prolong, limiter=self._limiter))
                shown = {
                    connection_id: _visitor(environ)
                    for connection_id, environ in self._server.environ.items()
                }
                gone = await to_thread.run_sync(self._gone, shown, limiter=self._limiter)
            except SQLAlchemyError:
                log.exception("The marks of this process were not prolonged.")
            else:
                for connection_id in gone:
                    self.end(connection_id)

    def _prolong(self) -> list[Mark]:
        self._presence.renew()
        return self._presence.expire()

    def _gone(self, shown: dict[str, Visitor]) -> list[str]:
        """The connections whose session is over; each session is looked up once."""
        present = {
            visitor.credentials: visitor.present(self._sessions) is not None
            for visitor in shown.values()
        }
        return [one for one, visitor in shown.items() if not present[visitor.credentials]]


def _visitor(environ: dict[str, Any]) -> Visitor:
    visitor: Visitor = environ["asgi.scope"][VISITOR]
    return visitor
