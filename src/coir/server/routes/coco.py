"""Whole datasets as COCO: in one streamed answer, or as a job that keeps the file."""

import secrets
from collections.abc import AsyncIterator, Generator
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import ColumnElement, select
from starlette.datastructures import UploadFile

from coir.coco import CocoError, read
from coir.server import exporting, importing
from coir.server.access import SignedIn, downloaded_dataset, not_cross_site, visible_dataset
from coir.server.ago import ago
from coir.server.answers import answer, invalid, refused
from coir.server.contents import EXPORT, WHOLE, Contents
from coir.server.directories import Incoming
from coir.server.filters import FilterError, parse
from coir.server.jobs.book import Order
from coir.server.one_thread import OneThread
from coir.server.parameters import parsed_integer, query
from coir.server.selection import Folder
from coir.server.sessions import Caller
from coir.server.state import ServerState, state_of
from coir.server.store.conditions import where
from coir.server.store.tables import exports
from coir.server.stream import Stream

router = APIRouter(prefix="/api/dataset", route_class=OneThread)

# A million annotations take half a minute to make; the rest is for slow connections. Meanwhile
# the database cannot fold its log into its file: who is slower still asks for an export.
SECONDS = 600.0
# The part of a dataset that is asked for, where it is not the whole.
WINDOW = ("id__gte", "id__lt")
# How a flag that cannot be read is refused; the first as recorded.
WORDS = {"with_empty_images": "Export with un-annotated images", "dry_run": "Report only"}


@router.get("/{dataset_id:id}/coco")
def coco(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """The annotated images of a dataset and their annotations, of one instant."""
    given = query(request)
    # The original takes no parameter here; others are passed over, as it does.
    try:
        conditions = parse({name: given[name] for name in WINDOW if name in given})
    except FilterError as error:
        raise invalid(error.errors) from None
    pieces = _pieces(state_of(request), caller, dataset_id, where(conditions))
    return Stream.begun(pieces, SECONDS)


def _pieces(
    state: ServerState, caller: Caller, dataset_id: int, within: ColumnElement[bool]
) -> Generator[bytes]:
    if not state.snapshots.acquire(blocking=False):
        raise refused("Too many large answers are being read; ask again, or start an export.", 503)
    try:
        with state.store.read() as connection:
            dataset = downloaded_dataset(connection, caller, dataset_id)
            yield from Contents(connection, dataset, WHOLE, within=within).pieces()
    finally:
        state.snapshots.release()


@router.get("/{dataset_id:id}/export", dependencies=[Depends(not_cross_site)])
def export(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """Start the job that writes the dataset, or some of its categories, into a COCO file."""
    state, given = state_of(request), query(request)
    categories = _categories(given)
    with_empty_images = _flag(given, "with_empty_images")
    names = ("categories", "with_empty_images", "folder")
    filters = {name: text for name, text in given.items() if name not in names}
    try:
        parse(filters)
    except FilterError as error:
        raise invalid(error.errors) from None
    with state.store.read() as connection:
        row = downloaded_dataset(connection, caller, dataset_id)
        # Both refuse what the dataset does not have.
        Contents(connection, row, EXPORT, categories)
        folder = ""
        if given.get("folder"):
            folder = Folder.of(state, row.name, given["folder"]).shown
    name = f"Exporting {row.name} into COCO format"
    given_on = {
        "categories": list(categories),
        "with_empty_images": with_empty_images,
        "folder": folder,
        "filters": filters,
    }
    order = Order(exporting.KIND, exporting.GROUP, name, row.id, caller.id, given_on)
    return answer(asdict(state.jobs.begin(order, join=False)))


@router.get("/{dataset_id:id}/exports")
def finished(request: Request, dataset_id: int, caller: SignedIn) -> Response:
    """The finished exports of a dataset, newest first."""
    with state_of(request).store.read() as connection:
        downloaded_dataset(connection, caller, dataset_id)
        asked = select(exports).where(exports.c.dataset_id == dataset_id)
        rows = connection.execute(asked.order_by(exports.c.id.desc())).all()
    return answer([{"id": row.id, "ago": ago(row.created_at), "tags": row.tags} for row in rows])


def _categories(given: dict[str, str]) -> tuple[int, ...]:
    """The ids in ``categories``; an empty text means all."""
    text = given.get("categories")
    if text is None:
        message = "Missing required parameter in the query string: ids with commas, or empty"
        raise invalid({"categories": message})
    return tuple(parsed_integer("categories", part) for part in text.split(",")) if text else ()


def _flag(given: dict[str, str], name: str) -> bool:
    text = given.get(name, "")
    if text.lower() not in ("", "false", "0", "true", "1"):
        raise invalid({name: f"{WORDS[name]} Invalid literal for boolean(): {text[:80]}"})
    return text.lower() in ("true", "1")


@dataclass(frozen=True, slots=True)
class Sent:
    """A COCO file that was sent, and the parameters beside it."""

    file: UploadFile | None
    given: dict[str, str]


async def sent(request: Request) -> AsyncIterator[Sent]:
    """The file in the body; what holds it is closed at the end of the request."""
    async with request.form(max_files=1, max_fields=20) as form:
        file = form.get("coco")
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        yield Sent(file if isinstance(file, UploadFile) else None, query(request) | texts)


@router.post("/{dataset_id:id}/coco")
@router.post("/{dataset_id:id}/export")  # the original's pages send it here
def take(
    request: Request, dataset_id: int, caller: SignedIn, given: Annotated[Sent, Depends(sent)]
) -> Response:
    """Start the job that imports annotations from a COCO file; `dry_run=true` only reports."""
    state = state_of(request)
    with state.store.read() as connection:
        row = visible_dataset(connection, caller, dataset_id, "Invalid dataset ID")
    if given.file is None:
        message = "Json coco Missing required parameter in an uploaded file"
        raise invalid({"coco": message})
    dry_run = _flag(given.given, "dry_run")
    name = f"{secrets.token_hex(16)}.json"
    order = Order(
        importing.KIND,
        importing.GROUP,
        f"Import COCO format into {row.name}",
        row.id,
        caller.id,
        {"file": name, "dry_run": dry_run},
    )
    incoming = Incoming(state.settings.imports, name)
    try:
        incoming.write(given.file.file)
        _check(incoming)
        # The name together with the job: whoever sweeps the files sees both, or neither.
        with state.store.write() as connection:
            ticket = state.jobs.enter(connection, order, join=False)
            incoming.keep()
    finally:
        incoming.discard()
    state.jobs.call(ticket)
    return answer(asdict(ticket))


def _check(incoming: Incoming) -> None:
    """Refuse what is no COCO file."""
    try:
        read(memoryview(importing.mapped(incoming.place)))
    except CocoError as error:
        raise refused(str(error)) from None
    except ValueError:  # nothing can be mapped of nothing
        raise refused("The file is empty.") from None
