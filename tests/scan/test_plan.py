"""The planner against a simulated original: what it asks for, and how much that costs."""

from __future__ import annotations

import random

import pytest

from coir.errors import AuthenticationFailed, ServerFailed
from coir.scan.ask import Ask, Purpose, Reply
from coir.scan.ledger import Ledger, Problem
from coir.scan.pace import MOST_ROWS, TARGET_SECONDS
from coir.scan.plan import ATTEMPTS, Phase
from coir.scan.window_plan import READINGS, WindowPlan

from .simulation import ROW_SECONDS, Simulation, scanned

PROBES_AND_COUNT = 6


def answer(planner: WindowPlan, simulation: Simulation, ask: Ask) -> None:
    """Answer a request from the simulation."""
    total, ids, work = simulation.page(ask)
    planner.answered(ask, Reply(total, ids, seconds=work))


@pytest.mark.parametrize("in_flight", [1, 2, 4, 16])
def test_a_dense_dataset_is_read_in_few_windows(in_flight: int) -> None:
    """[W5] 200,000 consecutive ids take little more than the server's own time for the rows."""
    simulation, _ = scanned(range(1, 200_001), in_flight)
    assert simulation.rows_served < 200_000 * 1.01
    assert simulation.clock < 1.4 * 200_000 * ROW_SECONDS + 1.5
    assert len(simulation.served) < 60 * max(1, in_flight / 2)


@pytest.mark.parametrize("in_flight", [1, 2, 4, 8])
@pytest.mark.parametrize("request_seconds", [0.15, 2.0])
def test_a_server_whose_requests_cost_much_is_asked_seldom(
    in_flight: int, request_seconds: float
) -> None:
    """[W5] [W6] Where it is the request that takes long, asking for fewer rows is no remedy."""
    simulation, planner = scanned(range(1, 100_001), in_flight, request=request_seconds, row=1e-6)
    assert len(simulation.served) < 40
    assert planner.pace.in_flight <= max(2, 0.65 / request_seconds)


def test_a_server_that_becomes_slow_is_given_rest() -> None:
    """[W6] When a row costs ten times as much half-way, windows shrink; nothing collapses."""
    simulation = Simulation(list(range(1, 400_001)))

    def someone_else_works(_ask: Ask) -> None:
        if simulation.rows_served > 100_000:
            simulation.row = 10 * ROW_SECONDS

    simulation.after = someone_else_works
    planner = WindowPlan(Ledger())
    assert simulation.run(planner) == simulation.ids
    late = [ask.limit for ask in simulation.served if ask.purpose is Purpose.READ][-4:]
    assert max(late) * 10 * ROW_SECONDS < 1.5
    assert len(simulation.served) < 150


def test_no_answer_blocks_the_server_for_long() -> None:
    """[W6] The time an answer takes, with what queues before it, stays near the target."""
    simulation, _ = scanned(range(1, 1_000_001))
    reads = [ask for ask in simulation.served if ask.purpose is Purpose.READ]
    assert max(ask.limit for ask in reads) <= MOST_ROWS
    windows_only = Simulation(list(range(1, 1_000_001)))
    assert all(windows_only.page(ask)[2] < 1.5 * TARGET_SECONDS for ask in reads)


@pytest.mark.parametrize("others", [0.0, 1.0])
def test_a_sparse_dataset_costs_few_requests(others: float) -> None:
    """[W5] 1,000 images spread over ten million ids take few requests, among others or alone."""
    ids = sorted(random.Random(1).sample(range(1, 10_000_001), 1_000))
    simulation, _ = scanned(ids, others=others)
    best = 1 if not others else 10_000_000 * 2.5e-6 / TARGET_SECONDS
    assert len(simulation.served) <= PROBES_AND_COUNT + 8 + 4 * best


def test_empty_stretches_are_crossed_in_growing_strides() -> None:
    """[W3] [W5] Clusters of ids with millions between them cost a few requests each."""
    ids = [start + offset for start in range(1, 50_000_001, 10_000_000) for offset in range(2_000)]
    simulation, _ = scanned(ids)
    assert len(simulation.served) < 80
    assert simulation.rows_served < 1.6 * len(ids)


