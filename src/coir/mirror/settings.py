"""What a mirror is of: a server's dataset, or a part of it, and which files are kept."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import msgspec

from coir.client import Dataset
from coir.errors import InvalidRequest
from coir.mirror.database import Database, keep
from coir.mirror.options import Options
from coir.scan.filter import Filter

__all__ = ["FILES_KEPT", "Settings", "known", "settle", "settled", "unsettle"]

KEY = "settings"
# Whether files are kept, as a part of a statement: where they are not, none is ever due.
FILES_KEPT = (
    f"NOT EXISTS (SELECT 1 FROM mirror WHERE key = '{KEY}' "  # noqa: S608
    "AND json_extract(value, '$.images') = 'none')"
)


class Settings(msgspec.Struct, frozen=True):
    """What a mirror is of; ``uuid`` tells it from every other."""

    uuid: str
    server_url: str
    dataset_id: int
    dataset_name: str
    directory: str
    filters: dict[str, Any]
    images: str

    @property
    def where(self) -> Filter:
        """Which images are wanted."""
        return msgspec.convert(self.filters, Filter)


def known(database: Database) -> Settings | None:
    """Give the settings of a mirror; None before its first sync."""
    found: Settings | None = database.setting(KEY, Settings)
    return found


def settled(
    database: Database, dataset: Dataset, where: Filter | None, options: Options
) -> Settings:
    """Give the settings of a mirror, made at its first sync and held to afterwards.

    Raises:
        InvalidRequest: it is of something else.

    """
    before = known(database)
    told = dataset.info
    wanted = Settings(
        uuid=str(uuid4()) if before is None else before.uuid,
        server_url=dataset.server.url,
        dataset_id=told.id,
        dataset_name=told.name,
        directory=told.directory,
        filters=_plain(where) if where is not None or before is None else before.filters,
        images=options.images or (before.images if before else "original"),
    )
    if before is not None:
        if options.moved:
            before = _moved(before, wanted)
        _same(before, wanted)
    return wanted


def settle(database: Database, settings: Settings) -> None:
    """Keep the settings; files of another kind than before make all files due."""
    before = known(database)
    if before == settings:
        return
    with database.write() as connection:
        keep(connection, KEY, settings)
        if before is not None and before.server_url != settings.server_url:
            # Another copy of its database may lie there, with a feed of its own: all is read.
            connection.execute("UPDATE syncs SET cursor = NULL")
            connection.execute("DELETE FROM mirror WHERE key IN ('prices', 'posted')")
        if before is not None and before.images != settings.images:
            connection.execute(f"UPDATE images SET file_due = {FILES_KEPT}")  # noqa: S608


def unsettle(database: Database) -> None:
    """Forget the settings of a mirror into which nothing was ever read."""
    with database.write() as connection:
        connection.execute(
            "DELETE FROM mirror WHERE key = ? AND NOT EXISTS (SELECT 1 FROM images) "
            "AND NOT EXISTS (SELECT 1 FROM syncs WHERE state <> 'reading')",
            (KEY,),
        )


def _plain(where: Filter | None) -> dict[str, Any]:
    # As they come back from the database, where a tuple has become a list.
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode((where or Filter()).describe()))
    return plain


def _moved(before: Settings, wanted: Settings) -> Settings:
    """Give the settings as they are at the new address, if the dataset there is the same."""
    told = (wanted.dataset_id, wanted.dataset_name)
    if told != (before.dataset_id, before.dataset_name):
        raise InvalidRequest(
            f"At {wanted.server_url} dataset {wanted.dataset_id} is {wanted.dataset_name!r}, and "
            f"this mirror is of {before.dataset_name!r} ({before.dataset_id}).",
            hint="It is another server, or another dataset: give another folder.",
        )
    return msgspec.structs.replace(before, server_url=wanted.server_url)


def _same(before: Settings, wanted: Settings) -> None:
    if (before.server_url, before.dataset_id) != (wanted.server_url, wanted.dataset_id):
        raise InvalidRequest(
            f"This mirror is of dataset {before.dataset_name!r} ({before.dataset_id}) at "
            f"{before.server_url}, not of {wanted.dataset_name!r} ({wanted.dataset_id}) at "
            f"{wanted.server_url}.",
            hint="Give another folder for another dataset; if the server has moved to another "
            "address, add --moved once.",
        )
    if before.filters != wanted.filters:
        raise InvalidRequest(
            f"This mirror was made with the filters {before.filters or 'none'}, and now they are "
            f"{wanted.filters or 'none'}.",
            hint="Leave the filters out to go on with those of the mirror, or give another folder.",
        )
