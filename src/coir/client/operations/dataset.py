"""One dataset: its images, members, exports and imports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coir.client import routes
from coir.client.call import Reach, Way, call, stream
from coir.client.exchange import READ_TIMEOUT, Operation, Request, given, query
from coir.client.local_file import PathLike, Source, received, sent
from coir.client.operations.images import Images
from coir.client.reply import checked, decoded
from coir.errors import InvalidRequest
from coir.model import (
    Changes,
    Coco,
    DatasetInfo,
    Export,
    IdList,
    Image,
    ImageList,
    Page,
    Started,
    Statistics,
    User,
)

__all__ = ["DatasetCalls"]

NOT_FOUND = 404


class DatasetCalls(Reach[Way]):
    """What a dataset can be asked; ``info`` is what the server told of it when it was found.

    Calls that only its owner and administrators may make raise `PermissionDenied` for others.
    """

    def __init__(self, transport: Way, info: DatasetInfo) -> None:
        super().__init__(transport)
        self.info = info

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.info.id} {self.info.name!r}>"

    @call
    def images(
        self,
        *,
        page: int = 1,
        limit: int = 20,
        folder: str | None = None,
        order: str | None = None,
        filters: Mapping[str, str] | None = None,
        cursor: str | None = None,
    ) -> Operation[Page[Image]]:
        """Give one page of the dataset's images, counted from 1: ``GET /api/dataset/{id}/data``.

        For every image, with proof, there is `coir.Scan`: pages shift while people work.
        ``folder`` is a path in the dataset, and means those below too; ``order`` a field, with
        ``-`` for descending, by default ``file_name``; ``filters`` are conditions as the wire
        has them, such as ``{"width__gte": "800"}``.

        On coir's server ``cursor=""`` gives the first page with a ``next_cursor``, and that the
        next one, until it is None: these pages do not shift. Then ``page`` means nothing.

        Raises:
            DatasetNotFound: it is not there any more.
            InvalidRequest: the cursor is of another order, folder or filter.
            UnexpectedAnswer: the server has no cursors.

        """
        number = page if cursor is None else None
        asked = query(page=number, limit=limit, folder=folder, order=order, cursor=cursor)
        return routes.images(self.info.id, dict(filters or {}) | asked, Image)

    @call
    def ids(
        self, *, folder: str | None = None, filters: Mapping[str, str] | None = None
    ) -> Operation[IdList]:
        """Give the ids of the dataset's images at one instant: ``GET /api/dataset/{id}/ids``.

        On coir's server only; `coir.Scan` asks for them where it can, and otherwise reads
        windows. ``folder`` and ``filters`` as for `images`.
        """
        return routes.image_ids(self.info.id, dict(filters or {}) | query(folder=folder))

    @call
    def rows(
        self,
        *,
        folder: str | None = None,
        filters: Mapping[str, str] | None = None,
        fields: Sequence[str] = (),
    ) -> Operation[ImageList]:
        """Give the dataset's images at one instant: ``GET /api/dataset/{id}/rows``.

        On coir's server only, and all in memory, some 250 bytes each; `coir.Scan` reads any
        number, on any server. ``folder`` and ``filters`` as for `images`; ``fields`` are further
        ones of path, width, height and category_ids.

        Raises:
            InvalidRequest: there is no such field, filter or folder.
            UnexpectedAnswer: the server is not coir's, or the answer was cut off.

        """
        asked = query(folder=folder, fields=",".join(fields) or None)
        request = Request("GET", self._path("/rows"), dict(filters or {}) | asked, attempts=1)
        return decoded(request, (yield request), ImageList)

    @call
    def upload(self, source: Source, *, name: str | None = None) -> Operation[int]:
        """Upload one picture, as ``server.images.upload`` does; gives its id."""
        return Images.upload.operation(self, self.info.id, source, name=name)

    @call
    def change(
        self,
        *,
        categories: Sequence[str] | None = None,
        default_annotation_metadata: Mapping[str, Any] | None = None,
    ) -> Operation[None]:
        """Say anew which categories it uses, by name, and what metadata annotations begin with.

        ``POST /api/dataset/{id}``; what is not given stays, categories that do not exist are
        made. ``info`` stays what it was.
        """
        body = given(
            categories=None if categories is None else list(categories),
            default_annotation_metadata=default_annotation_metadata,
        )
        request = Request("POST", self._path(), json=body)
        checked(request, (yield request))

    @call
    def delete(self) -> Operation[None]:
        """Delete the dataset, to be undone with `Undo`: ``DELETE /api/dataset/{id}``."""
        request = Request("DELETE", self._path())
        checked(request, (yield request))

    @call
    def share(self, users: Sequence[str]) -> Operation[None]:
        """Say anew with whom it is shared, by user name: ``POST /api/dataset/{id}/share``.

        Raises:
            InvalidRequest: there is no such user; nothing was changed.

        """
        request = Request("POST", self._path("/share"), json={"users": list(users)})
        checked(request, (yield request))

    @call
    def members(self) -> Operation[list[User]]:
        """List the owner and those it is shared with: ``GET /api/dataset/{id}/users``."""
        request = Request("GET", self._path("/users"))
        return decoded(request, (yield request), list[User])

    @call
    def statistics(self) -> Operation[Statistics]:
        """Give totals, averages, and counts by category and by user.

        ``GET /api/dataset/{id}/stats``.
        """
        request = Request("GET", self._path("/stats"))
        return decoded(request, (yield request), Statistics)

    @call
    def reset_metadata(self) -> Operation[None]:
        """Give each annotation the default metadata, and each image none; cannot be undone.

        ``GET /api/dataset/{id}/reset/metadata``.
        """
        request = Request("GET", self._path("/reset/metadata"), attempts=1)
        checked(request, (yield request))

    @call
    def scan_folder(self, *, thumbnails: bool = False) -> Operation[Started]:
        """Have the server register the files in its folder; gives the job.

        ``GET /api/dataset/{id}/scan``. On coir's server ``thumbnails`` has another job behind it
        make those that are not kept; the original makes none.
        """
        asked = query(thumbnails=thumbnails or None)
        request = Request("GET", self._path("/scan"), asked, attempts=1)
        return decoded(request, (yield request), Started)

    @call
    def coco(self, *, from_id: int | None = None, below_id: int | None = None) -> Operation[Coco]:
        """Give the annotated images and their annotations, in memory.

        ``GET /api/dataset/{id}/coco``. Those of the images with ids from ``from_id`` on and below
        ``below_id``, on servers that name ``coco`` among their features; the original gives all.
        """
        params = query(id__gte=from_id, id__lt=below_id)
        request = Request("GET", self._path("/coco"), params)
        return decoded(request, (yield request), Coco)

    @call
    def download_coco(self, path: PathLike) -> Operation[Path]:
        """Write the same as a COCO file to ``path``: ``GET /api/dataset/{id}/coco``.

        It appears there when it is whole, and takes the place of a file that was there.

        Raises:
            CoirError: it cannot be written.

        """
        with received(path) as file:
            request = Request("GET", self._path("/coco"), into=file)
            checked(request, (yield request))
        return Path(path)

    @stream
    def coco_pieces(self) -> Request:
        """Give the same in pieces, as bytes: ``GET /api/dataset/{id}/coco``."""
        return Request("GET", self._path("/coco"))

    @call
    def import_coco(
        self, source: Source, *, name: str | None = None, dry_run: bool = False
    ) -> Operation[Started]:
        """Import a COCO file's annotations: ``POST /api/dataset/{id}/coco``; gives the job.

        ``source`` is a file's path, or the content. ``dry_run`` only reports, in the job's log;
        on coir's server only.

        Raises:
            InvalidRequest: the server cannot read the file, or does not know ``dry_run``.

        """
        # The original would pass over the word, and import.
        if dry_run and (yield from routes.info()).coir is None:
            raise InvalidRequest("This server cannot try an import: it would do it.")
        with sent(source, name or ("coco.json" if isinstance(source, bytes) else None)) as file:
            form = query(dry_run=dry_run or None)
            request = Request("POST", self._path("/coco"), form=form, files={"coco": file})
            return decoded(request, (yield request), Started)

    @call
    def export(
        self, *, category_ids: Sequence[int] = (), with_empty_images: bool = False
    ) -> Operation[Started]:
        """Have the server write a COCO file: ``GET /api/dataset/{id}/export``; gives the job.

        Of all categories, or of some. When the job is completed, `exports` lists the file.

        Raises:
            InvalidRequest: the dataset has no such category.

        """
        params = query(categories=category_ids, with_empty_images=with_empty_images or None)
        request = Request("GET", self._path("/export"), params, attempts=1)
        return decoded(request, (yield request), Started)

    @call
    def exports(self) -> Operation[list[Export]]:
        """List the finished exports, newest first: ``GET /api/dataset/{id}/exports``."""
        request = Request("GET", self._path("/exports"))
        return decoded(request, (yield request), list[Export])

    def _path(self, below: str = "") -> str:
        return f"/api/dataset/{self.info.id}{below}"

    @call
    def changes(
        self, since: str | None = None, *, limit: int | None = None, wait: int | None = None
    ) -> Operation[Changes]:
        """Give what changed since a cursor: ``GET /api/dataset/{id}/changes``.

        Of coir's own server only. Without a cursor nothing but the one of now: take it, read
        everything, then ask for what came behind it, again and again. With ``wait`` an answer
        without entries comes after so many seconds, 60 at most.

        Raises:
            InvalidRequest: the cursor is none of this dataset's, has expired, or did not reach the
                server: read everything again; or the server has no such feed.
            DatasetNotFound: it is not there any more.

        """
        params = query(since=since, limit=limit, wait=wait)
        request = Request(
            "GET",
            f"/api/dataset/{self.info.id}/changes",
            params,
            read_timeout=READ_TIMEOUT + (wait or 0),
        )
        answer = yield request
        if answer.status == NOT_FOUND:
            yield from routes.visible(self.info.id)
        told = decoded(request, answer, Changes)
        if told.query is not None and told.query.get("since") != since:
            raise InvalidRequest(
                "The cursor did not reach the server: something on the way to it drops parameters.",
                hint="Reach the server directly, or read everything again.",
            )
        return told
