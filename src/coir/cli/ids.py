"""`coir ids`: every image id of a dataset, proven to be all."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from coir.cli.access import Access, Cookie, Password, ServerUrl, Username, open_server
from coir.cli.output import put
from coir.cli.talk import progress, say
from coir.errors import CoirError, IncompleteScan, InvalidRequest
from coir.files import write_whole
from coir.scan import Certificate, Scan
from coir.scan.order import CONCURRENCY

__all__ = ["ids"]


def ids(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The dataset's name or id.")],
    server: ServerUrl = None,
    username: Username = None,
    password: Password = None,
    cookie: Cookie = None,
    concurrency: Annotated[
        int,
        typer.Option(min=1, max=64, help="Requests under way at the same time."),
    ] = CONCURRENCY,
    certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the certificate there, as JSON.", show_default=False
        ),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing unless something is wrong.")
    ] = False,
) -> None:
    """Print the id of every image of a dataset, one a line, ascending.

    Nothing is printed until the list is known to be whole; the certificate that says so
    is told on stderr.
    """
    if certificate is not None:
        _check(certificate)
    try:
        with (
            open_server(Access(server, username, password, cookie)) as connection,
            progress(f"Reading {dataset}", quiet=quiet) as watch,
        ):
            scan = Scan(connection.dataset(dataset), concurrency=concurrency, watch=watch)
            found = scan.ids()
    except IncompleteScan as incomplete:
        _keep(certificate, incomplete.certificate)
        raise
    except KeyboardInterrupt:
        say("Interrupted: the list was not whole, so nothing was printed.")
        raise
    _keep(certificate, scan.certificate)
    put(map(str, found))
    if not quiet:
        say(scan.certificate.words())


def _check(path: Path) -> None:
    """Refuse a place where the certificate cannot be put, before anything is sent."""
    try:
        if path.exists() and not path.is_file():
            raise IsADirectoryError
        with TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InvalidRequest(
            f"The certificate cannot be written to {path}.",
            hint="Give --certificate a file in a folder that exists and can be written to.",
        ) from error


def _keep(path: Path | None, certificate: Certificate) -> None:
    if path is None:
        return
    try:
        write_whole(path, certificate.json() + b"\n")
    except OSError as error:
        raise CoirError(
            f"The certificate could not be written to {path}: {error.strerror}."
        ) from error
