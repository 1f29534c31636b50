"""A scan while everything happens to it: images come and go, answers are lost and mangled.

The contract is modelled in memory; the planner is the real one. Whatever the order of
events, every image that matched throughout is returned once, nothing else than what
matched at some time is returned, and the verdict is justified.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coir.errors import ConnectionFailed, ServerFailed, UnexpectedAnswer
from coir.scan.ask import Ask, Purpose, Reply
from coir.scan.certificate import Context, Totals, Verdict, certify
from coir.scan.ledger import Ledger
from coir.scan.window_plan import READINGS, WindowPlan

FAULTS = (
    ConnectionFailed("reset"),
    ConnectionFailed("timed out", timed_out=True),
    ServerFailed("busy", status=500),
    UnexpectedAnswer("half a JSON document"),
)


class ScanMachine(RuleBasedStateMachine):
    """A dataset, a scan of it under way, and the requests that it has sent."""

    def __init__(self) -> None:
        super().__init__()
        self.live: set[int] = set()
        self.deleted: set[int] = set()
        self.throughout: set[int] = set()
        self.ever: set[int] = set()
        self.changed = self.grew = False
        self.came: list[int] = []
        self.flying: list[Ask] = []
        self.answers: list[tuple[int, list[int]]] = []
        self.planner = WindowPlan(Ledger())

    @initialize(
        ids=st.sets(st.integers(1, 3_000), max_size=60),
        dense=st.integers(0, 3_000),
        gone=st.sets(st.integers(1, 3_000), max_size=5),
        in_flight=st.integers(1, 5),
        by_count=st.booleans(),
        told=st.sampled_from(["nothing", "all", "much"]),
        wrong=st.sets(st.integers(1, 3_000), max_size=20),
    )
    def begin(
        self,
        ids: set[int],
        dense: int,
        gone: set[int],
        in_flight: int,
        by_count: bool,
        told: str,
        wrong: set[int],
    ) -> None:
        """A dataset of scattered ids above a dense block; some were deleted before."""
        self.live = ids | set(range(1, dense)) - gone
        self.deleted = gone - self.live
        self.throughout, self.ever = set(self.live), set(self.live)
        known = {"nothing": set[int](), "all": self.live, "much": self.live ^ wrong}[told]
        self.planner = WindowPlan(
            Ledger(), in_flight=in_flight, by_count=by_count, known=sorted(known)
        )
        self.planner.pace.rows = 50  # small windows, so that a small dataset has many
        if self.planner.fullness:
            self.planner.fullness.least = 5
        self.send()

    def send(self) -> None:
        """Let the planner send what it wants to."""
        self.flying += self.planner.asks()

    # -- what people do -----------------------------------------------------------------

    @rule(count=st.integers(1, 20))
    def upload(self, count: int) -> None:
        """New images get ids above all others."""
        top = max(self.ever | self.deleted | {0})
        new = set(range(top + 1, top + 1 + count))
        self.live |= new
        self.ever |= new
        self.changed = True

    @rule(low=st.integers(1, 3_000))
    def insert_late(self, low: int) -> None:
        """A row whose id was taken before appears below the others."""
        if low not in self.ever | self.deleted:
            self.live.add(low)
            self.ever.add(low)
            self.changed = self.grew = True

    @precondition(lambda self: self.live)
    @rule(data=st.data(), count=st.integers(1, 5))
    def delete(self, data: st.DataObject, count: int) -> None:
        """Somebody deletes images."""
        for image_id in data.draw(st.lists(st.sampled_from(sorted(self.live)), max_size=count)):
            self.drop(image_id)

    def drop(self, image_id: int) -> None:
        """Delete one image."""
        self.live.discard(image_id)
        self.deleted.add(image_id)
        self.throughout.discard(image_id)
        self.changed = True

    @precondition(lambda self: self.deleted)
    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        """Somebody undoes a deletion."""
        image_id = data.draw(st.sampled_from(sorted(self.deleted)))
        self.deleted.discard(image_id)
        self.live.add(image_id)
        self.ever.add(image_id)
        self.changed = self.grew = True

    # -- what the server answers --------------------------------------------------------

    def answer(self, ask: Ask) -> tuple[int, list[int]]:
        """Give what the contract says at this moment."""
        found = sorted(i for i in self.live if ask.window is None or i in ask.window)
        if ask.purpose is Purpose.HIGHEST:
            found.reverse()
        return len(found), found[: ask.limit]

    def deliver(self, ask: Ask, total: int, rows: list[int], seconds: float) -> None:
        """Hand an answer to the planner, take what is ready, and let it send more."""
        self.planner.answered(ask, Reply(total, rows, seconds=seconds))
        self.came += [i for reading in self.planner.take() for i in reading.ids]
        self.send()

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), seconds=st.sampled_from([0.01, 0.4, 0.7, 5.0]))
    def serve(self, data: st.DataObject, seconds: float) -> None:
        """One of the requests under way is answered, in any order."""
        ask = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        total, rows = self.answer(ask)
        self.answers.append((total, rows))
        self.deliver(ask, total, rows, seconds)

    @precondition(lambda self: self.flying)
    @rule(fault=st.sampled_from(FAULTS))
    def lose(self, fault: Exception) -> None:
        """An answer is lost, reset, late or garbled."""
        self.planner.failed(self.flying.pop(0), fault)  # type: ignore[arg-type]
        self.came += [i for reading in self.planner.take() for i in reading.ids]
        self.send()

    @precondition(lambda self: self.flying)
    @rule(keep=st.floats(0, 0.99))
    def halve(self, keep: float) -> None:
        """Only the beginning of the rows arrives."""
        ask = self.flying.pop(0)
        total, rows = self.answer(ask)
        self.deliver(ask, total, rows[: int(len(rows) * keep)], 0.1)

    @precondition(lambda self: self.flying and self.answers)
    @rule(data=st.data())
    def mix_up(self, data: st.DataObject) -> None:
        """The answer to another request arrives once more, in place of this one."""
        ask = self.flying[0]
        total, rows = data.draw(st.sampled_from(self.answers))
        inside = [i for i in rows if ask.window and i in ask.window]
        if ask.purpose in READINGS and len(inside) < len(rows):
            self.deliver(self.flying.pop(0), total, rows, 0.1)

    @precondition(lambda self: self.flying)
    @rule(move=st.sampled_from(["reverse", "repeat", "negative"]))
    def mangle(self, move: str) -> None:
        """The rows arrive in another order, doubled, or with an impossible total."""
        ask = self.flying.pop(0)
        total, rows = self.answer(ask)
        if move == "negative":
            total = -total - 1
        elif len(rows) > 1:
            rows = rows[::-1] if move == "reverse" else rows + rows
        self.deliver(ask, total, rows, 0.1)

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        """An image is deleted between the count and the reading of rows."""
        ask = self.flying.pop(0)
        total, rows = self.answer(ask)
        if rows:
            self.drop(data.draw(st.sampled_from(rows)))
        self.deliver(ask, total, self.answer(ask)[1], 0.1)

    # -- what must hold -----------------------------------------------------------------

    @invariant()
    def ascending_and_once(self) -> None:
        """[S2] What comes is ascending, once each, and did match at some time."""
        assert all(first < second for first, second in zip(self.came, self.came[1:], strict=False))
        assert set(self.came) <= self.ever

    def teardown(self) -> None:
        """Let the scan run to its end undisturbed, and judge its verdict."""
        at_the_end = set(self.live)
        for _ in range(20_000):
            if self.planner.done:
                break
            assert self.flying, f"stuck while {self.planner.phase.value}"
            ask = self.flying.pop(0)
            self.deliver(ask, *self.answer(ask), 0.1)
        assert self.planner.done
        certificate = certify(
            self.planner, Context(1, "d", "http://s", "n", "v"), (), Totals(), (0.0, 1.0)
        )
        assert certificate.count == len(self.came)
        if certificate.verdict is Verdict.INCOMPLETE:
            # Refused: the other plan takes over, as where filters do not pass.
            assert self.planner.error is not None or self.planner.refused
            return
        high = certificate.high_water_mark or 0
        reached = {i for i in self.throughout if i <= high}
        assert reached <= set(self.came), "[S1] an image that matched throughout is missing"
        assert self.throughout == reached, "[S1] the high-water mark lies too low"
        if certificate.verdict is Verdict.COMPLETE and not self.grew:
            assert set(self.came) == {i for i in at_the_end if i <= high}, "[S3]"
        if certificate.verdict is Verdict.CHANGED:
            assert self.changed, "[S4] nothing changed"


TestScan = ScanMachine.TestCase
TestScan.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