def test_one_far_id_costs_few_requests() -> None:
    """[W1] [W5] A dense dataset and one image far above it."""
    simulation, _ = scanned([*range(1, 100_001), 10_000_000])
    assert len(simulation.served) < 80


@pytest.mark.parametrize("ids", [[], [1], [7], [2**53], [1, 2**53]])
def test_tiny_datasets(ids: list[int]) -> None:
    """No image, one image, and two at the ends of the range."""
    scanned(ids)


def test_a_window_that_times_out_is_split() -> None:
    """[W6] [L6] A server with little patience gets smaller questions, and every id still comes."""
    simulation, planner = scanned(range(1, 5_001), timeout=0.022)
    assert planner.ledger.findings
    assert planner.reread
    assert simulation.rows_served == 5_000 + 4  # three probes and the count return one each


def test_a_window_that_always_fails_ends_the_scan() -> None:
    """[L6] A stretch that the server cannot read is reported with what the server said."""
    simulation = Simulation(list(range(1, 5_001)))
    planner = WindowPlan(Ledger(), in_flight=1)
    broken = ServerFailed("status 500", status=500)
    while not planner.done:
        for ask in planner.asks():
            if ask.purpose is Purpose.READ and ask.window and 700 in ask.window:
                planner.failed(ask, broken)
            else:
                total, rows, work = simulation.page(ask)
                planner.answered(ask, Reply(total, rows, seconds=work))
        planner.take()
    assert planner.error is broken
    assert len([f for f in planner.ledger.findings if 700 in f.window]) == ATTEMPTS


def test_an_error_that_asking_again_cannot_mend_ends_the_scan_at_once() -> None:
    """Wrong credentials are not tried again."""
    planner = WindowPlan(Ledger())
    first = planner.asks()[0]
    planner.failed(first, AuthenticationFailed("no"))
    assert planner.done
    assert planner.asks() == []


def test_memory_is_bounded_when_one_window_is_late() -> None:
    """[W7] While the first window is awaited, only a few later ones are read ahead."""
    simulation = Simulation(list(range(1, 1_000_001)))
    planner = WindowPlan(Ledger(), in_flight=4)
    for _ in range(3):
        for ask in planner.asks():
            answer(planner, simulation, ask)
        planner.take()
    late, held = None, 0
    for _ in range(500):
        for ask in planner.asks():
            if late is None and ask.purpose is Purpose.READ:
                late = ask
                continue
            answer(planner, simulation, ask)
            assert not planner.take()
            held += 1
    assert held < 20


def test_filters_that_are_ignored_are_noticed() -> None:
    """[O3] A window that must be empty and is not shows that a proxy strips the filters."""
    planner = WindowPlan(Ledger())
    simulation = Simulation([1, 2, 3])
    while not planner.done:
        for ask in planner.asks():
            total, ids, work = simulation.page(ask)
            if ask.purpose is Purpose.EMPTY:
                total, ids = 3, [1]
            planner.answered(ask, Reply(total, ids, seconds=work))
    assert planner.refused


def test_deletions_while_reading_are_located() -> None:
    """[S4] [W4] The certificate names the windows whose count changed."""
    simulation = Simulation(list(range(1, 50_001)))
    planner = WindowPlan(Ledger(), in_flight=1)

    def someone_deletes(ask: object) -> None:
        if planner.phase is Phase.CLOSE and 123 in simulation.ids:
            simulation.ids.remove(123)
            simulation.ids.remove(40_000)

    simulation.after = someone_deletes
    came = simulation.run(planner)
    assert came == list(range(1, 50_001))
    assert planner.counted_at_end == 49_998
    assert [
        (m.start <= 123 < m.stop, m.start <= 40_000 < m.stop, m.read - m.counted)
        for m in planner.moved
    ] == [
        (True, False, 1),
        (False, True, 1),
    ]


