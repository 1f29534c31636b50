"""`coir ids` and `coir images`: everything that a dataset holds, proven to be all."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from coir.cli import options
from coir.cli.access import Access, open_server, reaching
from coir.cli.formats import FORMATS, Format
from coir.cli.output import destination, ending_in_order, writable
from coir.cli.talk import voice
from coir.cli.wanted import Wanted, filtering
from coir.errors import CoirError, IncompleteScan, InvalidRequest
from coir.files import write_whole
from coir.scan import Certificate, Scan
from coir.scan.arrays import IDS, image_columns
from coir.scan.order import CONCURRENCY

__all__ = ["keep_certificate", "listing"]

WHILE_PRINTING = "Interrupted while printing: what was printed is not the whole list; run it again."
BATCH = 10_000
# Of rows that somebody waits for: fewer than the first answer holds.
BATCH_AT_ONCE = 500

IDS_HELP = """Print the id of every image of a dataset, ascending.

    Nothing is printed until the list is known to be whole; the certificate that says so is
    told on stderr.
    """
IMAGES_HELP = """Print every image of a dataset, ascending by id: file name, annotations.

    Nothing is printed until the list is known to be whole; the certificate that says so is
    told on stderr.
    """


def listing(*, rows: bool) -> Callable[..., None]:
    """Give the command that lists images, or only their ids."""

    @reaching
    @filtering
    def command(
        dataset: options.DatasetName,
        access: Access,
        wanted: Wanted,
        concurrency: options.Concurrency = CONCURRENCY,
        max_rps: options.MaxRps = None,
        resume: options.Resume = None,
        since: options.Since = None,
        format: options.FormatName = "ndjson" if rows else "lines",  # noqa: A002 - the option
        fields: options.Fields = None,
        output: options.Output = None,
        at_once: options.AtOnce = False,
        certificate: options.CertificateFile = None,
        quiet: options.Quiet = False,
        json_log: options.JsonLog = False,
    ) -> None:
        voice.configure(json=json_log, quiet=quiet)
        ending_in_order()
        for path, option in ((output, "-o"), (certificate, "--certificate"), (resume, "--resume")):
            writable(path, option)
        _apart(output, certificate, resume)
        where = wanted.filter()
        further = [name.strip() for name in fields.split(",")] if fields else ()
        earlier = earlier_certificate(since) if since else None
        whole = False
        try:
            with open_server(access) as connection, voice.progress(f"Reading {dataset}") as watch:
                scan = Scan(
                    connection.dataset(dataset),
                    where,
                    fields=further,
                    concurrency=concurrency,
                    max_rps=max_rps,
                    since=earlier,
                    resume=resume,
                    watch=watch,
                )
                with destination(output, at_once=at_once) as file:
                    writer = FORMATS[format](file, image_columns(scan.fields) if rows else IDS)
                    _write(writer, _batches(scan, rows=rows, at_once=at_once), at_once=at_once)
                    whole = True
                # Only now: whoever asks for what is new since then must have had the rest.
                keep_certificate(certificate, scan.certificate)
        except IncompleteScan as incomplete:
            keep_certificate(certificate, incomplete.certificate)
            if resume:
                incomplete.hint += " Run the same command again to go on from there."
            raise
        except KeyboardInterrupt:
            voice.say(WHILE_PRINTING if whole else _interrupted(resume, at_once=at_once))
            raise
        voice.done(scan.certificate)

    if not rows:  # an id has no fields to tell
        signature = inspect.signature(command, eval_str=True)
        kept = [one for name, one in signature.parameters.items() if name != "fields"]
        # As in `grouped`.
        command.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    command.__doc__ = IMAGES_HELP if rows else IDS_HELP
    return command


def earlier_certificate(path: Path) -> Certificate:
    """Read a certificate that an earlier command wrote.

    Raises:
        InvalidRequest: the file is not there, or something else.

    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Certificate)
    except OSError as error:
        raise InvalidRequest(
            f"{path} cannot be read: {error.strerror}.",
            hint="Write one first: coir ids DATASET --certificate FILE",
        ) from error
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"{path} is not a certificate: {error}.") from error


def _write(writer: Format, batches: Iterable[Sequence[Any]], *, at_once: bool) -> None:
    try:
        writer.begin()
        for batch in batches:
            writer.write(batch)
            if at_once:
                writer.file.flush()
        writer.end()
    except BaseException:
        writer.abandon()
        raise


def _batches(scan: Scan, *, rows: bool, at_once: bool) -> Iterable[Sequence[Any]]:
    images = scan.batches(BATCH_AT_ONCE if at_once else BATCH)
    if rows:
        return images
    # Ids alone are cheaper, but they come when all are there.
    return ([row.id for row in batch] for batch in images) if at_once else _slices(scan.ids())


def _slices(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    rest = iter(ids)
    while batch := list(islice(rest, BATCH)):
        yield batch


def _apart(*paths: Path | None) -> None:
    """Refuse to write two things into one file."""
    given = [path.resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise InvalidRequest(
            "The same file is given for two things.",
            hint="-o, --certificate and --resume each need one of their own.",
        )


def keep_certificate(path: Path | None, certificate: Certificate) -> None:
    """Write a certificate where it is wanted.

    Raises:
        CoirError: it cannot be written.

    """
    if path is None:
        return
    try:
        write_whole(path, certificate.json() + b"\n")
    except OSError as error:
        raise CoirError(
            f"The certificate could not be written to {path}: {error.strerror}."
        ) from error


def _interrupted(resume: Path | None, *, at_once: bool) -> str:
    if resume:
        return f"Interrupted: run the same command again to go on; the progress is in {resume}."
    if at_once:
        return "Interrupted: what was printed is not the whole list."
    return "Interrupted: the list was not whole, so nothing was printed."
