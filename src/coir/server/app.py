"""The application: the routes, and the answers to whatever is no route."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from html import escape
from threading import BoundedSemaphore, Event

from fastapi import FastAPI, Request
from sqlalchemy.exc import DatabaseError, DataError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from coir.server.answers import (
    NOT_ALLOWED,
    NOT_ALLOWED_HTML,
    NOT_FOUND_HTML,
    REDIRECT_HTML,
    Refusal,
    answer,
)
from coir.server.attempts import Attempts
from coir.server.conditional import Conditional
from coir.server.data import open_data
from coir.server.directories import Directories
from coir.server.edge import Edge, TooLargeError
from coir.server.encoding import Encoding
from coir.server.followers import Followers
from coir.server.jobs.jobs import Jobs
from coir.server.jobs.workplace import Workplace
from coir.server.kinds import kinds, sweep
from coir.server.live.announcement import Announcements
from coir.server.live.board import Board
from coir.server.live.channel import Channel
from coir.server.live.gate import Gate
from coir.server.live.sending import Sending
from coir.server.methods import allowed, misses_slash
from coir.server.notes import Notes
from coir.server.passwords import Passwords
from coir.server.renditions import Renditions
from coir.server.routes import ROUTERS
from coir.server.sessions import Sessions
from coir.server.settings import Settings, StartError
from coir.server.sightings import Sightings
from coir.server.state import ServerState
from coir.server.store.engine import Store
from coir.server.store.milestones import Milestones
from coir.server.tokens import Tokens
from coir.server.trace import Tracing
from coir.server.watching import Watcher

# Lists of ids that may be read at the same time: each holds a connection and 3 MB (measured), for
# a minute at most.
SNAPSHOTS = 16


def open_state(settings: Settings) -> ServerState:
    """Make what is missing in the data directory and open it.

    Raises `StartError`.
    """
    store, secret = open_data(settings)
    passwords, attempts, notes = Passwords(), Attempts(store), Notes(store)
    tokens = Tokens(store, notes)
    folders = Directories(settings.datasets)
    board = _board(settings, store)
    sending = Sending(board)
    announcements = Announcements(sending)
    renditions = Renditions(settings.renditions)
    place = Workplace(store, folders, settings.imports, renditions, settings.max_pixels)
    jobs = _jobs(settings, place, board)
    jobs.listeners.append(announcements.progress)
    return ServerState(
        settings=settings,
        store=store,
        folders=folders,
        renditions=renditions,
        passwords=passwords,
        attempts=attempts,
        sessions=Sessions(store, secret, passwords, attempts, tokens),
        tokens=tokens,
        sightings=Sightings(notes),
        notes=notes,
        jobs=jobs,
        board=board,
        sending=sending,
        announcements=announcements,
        followers=Followers(store),
        snapshots=BoundedSemaphore(SNAPSHOTS),
        milestones=Milestones(),
        draining=Event(),
    )


def _board(settings: Settings, store: Store) -> Board:
    try:
        return Board(store, settings.board)
    except DatabaseError as error:
        store.close()
        what = "delete it, nothing that is on it is kept" if settings.board else "see its log"
        raise StartError(
            f"{settings.board or store.name} cannot be opened ({error.orig}): {what}."
        ) from error


def _jobs(settings: Settings, place: Workplace, board: Board) -> Jobs:
    try:
        return Jobs(place.store, settings.queue, kinds(place), partial(sweep, place))
    except sqlite3.DatabaseError as error:
        board.close()
        place.store.close()
        raise StartError(
            f"{settings.queue} cannot be opened ({error}): delete it, no job is lost."
        ) from error


def create_app(settings: Settings) -> FastAPI:
    """The application over an opened data directory; jobs run while it is served, if they may."""
    state = open_state(settings)
    channel = Channel(state.store, state.sessions, state.announcements, state.board)
    watcher = Watcher(settings.datasets, state.store, state.jobs) if settings.watch else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as ending:  # each is closed, also when another cannot be
            ending.callback(state.close)
            state.notes.open()
            state.sending.open()
            if settings.jobs:
                state.jobs.open()
            state.followers.open()
            channel.open()
            ending.push_async_callback(channel.close)
            if watcher is not None:
                watcher.open()
                ending.callback(watcher.close)
            yield

    app = FastAPI(lifespan=lifespan, redirect_slashes=False, openapi_url=None)  # routes/openapi.py
    app.state.server = state
    app.state.channel = channel
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(Refusal, _refusal)
    app.add_exception_handler(DataError, _not_storable)
    app.add_exception_handler(TooLargeError, _too_large)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_middleware(Gate, channel=channel, settings=settings)
    app.add_middleware(Conditional)
    app.add_middleware(Edge, settings=settings, routes=app.router.routes)
    app.add_middleware(Encoding)
    app.add_middleware(Tracing)  # added last: the outermost
    return app


async def _refusal(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)  # noqa: S101 - the handler is registered for it
    response = answer(error.body, error.status)
    response.headers.update(error.headers)
    return response


async def _not_storable(_: Request, error: Exception) -> Response:  # noqa: ARG001
    """PostgreSQL refuses texts with NUL, which SQLite takes."""
    return answer({"message": "The request has a value that the database cannot hold."}, 400)


async def _too_large(_: Request, error: Exception) -> Response:
    return answer({"message": str(error)}, 413)


async def _no_route(request: Request, error: Exception) -> Response:
    """404 and 405 as recorded; a missing last slash is redirected to."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == 404:
        return _not_found(request)
    if status != 405:
        response = answer({"message": str(error)}, status)
        response.headers.update((isinstance(error, HTTPException) and error.headers) or {})
        return response
    if request.method == "GET":
        return HTMLResponse(NOT_FOUND_HTML, 404)
    return _not_allowed(request)


def _not_found(request: Request) -> Response:
    routes, scope = request.app.routes, request.scope
    if misses_slash(routes, scope):
        target = str(request.url.replace(path=request.url.path + "/"))
        return HTMLResponse(REDIRECT_HTML.format(escape(target)), 308, {"Location": target})
    if request.method == "GET":
        return HTMLResponse(NOT_FOUND_HTML, 404)
    if misses_slash(routes, dict(scope, method="OPTIONS")):
        return _not_allowed(request)  # the original redirects in vain, or crashes
    # The original has a page for every path, which takes GET only.
    return HTMLResponse(NOT_ALLOWED_HTML, 405, {"Allow": _allowed(request)})


def _not_allowed(request: Request) -> Response:
    response = answer({"message": NOT_ALLOWED}, 405)
    response.headers["Allow"] = _allowed(request)
    return response


def _allowed(request: Request) -> str:
    return ", ".join(allowed(request.app.routes, request.scope))
