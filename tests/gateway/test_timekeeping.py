"""Clocks that are wrong: the gateway's own, lost or set while it runs, and the nodes'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.ingest import UNKNOWN_TIME, Ingest
from gateway.store.outbound import Outbound
from gateway.store.store import Store
from gateway.timekeeping import EARLIEST, NodeClocks, Timekeeper
from vuong.clock import ManualClock
from vuong.contract import topics

if TYPE_CHECKING:
    from .conftest import Bench

Pack = Callable[..., bytes]
NODE = "00124b0000000001"
NOON = 1_763_614_800
HOUR, YEAR = 3600, 365 * 86_400


class Machine:
    """A wall clock that is wrong by `error`, a steady clock that never is, and a time service that comes and goes."""

    def __init__(self, error: int = 0) -> None:
        self.true, self.error, self.service = float(NOON), error, False
        self.wall = ManualClock(NOON + error)

    def keeper(self, last: float | None = None) -> Timekeeper:
        return Timekeeper(self.wall, last, monotonic=lambda: self.true - 1e9, trusted_source=lambda: self.service)

    def passes(self, seconds: float) -> None:
        self.true += seconds
        self.wall.set(self.true + self.error)

    def jumps(self, seconds: int) -> None:
        self.error += seconds
        self.wall.set(self.true + self.error)


@pytest.mark.parametrize("jump", [-30 * YEAR, -5 * YEAR, -7 * HOUR, -300, 300, 7 * HOUR, 5 * YEAR, 60 * YEAR])
def test_a_jump_alone_is_not_followed_and_its_end_leaves_nothing_to_repair(jump: int) -> None:
    machine = Machine()
    keeper = machine.keeper()
    machine.passes(1000)
    assert (keeper.now(), keeper.trusted) == (NOON + 1000, True)
    machine.jumps(jump)
    machine.passes(500)
    assert (keeper.now(), keeper.trusted) == (NOON + 1500, False)
    assert keeper.offset == pytest.approx(jump, abs=2)
    machine.passes(HOUR)
    machine.jumps(-jump)
    assert (keeper.now(), keeper.trusted) == (NOON + 1500 + HOUR, True)
    assert keeper.correction() == 0


@pytest.mark.parametrize("jump", [-7 * HOUR, 7 * HOUR, 200 * 86_400])
def test_a_time_service_is_followed_either_way(jump: int) -> None:
    machine = Machine(error=-jump)
    keeper = machine.keeper()
    machine.passes(1000)
    before = keeper.now()
    machine.service = True
    machine.jumps(jump)
    assert keeper.now() == before, "until the rest has moved"
    assert (keeper.correction(), keeper.now()) == (jump, NOON + 1000)
    assert (keeper.trusted, keeper.verified, keeper.correction()) == (True, True, 0), "told once"


def test_a_lost_clock_goes_on_from_the_last_known_moment_until_somebody_sets_it() -> None:
    machine = Machine(error=-NOON)  # 1970
    keeper = machine.keeper(last=NOON - 600)
    assert (keeper.now(), keeper.trusted) == (NOON - 599, False)
    machine.passes(100)
    assert keeper.now() == NOON - 499
    machine.jumps(NOON)  # by hand: no time service
    machine.passes(10)
    keeper.now()
    assert (keeper.correction(), keeper.now(), keeper.trusted) == (599, NOON + 110, True)


def test_a_new_gateway_with_a_lost_clock_begins_at_the_earliest_moment() -> None:
    keeper = Machine(error=-NOON).keeper()
    assert (keeper.now(), keeper.trusted) == (EARLIEST, False)


@given(steps=st.lists(st.tuples(st.integers(0, 2 * HOUR), st.integers(-3 * YEAR, 3 * YEAR), st.booleans()), max_size=30))
@example(steps=[(0, HOUR, True), (0, -HOUR - 1, True)])  # set right again, but for a second
def test_time_never_runs_backwards_without_a_time_service(steps: list[tuple[int, int, bool]]) -> None:
    machine = Machine()
    keeper = machine.keeper()
    before = keeper.now()
    for seconds, jump, does in steps:
        machine.passes(seconds)
        if does and abs(jump) > 60:
            machine.jumps(jump)
        now = keeper.now()
        assert now >= before
        assert now == pytest.approx(machine.true, abs=60), "and keeps step with the time that passed"
        before = now


# --- through the ingest


class Clocked:
    """An ingest on a machine whose clock is wrong."""

    def __init__(self, bench: Bench, machine: Machine) -> None:
        self.bench, self.machine, self.seq = bench, machine, 0
        self.start()

    def start(self) -> None:
        self.bench.store.close()
        self.bench.store = Store(self.bench.path)
        self.bench.ingest = Ingest(self.bench.config, self.bench.store, self.machine.keeper(self.bench.store.last_moment()))

    async def sample(self, make_pack: Pack, at: int, **values: float) -> list[int]:
        """Deliver a sample stamped `at`; return the times that the node is told."""
        self.seq += 1
        self.bench.ingest.take([(topics.topic(NODE, topics.DATA), make_pack(self.seq, at=at, **(values or {"do": 6.0})))])
        self.bench.ingest.tick()
        return [ack.time for ack in await self.bench.ingest.commit_aside()]

    def times(self) -> list[tuple[int, int]]:
        return self.bench.rows("SELECT time, arrived FROM samples ORDER BY position")  # type: ignore[return-value]

    def alarms(self) -> dict[str, str]:
        return dict(self.bench.rows("SELECT kind, state FROM alarms"))  # type: ignore[arg-type]


async def test_readings_taken_with_a_lost_clock_are_repaired_when_it_becomes_right(bench: Bench, make_pack: Pack) -> None:
    machine = Machine()
    case = Clocked(bench, machine)
    await case.sample(make_pack, NOON)  # the node's own clock is right
    # Power is gone for three hours, and the clock with it.
    machine.true += 3 * HOUR
    machine.error = -int(machine.true)
    machine.passes(0)
    case.start()
    assert await case.sample(make_pack, 0) == [UNKNOWN_TIME], "a node must not set its clock by ours now"
    machine.passes(300)
    await case.sample(make_pack, NOON + 3 * HOUR + 300)  # one that knows the time itself
    machine.passes(300)
    await case.sample(make_pack, -120)  # taken two minutes before it was sent
    arrived = [arrived for _, arrived in case.times()]
    assert arrived == sorted(arrived)
    assert "clock_wrong" in case.alarms()
    assert "node_offline" not in case.alarms()
    outbound = Outbound(bench.path)
    outbound.samples.hold(bench.ingest.held_from)
    part = outbound.samples.next(100)
    assert part is not None
    assert [item[0] for item in part.items] == [1], "what will be repaired waits: the cloud keeps what it got first"
    # A time service sets the clock.
    machine.service = True
    machine.jumps(int(machine.true) - int(machine.wall.now()))
    machine.passes(300)
    assert len(await case.sample(make_pack, NOON + 3 * HOUR + 900)) == 1
    begin = NOON + 3 * HOUR
    assert case.times() == [
        (NOON, NOON),
        (begin, begin),
        (begin + 300, begin + 300),
        (begin + 480, begin + 600),
        (begin + 900, begin + 900),
    ]
    outbound.samples.hold(bench.ingest.held_from)
    assert outbound.samples.next(100) is not None
    outbound.close()
    for _ in range(4):
        machine.passes(600)
        assert await case.sample(make_pack, int(machine.true)) == [machine.true]
    assert set(case.alarms()) == {"clock_wrong"}, "a jump alone raises nothing else"
    assert case.alarms()["clock_wrong"] in {"returned", "normal"}
    assert bench.rows("SELECT count(*), count(DISTINCT seq) FROM samples") == [(9, 9)]


@pytest.mark.parametrize("jump", [-40 * YEAR, -2 * HOUR, 2 * HOUR, 3 * YEAR])
async def test_a_clock_that_jumps_while_running_moves_no_reading_and_no_other_alarm(
    bench: Bench, make_pack: Pack, jump: int
) -> None:
    machine = Machine()
    case = Clocked(bench, machine)
    for turn in range(12):
        if turn == 4:
            machine.jumps(jump)
        if turn == 8:
            machine.jumps(-jump)
        await case.sample(make_pack, 0)
        machine.passes(300)
    assert case.times() == [(NOON + 300 * turn, NOON + 300 * turn) for turn in range(12)]
    assert set(case.alarms()) == {"clock_wrong"}


async def test_on_delays_run_through_a_jump(bench: Bench, make_pack: Pack) -> None:
    """Temperature too high must hold for half an hour: a jump of three hours is no half hour."""
    machine = Machine()
    case = Clocked(bench, machine)
    await case.sample(make_pack, 0, temperature=32.5)
    machine.jumps(3 * HOUR)
    machine.passes(300)
    await case.sample(make_pack, 0, temperature=32.5)
    machine.service = True
    machine.passes(300)
    await case.sample(make_pack, 0, temperature=32.5)
    assert "temperature_high" not in case.alarms()
    machine.passes(1500)
    await case.sample(make_pack, 0, temperature=32.5)
    assert "temperature_high" in case.alarms()


async def test_it_still_knows_its_doubt_after_a_kill(bench: Bench, make_pack: Pack) -> None:
    machine = Machine()
    case = Clocked(bench, machine)
    await case.sample(make_pack, 0)
    machine.true += HOUR
    machine.error = -int(machine.true)
    machine.passes(0)
    case.start()
    await case.sample(make_pack, 0)
    machine.passes(60)
    case.start()  # killed, the clock still in 1970
    await case.sample(make_pack, 0)
    machine.service = True
    machine.jumps(int(machine.true) - int(machine.wall.now()))
    machine.passes(60)
    await case.sample(make_pack, 0)
    times = [time for time, _ in case.times()]
    assert times == sorted(times)
    assert len(set(times)) >= 3
    assert abs(times[1] - (NOON + HOUR)) <= 120
    assert times[-1] == NOON + HOUR + 120


async def test_an_alarm_that_was_raised_with_a_lost_clock_moves_with_its_readings(bench: Bench, make_pack: Pack) -> None:
    machine = Machine()
    case = Clocked(bench, machine)
    await case.sample(make_pack, 0, do=6.0, temperature=33.0)  # too warm before the clock was lost
    machine.passes(2000)
    await case.sample(make_pack, 0, do=6.0, temperature=33.0)
    machine.passes(3 * HOUR)
    machine.error = -int(machine.true)
    machine.passes(0)
    case.start()  # an outage of three hours, and no battery
    await case.sample(make_pack, 0, do=2.7, temperature=33.0)
    machine.passes(600)
    await case.sample(make_pack, 0, do=2.6, temperature=33.0)
    (wrong,) = bench.rows("SELECT raised, revision FROM alarms WHERE kind = 'oxygen_critical'")
    assert int(str(wrong[0])) < machine.true - 2 * HOUR
    machine.service = True
    machine.jumps(-machine.error)
    machine.passes(60)
    await case.sample(make_pack, 0, do=2.6, temperature=33.0)
    ((first,),) = bench.rows("SELECT time FROM samples WHERE seq = 3")
    assert first == NOON + 2000 + 3 * HOUR
    query = "SELECT raised, revision, numbers ->> 'since', numbers ->> 'called' FROM alarms WHERE kind = 'oxygen_critical'"
    ((raised, revision, since, called),) = bench.rows(query)
    assert (raised, since, called) == (first, first, first)
    assert int(str(revision)) > int(str(wrong[1])), "the cloud gets it again"
    assert bench.rows("SELECT raised FROM alarms WHERE kind LIKE 'temperature_high%'") == [(NOON + 2000,)], (
        "raised by a right clock"
    )
    assert bench.rows("SELECT time FROM alarm_journal WHERE kind = 'oxygen_critical' AND event = 'raised'") == [(raised,)]
    bench.restart()
    stored = bench.rows("SELECT id, raised, revision FROM alarms WHERE kind = 'oxygen_critical'")
    kept = [
        (row["id"], row["raised"], row["revision"])
        for row in bench.ingest.alarms.active(NODE)
        if row["kind"] == "oxygen_critical"
    ]
    assert kept == stored, "what is remembered is what is stored"


# --- the nodes' clocks


def test_a_node_whose_clock_drifts_is_set_right(bench: Bench, make_pack: Pack) -> None:
    """Seconds an hour, as an ESP32 asleep: after a month it is off by a quarter of an hour."""
    for turn in range(1, 13):
        now = NOON + 300 * turn
        bench.clock.set(now)
        bench.send(make_pack(turn, at=now + 900 + turn))
    found = bench.rows("SELECT seq, time - arrived, estimated FROM samples ORDER BY seq")
    assert found[0][1:] == (901, 0), "one message may mean anything"
    assert all(abs(int(str(ahead))) <= 5 and estimated for _, ahead, estimated in found[5:]), found
    bench.restart()
    bench.clock.set(NOON + 4200)
    bench.send(make_pack(13, at=NOON + 4200 + 915))
    assert abs(int(str(bench.rows("SELECT time - arrived FROM samples WHERE seq = 13")[0][0]))) <= 5, "known after a restart"


def test_messages_that_waited_at_the_broker_are_no_slow_clock(bench: Bench, make_pack: Pack) -> None:
    bench.clock.set(NOON)
    bench.send(*(make_pack(turn, at=NOON - 7200 + 300 * turn) for turn in range(1, 20)))
    assert bench.rows("SELECT count(*) FROM samples WHERE estimated") == [(0,)]


@given(delays=st.lists(st.integers(0, 55), min_size=20, max_size=20), offset=st.integers(-86_400, 86_400))
def test_an_offset_is_found_within_a_minute_whatever_the_delays(delays: list[int], offset: int) -> None:
    clocks = NodeClocks()
    for turn, delay in enumerate(delays):
        sampled = NOON + 300 * turn
        clocks.observe("n", sampled + offset, sampled + delay)
    found = clocks.offsets.get("n", 0)
    assert abs(found - offset) <= (60 if abs(offset) > 240 else 240)


def test_the_database_keeps_the_last_moment(tmp_path: Path, make_bench: Callable[[Path], Bench], make_pack: Pack) -> None:
    bench = make_bench(tmp_path / "gateway.db")
    bench.send(make_pack(1))
    bench.clock.set(NOON + 50)
    bench.send(make_pack(2))
    assert bench.store.last_moment() == NOON + 50
    bench.store.close()
