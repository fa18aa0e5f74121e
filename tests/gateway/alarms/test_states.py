"""One alarm's life against a model of ISA-18.2, and the engine's against an oracle that keeps every rule in the plainest form."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.alarms.board import REOPEN
from gateway.alarms.engine import AlarmEngine
from gateway.alarms.rules import Condition
from gateway.alarms.states import TRANSITIONS, Event, acknowledged, step
from gateway.observation import Assessment, Observation, Pond
from tests.gateway.saying import said
from vuong.acknowledgement import Acknowledgement
from vuong.alarms import ALARM_KINDS, State
from vuong.contract.api import aside_fault
from vuong.contract.batch import AlarmRow
from vuong.contract.entry import Entry
from vuong.flags import Flag
from vuong.limits import Limits
from vuong.readings import Sample

NODE = "00124b0000000001"
START = 1_763_614_800
POND = Pond("p1", "Ao 1", Limits(), aerators=4)
LEVELS = {"oxygen_low": 4.0, "oxygen_critical": 3.0, "oxygen_lethal": 2.0}


def test_the_table_leads_from_every_state_back_to_normal() -> None:
    for state in State:
        reached = {state}
        while True:
            further = {after for (before, _), after in TRANSITIONS.items() if before in reached} | reached
            if further == reached:
                break
            reached = further
        assert State.NORMAL in reached


def test_nothing_active_is_ended_but_by_its_condition() -> None:
    for (before, event), after in TRANSITIONS.items():
        if before in {State.UNACKNOWLEDGED, State.ACKNOWLEDGED} and after in {State.NORMAL, State.RETURNED}:
            assert event is Event.CLEAR


def row() -> AlarmRow:
    return {
        "id": "a", "revision": 1, "pond": "p1", "node": NODE, "kind": "oxygen_low", "quantity": "do", "state": "unacknowledged",
        "raised": START, "cleared": None, "acknowledged": None, "numbers": {"value": 3.5, "annunciated": 1},
    }  # fmt: skip


SAID = st.builds(
    Acknowledgement,
    at=st.integers(START, START + 9),
    where=st.sampled_from(["gateway", "app", "cloud"]),
    by=st.sampled_from(["sau", "tu"]),
    revision=st.integers(1, 3),
)


@given(said=st.lists(SAID, min_size=1, max_size=6), order=st.randoms(use_true_random=False), repeat=st.integers(0, 3))
def test_acknowledgements_in_any_order_any_number_of_times_end_alike(
    said: list[Acknowledgement], order: Random, repeat: int
) -> None:
    def after(these: list[Acknowledgement]) -> tuple[object, ...]:
        alarm = row()
        for one in these:
            alarm = acknowledged(alarm, one) or alarm
        numbers = alarm["numbers"]
        return alarm["state"], alarm["acknowledged"], numbers.get("acknowledged_by"), numbers.get("acknowledged_where")

    wanted = after(said)
    shuffled = said * (repeat + 1)
    order.shuffle(shuffled)
    assert after(shuffled) == wanted
    assert wanted[1] == min(a.at for a in said)


def test_growing_worse_asks_for_a_new_acknowledgement() -> None:
    alarm = acknowledged(row(), Acknowledgement(START, "app", "sau", 1))
    assert alarm is not None
    worse = step(alarm, Event.WORSEN, START + 60, {"value": 1.5}, "oxygen_lethal")
    assert worse is not None
    assert (worse["state"], worse["kind"], worse["acknowledged"]) == ("unacknowledged", "oxygen_lethal", None)
    assert "acknowledged_by" not in worse["numbers"]
    assert acknowledged(worse, Acknowledgement(START + 61, "cloud", "tu", 1)) is None, "it was said of what was milder"
    assert acknowledged(worse, Acknowledgement(START + 61, "cloud", "tu", worse["revision"])) is not None


class OxygenLife(RuleBasedStateMachine):
    """The oxygen alarm of one pond beside a model of it."""

    @initialize()
    def begin(self) -> None:
        self.engine = AlarmEngine("gw-1", {NODE: POND})
        self.now, self.seq = START, 0
        # model: per level since when the value has been below, and since when clear
        self.below: dict[str, bool] = dict.fromkeys(LEVELS, False)
        self.clear_since: dict[str, int | None] = dict.fromkeys(LEVELS, None)
        self.state = "normal"
        self.worst: str | None = None
        self.kind = ""
        self.shelved_until: int | None = None
        self.returned_at = 0
        self.rows: dict[str, AlarmRow] = {}
        self.entries: list[Entry] = []

    def _expect(self) -> None:
        standing = next((kind for kind in ("oxygen_lethal", "oxygen_critical", "oxygen_low") if self.below[kind]), None)
        before, self.worst = self.worst, standing
        # Even where it went milder, or away, while it was put aside: what is worse than it last was calls.
        worse = standing is not None and LEVELS[standing] < LEVELS.get(self.kind, 99.0)
        self.kind = standing or self.kind
        if standing is None:
            if self.state == "unacknowledged":
                self.state, self.returned_at = "returned", self.now
            elif self.state == "acknowledged":
                self.state = "normal"
        elif before is None and self.state != "shelved":
            self.state = "unacknowledged"
        elif worse:
            self.state, self.shelved_until = "unacknowledged", None

    @rule(wait=st.sampled_from([60, 600, 900, 1800, 5000]), value=st.sampled_from([1.5, 2.1, 2.5, 3.1, 3.5, 4.1, 4.5, 6.0]))
    def measure(self, wait: int, value: float) -> None:
        self.now += wait
        self.seq += 1
        sample = Sample(NODE, 1, self.seq, self.now, {"do": value})
        self.engine.update(Observation(sample, POND, self.now, assessments={"do": Assessment(Flag.GOOD)}))
        for kind, limit in LEVELS.items():
            if value < limit:
                self.below[kind], self.clear_since[kind] = True, None
            elif self.below[kind]:
                if value >= limit + 0.3:
                    since = self.clear_since[kind]
                    self.clear_since[kind] = since = self.now if since is None else since
                    if self.now - since >= 900:
                        self.below[kind], self.clear_since[kind] = False, None
                else:
                    self.clear_since[kind] = None
        self._expect()

    @rule(wait=st.sampled_from([1, 4000]))
    def clock(self, wait: int) -> None:
        self.now += wait
        self.engine.tick(self.now, {NODE: self.now}, 900)
        if self.shelved_until is not None and self.shelved_until <= self.now:
            self.shelved_until = None
            self.state = "unacknowledged" if self.worst else "normal"

    def _current(self) -> AlarmRow | None:
        open_rows = [r for r in self.rows.values() if r["state"] != "normal"]
        return max(open_rows, key=lambda r: r["raised"], default=None)

    @rule()
    def acknowledge(self) -> None:
        alarm = self._current()
        if alarm is None:
            return
        self.engine.acknowledge(alarm, Acknowledgement(self.now, "app", "sau", alarm["revision"]), self.now)
        if self.state == "unacknowledged":
            self.state = "acknowledged"
        elif self.state == "returned":
            self.state = "normal"

    def _say(self, kind: str, **content: object) -> None:
        alarm = self._current()
        self.now += 1
        if alarm is None:
            return
        entry = said(kind, alarm, self.now, **content)
        if aside_fault(entry, alarm["kind"], alarm["state"], alarm["numbers"]) is None:  # as the API asks before it takes one
            self.entries.append(entry)
        self.engine.carry_out(entry, self.now)

    @rule(minutes=st.sampled_from([10, 60, 24 * 60]))
    def shelve(self, minutes: int) -> None:
        self._say("shelving", minutes=minutes, reason="thay nước")
        longest = 24 * 60 if self.kind == "oxygen_low" else 60
        if self.state in {"unacknowledged", "acknowledged"} and minutes <= longest:
            self.state, self.shelved_until = "shelved", self.now + 60 * minutes

    @rule()
    def unshelve(self) -> None:
        self._say("unshelving")
        if self.state == "shelved":
            self.state, self.shelved_until = "unacknowledged" if self.worst else "normal", None

    @rule()
    def all_is_said_once_more(self) -> None:
        """As at every start of the gateway: what was carried out, and what is over, changes nothing."""
        for entry in self.entries:
            assert self.engine.carry_out(entry, self.now) is None, entry

    @rule()
    def restart(self) -> None:
        self._take()
        state = self.saved.get(NODE, b"") if hasattr(self, "saved") else b""
        self.engine = AlarmEngine("gw-1", {NODE: POND})
        self.engine.restore(NODE, state, self.now)

    def _take(self) -> None:
        rows, states = self.engine.drain()
        self.rows |= {r["id"]: r for r in rows}
        self.saved = {**getattr(self, "saved", {}), **states}

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "engine"):
            return
        self._take()
        alarm = self._current()
        state = "normal" if alarm is None else alarm["state"]
        assert state == self.state, (state, self.state)
        active = self.engine.active(NODE)
        assert len(active) <= 1, "one cause, one alarm"
        if alarm is not None and self.state in {"unacknowledged", "acknowledged"}:
            assert alarm["kind"] == self.worst
            assert alarm["cleared"] is None
            assert (alarm["acknowledged"] is not None) == (self.state == "acknowledged")


TestOxygenLife = OxygenLife.TestCase
TestOxygenLife.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)


@given(gaps=st.lists(st.sampled_from([60, 900, REOPEN - 1, REOPEN + 1800]), max_size=20))
def test_a_gateways_own_alarm_is_revised_and_reopened_not_multiplied(gaps: list[int]) -> None:
    engine, now, ids = AlarmEngine("gw-1", {NODE: POND}), START, set()
    kind = ALARM_KINDS["disk_full"]
    for number, gap in enumerate(gaps):
        now += gap
        engine.system(kind, Condition.BEYOND if number % 2 == 0 else Condition.INSIDE, now, {"free": number, "removed": 0})
        ids |= {r["id"] for r in engine.drain()[0]}
        assert len(engine.active("")) <= 1
    assert len(ids) <= 1 + sum(gap > REOPEN for gap in gaps)