def test_a_restored_image_below_the_smallest_id_is_counted() -> None:
    """[W4] The count at the end reaches below the first window, and finds it."""
    simulation = Simulation(list(range(100, 2_000)))
    planner = WindowPlan(Ledger(), in_flight=1)

    def someone_restores(_ask: Ask) -> None:
        if planner.phase is Phase.CLOSE and simulation.ids[0] == 100:
            simulation.ids.insert(0, 7)

    simulation.after = someone_restores
    simulation.run(planner)
    assert [(m.start <= 7 < m.stop, m.read, m.counted) for m in planner.moved] == [(True, 0, 1)]


def test_slow_answers_make_the_plan_ask_for_less_at_a_time() -> None:
    """[W6] Answers far beyond the target shrink the windows and the requests under way."""
    planner = WindowPlan(Ledger(), in_flight=4)
    simulation = Simulation(list(range(1, 100_001)))
    for _ in range(9):
        for ask in planner.asks():
            total, ids, _ = simulation.page(ask)
            planner.answered(ask, Reply(total, ids, seconds=3e-3 * len(ids)))
        planner.take()
    assert planner.pace.in_flight == 1
    assert len(planner.asks()) == 1
    assert planner.pace.limit < 300


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("cap", [1, 100, 700])
def test_a_server_that_caps_its_pages_is_read_in_smaller_ones(cap: int, told: bool) -> None:
    """[L5] [W3] A fork that gives fewer rows than it is asked for, whether it says so or not."""
    simulation = Simulation(list(range(1, 5_001)))
    planner, came = WindowPlan(Ledger(), in_flight=2), []
    asked = 0
    while not planner.done:
        for ask in planner.asks():
            asked += 1
            total, ids, work = simulation.page(ask)
            per_page = min(cap, ask.limit) if told else ask.limit
            planner.answered(ask, Reply(total, ids[:cap], (), work, per_page))
        came += [i for reading in planner.take() for i in reading.ids]
    assert planner.error is None
    assert came == simulation.ids
    assert asked < 2 * 5_000 / cap + 20


def test_full_stretches_are_counted_instead_of_read() -> None:
    """[W8] Ids without a hole take a few counts, in a fraction of the time of their rows."""
    simulation, planner = scanned(range(1, 200_001), by_count=True)
    assert simulation.rows_served < 3_000
    assert len(simulation.served) < PROBES_AND_COUNT + 6
    assert planner.ledger.ids_counted > 197_000
    assert simulation.clock < 0.65 * 200_000 * ROW_SECONDS


@pytest.mark.parametrize("in_flight", [1, 4])
def test_blocks_are_counted_and_what_lies_between_them_is_read(in_flight: int) -> None:
    """[W8] Blocks of consecutive ids, one for each import, with ids of others in between."""
    ids = [start + offset for start in range(1, 600_001, 60_000) for offset in range(30_000)]
    simulation, planner = scanned(ids, in_flight, by_count=True)
    listed, _ = scanned(ids, in_flight)
    assert planner.ledger.ids_counted > 0.7 * len(ids)
    assert simulation.clock < 0.7 * listed.clock
    assert len(simulation.served) < 200


@pytest.mark.parametrize("missing", [1, 20, 400, 4_000, 40_000])
@pytest.mark.parametrize("in_flight", [1, 4])
def test_scattered_holes_cost_little_more_than_reading(missing: int, in_flight: int) -> None:
    """[W8] [W5] However many ids are missing, counting in vain stays a small part."""
    gone = set(random.Random(missing).sample(range(1, 200_001), missing))
    ids = [one for one in range(1, 200_001) if one not in gone]
    simulation, planner = scanned(ids, in_flight, by_count=True)
    listed, _ = scanned(ids, in_flight)
    assert simulation.clock < 1.2 * listed.clock
    if missing == 1:
        assert planner.ledger.ids_counted > 0.9 * len(ids)
        assert simulation.clock < 0.6 * listed.clock


@pytest.mark.parametrize(
    ("missing", "most"),
    [(1, 0.4), (20, 0.4), (100, 0.5), (400, 0.82), (4_000, 1.02), (40_000, 1.02)],
)
@pytest.mark.parametrize("in_flight", [1, 4])
def test_ids_that_are_known_say_where_to_count(missing: int, most: float, in_flight: int) -> None:
    """[W8] A request shows that nothing was missed between two holes and none has come."""
    gone = set(random.Random(missing).sample(range(1, 200_001), missing))
    ids = [one for one in range(1, 200_001) if one not in gone]
    simulation, _ = scanned(ids, in_flight, by_count=True, known=ids)
    listed, _ = scanned(ids, in_flight)
    assert simulation.clock < most * listed.clock
    if missing < 400:
        assert len(simulation.served) < PROBES_AND_COUNT + missing + 20
        assert simulation.rows_served < 20_000


