"""`coir ids`: every image id of a dataset, proven to be all."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from coir.cli.access import Access, Cookie, Password, ServerUrl, Username, open_server
from coir.cli.talk import progress, say
from coir.errors import IncompleteScan, InvalidRequest
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
    if certificate is not None and not os.access(certificate.parent, os.W_OK):
        raise InvalidRequest(
            f"The certificate cannot be written to {certificate}.",
            hint="Give --certificate a file in a folder that exists and can be written to.",
        )
    with (
        open_server(Access(server, username, password, cookie)) as connection,
        progress(f"Reading {dataset}", quiet=quiet) as watch,
    ):
        scan = Scan(connection.dataset(dataset), concurrency=concurrency, watch=watch)
        try:
            found = scan.ids()
        except IncompleteScan as incomplete:
            _keep(certificate, incomplete.certificate)
            raise
        except KeyboardInterrupt:
            say("Interrupted: the list was not whole, so nothing was printed.")
            raise
    _keep(certificate, scan.certificate)
    sys.stdout.writelines(f"{image_id}\n" for image_id in found)
    sys.stdout.flush()
    if not quiet:
        say(scan.certificate.words())


def _keep(path: Path | None, certificate: Certificate) -> None:
    if path is not None:
        write_whole(path, certificate.json() + b"\n")
