"""Jobs: how far they are, what they said, cancelling and forgetting them."""

from __future__ import annotations

import msgspec

from coir.client.call import Reach, Way, call
from coir.client.exchange import Operation, Request
from coir.client.reply import checked, decoded
from coir.errors import InvalidRequest
from coir.model import Job

__all__ = ["Jobs"]


# A small job is seen at once, and a long one asked for as seldom as a person would look.
SHORTEST, GROWTH, LONGEST = 0.05, 1.5, 5.0


class _Log(msgspec.Struct):
    logs: list[str]


class Jobs(Reach[Way]):
    """The jobs of the server: ``server.jobs``."""

    @call
    def all(self) -> Operation[list[Job]]:
        """List the jobs that the user may see, with their progress: ``GET /api/tasks/``."""
        request = Request("GET", "/api/tasks/")
        return decoded(request, (yield request), list[Job])

    @call
    def get(self, job_id: int) -> Operation[Job]:
        """Tell of one job: ``GET /api/tasks/``.

        Raises:
            InvalidRequest: there is none that this user may see.

        """
        return _among((yield from Jobs.all.operation(self)), job_id)

    @call
    def wait(self, job_id: int, *, seconds: float | None = None) -> Operation[Job]:
        """Wait until a job is completed, and tell of it: ``GET /api/tasks/``.

        It is asked less and less often, for ``seconds`` at most; what is given then says whether
        it is completed. Its ``errors`` say how much of it went wrong.

        Raises:
            InvalidRequest: there is none that this user may see.

        """
        delay, waited = 0.0, 0.0
        while True:
            request = Request("GET", "/api/tasks/", delay=delay)
            answer = yield request
            job = _among(decoded(request, answer, list[Job]), job_id)
            waited += delay + answer.seconds
            if job.completed or (seconds is not None and waited >= seconds):
                return job
            delay = min(max(delay * GROWTH, SHORTEST), LONGEST)
            if seconds is not None:
                delay = min(delay, seconds - waited)

    @call
    def log(self, job_id: int) -> Operation[list[str]]:
        """Give the lines that a job has logged: ``GET /api/tasks/{id}/logs``.

        Raises:
            InvalidRequest: there is none that this user may see.

        """
        request = Request("GET", f"/api/tasks/{job_id}/logs")
        return decoded(request, (yield request), _Log).logs

    @call
    def delete(self, job_id: int) -> Operation[None]:
        """Forget a completed job: ``DELETE /api/tasks/{id}``.

        Raises:
            InvalidRequest: there is none that this user may see, or it is not completed.

        """
        request = Request("DELETE", f"/api/tasks/{job_id}")
        checked(request, (yield request))

    @call
    def cancel(self, job_id: int) -> Operation[None]:
        """Cancel an unfinished job: ``POST /api/tasks/{id}/cancel``. coir's own server.

        Raises:
            InvalidRequest: there is none that this user may see, it is completed, or of a kind
                that cannot be cancelled.

        """
        request = Request("POST", f"/api/tasks/{job_id}/cancel")
        checked(request, (yield request))

    @call
    def test(self) -> Operation[None]:
        """Start a job that does nothing, to see that jobs run: ``GET /api/info/long_task``."""
        request = Request("GET", "/api/info/long_task", attempts=1)
        checked(request, (yield request))


def _among(jobs: list[Job], job_id: int) -> Job:
    for job in jobs:
        if job.id == job_id:
            return job
    raise InvalidRequest(f"There is no job {job_id} that this user may see.")
