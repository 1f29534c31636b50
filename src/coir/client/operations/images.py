"""Images: listing, uploading, downloading and deleting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from coir.client.call import Reach, Way, call, stream
from coir.client.exchange import Answer, Operation, Request, Sink, given, query
from coir.client.local_file import PathLike, Source, received, sent
from coir.client.reply import checked, decoded
from coir.model import Coco, ImageInfo, ImagePage

__all__ = ["Images", "Received"]


@dataclass(frozen=True, slots=True)
class Received:
    """What a server said of a picture beside its bytes, where it did.

    ``etag`` names the bytes: the server gives another for others; ``length`` is their number.
    """

    etag: str | None = None
    length: int | None = None


NOT_MODIFIED = 304


class _Copied(msgspec.Struct):
    annotations_created: int


class Images(Reach[Way]):
    """The images of all datasets: ``server.images``.

    Each call that takes an id raises `InvalidRequest` where there is none that this user may
    see, and `PermissionDenied` where they may see it and not do that.
    """

    @call
    def page(
        self, *, page: int = 1, per_page: int = 50, fields: Sequence[str] | None = None
    ) -> Operation[ImagePage]:
        """List the images of all datasets, so many a page, counted from 1: ``GET /api/image/``.

        In no order on the original; for all images of a dataset there is `coir.Scan`. ``fields``
        says what to tell of each, by the names that `ImageInfo` has; ``id``, ``dataset_id`` and
        ``file_name`` are always told.
        """
        wanted = None if fields is None else ("id", "dataset_id", "file_name", *fields)
        request = Request("GET", "/api/image/", query(page=page, per_page=per_page, fields=wanted))
        return decoded(request, (yield request), ImagePage)

    @call
    def get(self, image_id: int) -> Operation[ImageInfo]:
        """Tell all that the server knows of an image: ``GET /api/annotator/data/{id}``."""
        request = Request("GET", f"/api/annotator/data/{image_id}")
        return decoded(request, (yield request), _Loaded).image

    @call
    def upload(self, dataset_id: int, source: Source, *, name: str | None = None) -> Operation[int]:
        """Upload a picture: ``POST /api/image/``; gives its id.

        ``source`` is a file's path, or the content. ``name`` is the place in the dataset, with
        ``/`` between folders; by default the file's name, without folders. For many files there
        is `coir.upload`.

        Raises:
            InvalidRequest: the server refuses it: no picture, too large, or the name is taken;
                or content comes without a name.
            CoirError: the file cannot be read.

        """
        with sent(source, name) as file:
            form = {"dataset_id": str(dataset_id)}
            request = Request("POST", "/api/image/", form=form, files={"image": file})
            return decoded(request, (yield request), int)

    @call
    def download(
        self,
        image_id: int,
        path: PathLike,
        *,
        original: bool = True,
        width: int | None = None,
        height: int | None = None,
    ) -> Operation[Path]:
        """Write a picture to ``path``: ``GET /api/image/{id}``.

        The bytes that were uploaded, or, without ``original``, a JPEG that fits into ``width``
        and ``height`` in pixels. It appears there when it is whole, and takes the place of a
        file that was there.

        Raises:
            CoirError: it cannot be written.

        """
        with received(path) as file:
            request = replace(_picture(image_id, original, width, height), into=file)
            checked(request, (yield request))
        return Path(path)

    @call
    def receive(
        self,
        image_id: int,
        into: Sink,
        *,
        known: str | None = None,
        original: bool = True,
        width: int | None = None,
        height: int | None = None,
    ) -> Operation[Received | None]:
        """Write a picture into an open file: ``GET /api/image/{id}``; otherwise as `download` does.

        None where the server says that it is still the one with the ETag ``known``, and nothing
        was written. coir's server does so for the bytes that were uploaded; the original always
        gives the picture, and is asked with `etag` first.
        """
        asked = {} if known is None else {"if-none-match": known}
        request = replace(_picture(image_id, original, width, height), into=into, headers=asked)
        answer = yield request
        if answer.status == NOT_MODIFIED and known is not None:
            return None
        return _received(checked(request, answer))

    @call
    def etag(self, image_id: int) -> Operation[str | None]:
        """Tell the ETag of the bytes that were uploaded, without them: ``HEAD /api/image/{id}``.

        None where the server gives none.
        """
        request = replace(_picture(image_id, True, None, None), method="HEAD")
        return _received(checked(request, (yield request))).etag

    @stream
    def pieces(
        self,
        image_id: int,
        *,
        original: bool = True,
        width: int | None = None,
        height: int | None = None,
    ) -> Request:
        """Give a picture in pieces, otherwise as `download` does: ``GET /api/image/{id}``."""
        return _picture(image_id, original, width, height)

    @call
    def coco(self, image_id: int) -> Operation[Coco]:
        """Give an image and its annotations as COCO: ``GET /api/image/{id}/coco``."""
        request = Request("GET", f"/api/image/{image_id}/coco")
        return decoded(request, (yield request), Coco)

    @call
    def copy_annotations(
        self, source_id: int, target_id: int, *, category_ids: Sequence[int] | None = None
    ) -> Operation[int]:
        """Copy annotations to another image of the same size; gives how many.

        All of them, or those of some categories:
        ``POST /api/image/copy/{from}/{to}/annotations``.
        """
        path = f"/api/image/copy/{source_id}/{target_id}/annotations"
        request = Request("POST", path, json=given(category_ids=category_ids))
        return decoded(request, (yield request), _Copied).annotations_created

    @call
    def delete(self, image_id: int) -> Operation[None]:
        """Delete an image, to be undone with `Undo`: ``DELETE /api/image/{id}``."""
        request = Request("DELETE", f"/api/image/{image_id}")
        checked(request, (yield request))


class _Loaded(msgspec.Struct):
    image: ImageInfo


def _picture(image_id: int, original: bool, width: int | None, height: int | None) -> Request:
    # Any text but an empty one means yes (recorded: get.original_false_is_true).
    params = query(original=original or None, width=width, height=height)
    return Request("GET", f"/api/image/{image_id}", params)


def _received(answer: Answer) -> Received:
    length = answer.headers.get("content-length", "")
    # Of what was packed on its way the length says nothing.
    counted = length.isdecimal() and "content-encoding" not in answer.headers
    return Received(answer.headers.get("etag"), int(length) if counted else None)
