"""What the server is."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import false, func, select

from coir.server.access import SignedIn, not_cross_site
from coir.server.answers import answer
from coir.server.jobs.book import Order
from coir.server.kinds import TEST
from coir.server.one_thread import OneThread
from coir.server.state import state_of
from coir.server.store.tables import users

router = APIRouter(prefix="/api/info", route_class=OneThread)

# Clients find the contract's version here; coir's own stands under "coir".
CONTRACT = {
    "name": "COCO Annotator",
    "author": "Justin Brooks",
    "demo": "https://annotator.justinbrooks.ca/",
    "repo": "https://github.com/jsbroks/coco-annotator",
    "git": {"tag": "v0.11.1"},
    "login_enabled": True,
}
# Not from `coir` itself, which imports the client.
VERSION = version("coir")
# What the original lacks: `ids`, `rows` and `changes` are GET /api/dataset/{id}/ids, …/rows and
# …/changes, `fields` and `cursor` parameters of `/data`, `tokens` is /api/user/tokens, `coco` that
# …/coco takes id__gte and id__lt.
FEATURES = ("ids", "rows", "fields", "cursor", "tokens", "changes", "coco")


@router.get("/")
def info(request: Request) -> Response:
    """Name, version and whether one can register; open to all."""
    state = state_of(request)
    with state.store.read() as connection:
        total = connection.execute(
            select(func.count()).select_from(users).where(users.c.deleted == false())
        ).scalar_one()
    return answer(
        CONTRACT
        | {
            "total_users": total,
            "allow_registration": state.settings.registration,
            "coir": {"version": VERSION, "features": list(FEATURES)},
        }
    )


@router.get("/long_task", dependencies=[Depends(not_cross_site)])
def long_task(request: Request, caller: SignedIn) -> Response:
    """Start a job that does nothing, to see that jobs run; it is in the list of tasks."""
    order = Order(TEST, "test", "Testing jobs", None, caller.id)
    ticket = state_of(request).jobs.begin(order)
    return answer({"id": ticket.celery_id, "state": "PENDING"})