class Fleeting(Simulation):
    """A server on which an image goes after a window was counted, and before its row is read.

    The image is the window's first, and one other id is missing there.
    """

    def page(self, ask: Ask) -> tuple[int, list[int], float]:
        """Answer a request."""
        total, rows, work = super().page(ask)
        window = ask.window
        if ask.purpose is Purpose.COUNT and window and total == window.width - 1:
            if rows == [window.start]:
                self.ids.remove(window.start)
            rows = super().page(ask)[1]
        return total, rows, work


@pytest.mark.parametrize("told", [False, True])
def test_a_count_and_a_row_of_two_moments(told: bool) -> None:
    """[W8] [S2] Nothing is made up: what a count seems to show was there, or had been told."""
    ids = [one for one in range(1, 100_001) if one % 20_000]
    server = Fleeting(ids)
    planner = WindowPlan(Ledger(), by_count=True, known=ids if told else ())
    came = server.run(planner)
    assert set(server.ids) <= set(came) <= set(ids)
    assert told or len(server.ids) < len(ids)


@pytest.mark.parametrize("in_flight", [1, 4])
@pytest.mark.parametrize("wrong", [1, 200, 20_000, 199_900])
def test_known_ids_that_are_wrong_cost_little_more(wrong: int, in_flight: int) -> None:
    """[W8] They are no proof: every id comes, and no other, whatever was told before."""
    chance = random.Random(wrong)
    ids = [one for one in range(1, 200_001) if one % 20_000]
    lost = set(chance.sample(ids, wrong // 2))
    made_up = {chance.randrange(1, 400_000) for _ in range(wrong // 2)}
    known = sorted(set(ids) - lost | made_up)
    simulation, _ = scanned(ids, in_flight, by_count=True, known=known)
    listed, _ = scanned(ids, in_flight)
    assert simulation.clock < 1.3 * listed.clock


@pytest.mark.parametrize(
    ("more", "later", "problem"), [(0, 1, Problem.MISPLACED), (1, 0, Problem.CROWDED)]
)
def test_a_full_count_must_begin_with_its_first_id(more: int, later: int, problem: Problem) -> None:
    """[L8] The count of another window, or one that cannot be, is not believed."""
    simulation = Simulation(list(range(1, 50_001)))
    planner = WindowPlan(Ledger(), by_count=True)
    lies: list[Ask] = []

    def lying(ask: Ask) -> tuple[int, list[int], float]:
        total, ids, work = page(ask)
        if ask.purpose is Purpose.COUNT and not lies:
            lies.append(ask)
            return total + more, [ids[0] + later], work
        return total, ids, work

    page, simulation.page = simulation.page, lying  # type: ignore[method-assign]
    assert simulation.run(planner) == simulation.ids
    assert [finding.problem for finding in planner.ledger.findings] == [problem]
    assert planner.ledger.ids_counted > 40_000


@pytest.mark.parametrize("by_count", [False, True])
def test_a_few_failures_do_not_narrow_the_windows_for_good(by_count: bool) -> None:
    """[W6] After failures in small pieces, windows grow again as answers come in time."""
    simulation = Simulation(list(range(1, 200_001)))
    planner = WindowPlan(Ledger(), by_count=by_count)
    bad, page = {1, 30_000, 90_000}, simulation.page

    def failing(ask: Ask) -> tuple[int, list[int], float]:
        total, ids, work = page(ask)
        if ask.purpose in READINGS and ask.attempt < 3:
            hit = [one for one in bad if ask.window and one in ask.window]
            work += 100 * len(hit)
        return total, ids, work

    simulation.page = failing  # type: ignore[method-assign]
    assert simulation.run(planner) == simulation.ids
    assert len(simulation.served) < 150
