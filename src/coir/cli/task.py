"""What `coir sync` is to do: once, again and again, or only planned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from coir.cli.access import Access, asked, open_server
from coir.cli.listing import keep_certificate
from coir.cli.talk import Counter, voice
from coir.client import Dataset, Server
from coir.client.address import server_url
from coir.errors import (
    AuthenticationFailed,
    CoirError,
    IncompleteScan,
    IncompleteSync,
    InvalidRequest,
    SyncStopped,
)
from coir.mirror import Mirror, Options, SyncReport
from coir.mirror.lock import locked
from coir.mirror.schedule import Round, repeat
from coir.mirror.settings import Settings, known
from coir.scan import Filter

__all__ = ["Task", "connected", "reaching_of"]


@dataclass
class Task:
    """What is to be synced with what, and how."""

    home: Path
    dataset: str | int | None
    where: Filter | None
    options: Options
    dry_run: bool
    plan: Path | None
    apply: Path | None
    coco: bool = False
    _access: Access | None = None
    _server: Server | None = None

    def reach(self, access: Access) -> None:
        """Find out which server is meant: the one that is named, or the mirror's.

        Raises:
            InvalidRequest: neither is; or they are two.

        """
        there = (self.home / "coir.db").exists()
        settings = None
        if there:
            with Mirror(self.home) as mirror:
                settings = known(mirror.database)
        if settings is None and self.dataset is None:
            raise InvalidRequest(
                f"There is no mirror in {self.home}.",
                hint=f"Make one: coir sync DATASET {self.home}",
            )
        if settings is not None and self.dataset is None:
            self.dataset = settings.dataset_id
        if settings is not None and not self.options.moved:
            access = reaching_of(settings, access)
        elif settings is not None and not access.server:
            raise InvalidRequest("The new address is missing.", hint="Add it: --server URL --moved")
        self._access = asked(access)

    def run(self, certificate: Path | None) -> SyncReport:
        """Sync once; the certificate is written also where it does not prove enough."""
        title = f"Syncing {self.home}"
        try:
            with self._connected() as dataset, voice.counting(title) as count:
                report = self._work(dataset, count)
        except (IncompleteSync, SyncStopped) as error:
            voice.synced(error.report)
            _keep(certificate, error.report)
            raise
        except IncompleteScan as error:
            if certificate is not None:
                keep_certificate(certificate, error.certificate)
            raise
        except (KeyboardInterrupt, SystemExit):
            went = self.dry_run or self.plan
            voice.say(
                "Interrupted: nothing was changed."
                if went
                else "Interrupted: the next run goes on where this one stopped."
            )
            raise
        _keep(certificate, report)
        return report

    def repeat(self, every: float, certificate: Path | None) -> None:
        """Sync again and again."""

        def once() -> SyncReport:
            with voice.counting(f"Syncing {self.home}") as count:
                report = self._again(count)
            self.options = replace(self.options, moved=False)
            _keep(certificate, report, quietly=True)
            return report

        with locked(self.home / ".coir" / "schedule"):
            voice.say(f"Syncing {self.home} every {_time(every)}; Ctrl-C ends it.")
            try:
                repeat(once, every, _tell)
            except (KeyboardInterrupt, SystemExit):
                voice.say("Ended; the mirror is whole, or goes on with the next sync.")
                raise
            finally:
                self._disconnect()

    def _again(self, count: Counter | None) -> SyncReport:
        """Sync over the connection of the round before, or a new one."""
        assert self._access is not None  # noqa: S101 - for the type checker
        assert self.dataset is not None  # noqa: S101
        old = self._server is not None
        try:
            if self._server is None:
                self._server = open_server(self._access)
            return self._work(self._server.dataset(self.dataset), count)
        except (IncompleteSync, SyncStopped):
            raise
        except AuthenticationFailed:
            self._disconnect()
            if not old:
                raise
            return self._again(count)  # the session ended: it is logged in again, once
        except CoirError:
            self._disconnect()  # what comes back may be another version, or at another address
            raise

    def _disconnect(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    @contextmanager
    def _connected(self) -> Iterator[Dataset]:
        assert self._access is not None  # noqa: S101 - for the type checker
        assert self.dataset is not None  # noqa: S101
        with open_server(self._access) as connection:
            yield connection.dataset(self.dataset)

    def _work(self, dataset: Dataset, count: Counter | None) -> SyncReport:
        with Mirror(self.home) as mirror:
            if self.plan is not None:
                return mirror.write_plan(self.plan, dataset, self.where, self.options, watch=count)
            if self.dry_run:
                return mirror.plan(dataset, self.where, self.options, watch=count)[1]
            try:
                report = self._synced(mirror, dataset, count)
            except IncompleteSync:
                self._write_coco(mirror)  # of what is there
                raise
            self._write_coco(mirror)
            return report

    def _synced(self, mirror: Mirror, dataset: Dataset, count: Counter | None) -> SyncReport:
        if self.apply is not None:
            return mirror.apply(self.apply, dataset, self.options, watch=count)
        return mirror.sync(dataset, self.where, self.options, watch=count)

    def _write_coco(self, mirror: Mirror) -> None:
        if self.coco and mirror.write_coco():
            voice.say(f"{self.home / 'annotations.json'} was written.")


def reaching_of(settings: Settings, access: Access) -> Access:
    """Give how to reach the server of a mirror.

    Raises:
        InvalidRequest: another one is named; no password was sent there.

    """
    if access.server and (named := server_url(access.server)) != settings.server_url:
        raise InvalidRequest(
            f"This mirror is of {settings.server_url}, not of {named}.",
            hint="Leave out --server and COIR_SERVER; or, if the server has moved there, sync with "
            "--moved once.",
        )
    return replace(access, server=settings.server_url)


@contextmanager
def connected(settings: Settings, access: Access) -> Iterator[Dataset]:
    """Give the dataset of a mirror on its server."""
    with open_server(reaching_of(settings, access)) as connection:
        yield connection.dataset(settings.dataset_id)


def _keep(path: Path | None, report: SyncReport, *, quietly: bool = False) -> None:
    if path is None:
        return
    if report.certificate is not None:
        keep_certificate(path, report.certificate)
    elif not quietly:
        voice.warn(f"No certificate: this sync ({report.mode}) needed no whole listing.")


def _tell(now: Round) -> None:
    after = f"next in {_time(now.pause)}"
    if now.error is not None:
        went = now.report is not None and not now.report.dry_run
        done = f"{now.report.line()}." if went and now.report is not None else ""
        text = " ".join(filter(None, (done, now.error.message, now.error.hint)))
        voice.warn(f"{text} ({after})", error=type(now.error).__name__, pause=now.pause)
    elif now.report is not None:
        voice.synced(now.report, f"{now.report.line()}; {after}", pause=now.pause)


def _time(seconds: float) -> str:
    for unit, name in ((3_600.0, "h"), (60.0, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.3g} s"
