"""Whether the server lives, and whether it should be sent requests; open to all.

What watches servers asks this every few seconds: it costs a row, and tells nothing about them.
"""

from __future__ import annotations

import logging

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from coir.server.answers import answer, refused
from coir.server.state import state_of
from coir.server.store.migration import NEWEST, revisions

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api")


@router.get("/health")
def health() -> Response:
    """The process answers. It is not to be restarted for anything that another route says."""
    return answer({"status": "ok"})


@router.get("/ready")
def ready(request: Request) -> Response:
    """The database answers, is of this version, and the server is not about to end; else 503."""
    state = state_of(request)
    if state.draining.is_set():
        raise refused("The server is ending.", 503)
    try:
        with state.store.read() as connection:
            found = revisions(connection)
    except SQLAlchemyError as error:
        log.warning("The database does not answer: %s", error)
        raise refused("The database does not answer.", 503) from None
    if found != {NEWEST}:
        raise refused("The database is not of this version of coir.", 503)
    return answer({"status": "ready"})
