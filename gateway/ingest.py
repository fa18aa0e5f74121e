"""Messages in, one durable commit, acknowledgements out. No network here: the broker's side calls it, and so do tests."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Coroutine, Iterable
from typing import Final, Literal

from gateway.alarms.engine import AlarmEngine
from gateway.config import Config
from gateway.derived.ammonia import Ammonia, HandReading
from gateway.derived.oxygen import Oxygen, OxygenCourse
from gateway.ledger import Ledger
from gateway.messages import calibration_of, status_of
from gateway.observation import Numbers
from gateway.pipeline import Pipeline
from gateway.stages import make_stages
from gateway.store.schema import DamagedError, is_damage
from gateway.store.space import Space
from gateway.store.store import Changes, Quarantined, Store, sample_row
from gateway.system_alarms import SystemAlarms
from gateway.timekeeping import NodeClocks, Timekeeper
from gateway.transaction import Ack, Transaction
from vuong.acknowledgement import Acknowledgement
from vuong.clock import Clock
from vuong.contract import topics
from vuong.contract.batch import StatusRow
from vuong.contract.decode import ContractError, decode
from vuong.contract.entry import Entry, EntryKind
from vuong.readings import Sample

_LOG = logging.getLogger(__name__)

# A snapshot costs a write of all models; learning again what came after it costs time at the next start. Both stay around a second.
SNAPSHOT_SAMPLES: Final = 10_000
SNAPSHOT_SECONDS: Final = 900
RELEARNED: Final = 20_000  # samples at most that pass the stages again at a start: seconds
LONGEST_HELD: Final = 86_400  # s that samples wait for the right time: a gateway that never learns it must not keep them for ever
UNKNOWN_TIME: Final = 946_684_800  # told to nodes while the gateway does not know the time itself: no node sets its clock to 2000
LARGEST_KEPT: Final = 2048  # bytes of a quarantined payload
_FORMS: Final[dict[str, Literal["json", "cbor"]]] = {topics.DATA: "json", topics.BACKLOG: "cbor"}


class Ingest:
    """Takes messages, and once they are committed says what may be acknowledged.

    Parameters
    ----------
    config : the gateway's configuration
    store : its database
    clock : time of arrival; it may be wrong, see `gateway.timekeeping`

    Attributes
    ----------
    counts : messages, duplicates, … since the start
    loads : how often it has taken its state from the database; what people said is to be noted anew then (`note`)
    said : entries that nodes told of and that are not in the file of entries yet (`gateway.lan.exchange` puts them there)
    """

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self._config, self._store = config, store
        self.clock = clock if isinstance(clock, Timekeeper) else Timekeeper(clock, store.last_moment())
        self.space = Space(store)
        self.counts: Counter[str] = Counter()
        self.said: list[Entry] = []
        self._strangers: set[str] = set()
        self.loads = 0
        self._started = int(self.clock.now())
        self._writing = asyncio.Lock()
        self._load()
        # From `_doubt` on no time service stood behind the clock; from `_wrong` on it is known to be wrong, in this run or already in the last.
        self._doubt, self._wrong_since = self._position, self.clock.now()
        self._doubt_since = self._started
        self._wrong: int | None = None
        wrong = store.state("wrong")
        if isinstance(wrong, int) and not self.clock.trusted:
            self._doubt = self._wrong = wrong
            self._doubt_since = min(self._started, store.moment_of(wrong) or self._started)
        self._look_at_clock(self.clock.now())

    def _load(self) -> None:
        """Stand where the database stands."""
        store, nodes = self._store, self._config.nodes
        self.loads += 1
        self._ledger = Ledger(store.ledger())
        self._position = store.next_position()
        self._pipeline = Pipeline(self._config.id, nodes, make_stages(nodes))
        self._changes = Changes()
        self._derived: dict[str, Numbers] = {}
        self._statuses = store.latest_statuses()
        latest = dict.fromkeys(nodes, 0)
        self._heard = dict.fromkeys(nodes, self._started)  # a gateway that was off must not call every node silent
        for (node, _), entry in self._ledger.entries.items():
            if node in nodes:
                latest[node] = max(latest[node], entry.latest)
                self._heard[node] = max(self._heard[node], entry.heard)
        states = store.alarm_states()
        for node in ("", *nodes):
            try:
                self._pipeline.alarms.restore(node, states.get(node, b""), latest.get(node, 0))
            except Exception:  # noqa: BLE001 - salvaged from a damaged file: the alarms of that node begin anew
                _LOG.exception("the state of the alarms of node %r cannot be used", node)
                self._pipeline.alarms.restore(node, b"", latest.get(node, 0))
        self._node_clocks = NodeClocks(store.state("node_clocks"))
        self._system_alarms = SystemAlarms(self._pipeline.alarms, store)
        snapshots = store.snapshots()
        self._snapshot_position = max((position for _, _, position, _ in snapshots), default=0)
        self._snapshot_time = self.clock.now()
        learned_from = max(self._snapshot_position, self._position - 1 - RELEARNED)
        count = self._pipeline.restore(snapshots, store.samples_after(learned_from))
        _LOG.info("ready at position %d; learned from %d samples since the last snapshot", self._position, count)

    def take(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Take ``(topic, payload)`` messages in; nothing of them may be acknowledged before `commit`."""
        arrived = int(self.clock.now())
        self._look_at_clock(arrived)
        nodes, counts = self._config.nodes, self.counts
        for topic, payload in messages:
            counts["messages"] += 1
            address = topics.parse(topic)
            if address is None:
                self._quarantine(topic, payload, "no topic of ours")
                continue
            node, channel = address
            if node not in nodes:
                counts["unregistered"] += 1
                if node not in self._strangers and len(self._strangers) < 1000:
                    self._strangers.add(node)
                    _LOG.warning("node %r is not registered: add it to [[nodes]]; its messages are not acknowledged", node)
                continue
            form = _FORMS.get(channel)
            try:
                if form is None:
                    self._beside(node, channel, payload, arrived)
                    continue
                decoded = decode(payload, form=form, node=node, now=arrived)
            except ContractError as error:
                self._quarantine(topic, payload, str(error))
            else:
                for problem in decoded.problems:
                    self._quarantine(topic, payload, str(problem))
                live = channel == topics.DATA
                for sample in decoded.samples:
                    if not sample.estimated:
                        self._set_right(sample, arrived, live=live)
                    self._sample(sample, arrived)
                self._heard[node] = arrived

    def _beside(self, node: str, channel: str, payload: bytes, arrived: int) -> None:
        """Take a message that carries no samples."""
        if channel == topics.STATUS:
            self._status(node, payload, arrived)
        elif channel == topics.REPLY:
            self._reply(node, payload, arrived)
        else:
            raise ContractError("a channel on which nodes do not publish")

    def _sample(self, sample: Sample, arrived: int) -> None:
        if not self._ledger.take(sample, arrived):
            self.counts["duplicates"] += 1
            return
        observation = self._pipeline.take(sample, arrived)
        self._changes.samples.append(sample_row(self._position, observation))
        self._position += 1

    def _set_right(self, sample: Sample, arrived: int, *, live: bool) -> None:
        """Move a time that its node stamped by a clock that is known to be off."""
        clocks, node = self._node_clocks, sample.node
        if live and self.clock.trusted:
            before = clocks.offsets.get(node)
            clocks.observe(node, sample.time, arrived)
            after = clocks.offsets.get(node)
            if before != after:
                self._changes.state["node_clocks"] = clocks.offsets
                if before is None or after is None:
                    _LOG.warning("the clock of node %s is %s s ahead; its times are set right", node, after or 0)
        offset = clocks.offsets.get(node)
        if offset is not None:
            sample.time -= offset
            sample.estimated = True

    def _status(self, node: str, payload: bytes, arrived: int) -> None:
        state, detail = status_of(payload)
        if state == "online":
            self._heard[node] = arrived
        known = self._statuses.get(node)
        if known is not None and (known["state"], known["detail"]) == (state, detail):
            return  # retained: it comes again at every connection
        time = arrived if known is None else max(arrived, known["time"] + 1)  # (node, time) is its identity
        row: StatusRow = {"node": node, "time": time, "state": state, "detail": detail}
        self._statuses[node] = row
        self._changes.statuses.append(row)

    def _reply(self, node: str, payload: bytes, arrived: int) -> None:
        entry = calibration_of(payload, node, self._config.nodes[node], arrived)
        if entry is not None:
            self.said.append(entry)

    def _quarantine(self, topic: str, payload: bytes, reason: str) -> None:
        self.counts["quarantined"] += 1
        self._changes.quarantine.append(
            Quarantined(int(self.clock.now()), topic[:200], reason[:500], bytes(payload[:LARGEST_KEPT]))
        )

    @property
    def alarms(self) -> AlarmEngine:
        """The alarms, for shelving and resetting."""
        return self._pipeline.alarms

    @property
    def oxygen(self) -> dict[str, Oxygen]:
        """The last oxygen of each pond."""
        return next((stage.last for stage in self._pipeline.stages if isinstance(stage, OxygenCourse)), {})

    def tick(self) -> None:
        """Look at clock and disk: raise and clear the alarms of silent nodes and of the gateway itself."""
        now = int(self.clock.now())
        self._look_at_clock(now)
        if self.clock.verify():
            self._doubt, self._doubt_since = self._position, now
        self._pipeline.alarms.tick(now, self._heard, self._config.offline_after)
        self._changes.state |= self._system_alarms.tick(now, self.clock, self.space)
        derived = dict(self._pipeline.derived)
        if derived != self._derived:  # for whoever shows it; the readings say the rest
            self._derived = self._changes.state["derived"] = derived

    async def acknowledge(self, alarm: str, said: Acknowledgement) -> None:
        """Take somebody's acknowledgement of an alarm, any number of times, in any order; it is written with the next commit.

        An alarm that is not known here is passed by: it was salvaged away, or is another gateway's.
        """
        async with self._writing:
            stored = await asyncio.to_thread(self._store.alarm, alarm)
        if stored is not None:
            self._pipeline.alarms.acknowledge(stored, said, int(self.clock.now()))

    def carry_out(self, entry: Entry) -> None:
        """Shelve, take back or reset an alarm as somebody said, any number of times; it is written with the next commit."""
        self._pipeline.alarms.carry_out(entry, int(self.clock.now()))

    def note(self, entry: Entry) -> None:
        """Hand a hand reading or a calibration to the stages, any number of times, in any order."""
        content, at = entry["content"], entry["at"]
        if entry["kind"] == EntryKind.CALIBRATION:
            before, after = content.get("before", []), content.get("after", [])
            self._pipeline.note_calibration(content["node"], content["quantity"], at, before, after)
        elif entry["pond"] in self._config.ponds:
            self._pipeline.note_hand_reading(entry["pond"], content["quantity"], at, content["value"])
            reading = HandReading(entry["pond"], content["quantity"], at, content["value"], entry["by"])
            for stage in self._pipeline.stages:
                if isinstance(stage, Ammonia):
                    stage.enter(reading)

    def status(self) -> str:
        """Return in one line what the gateway is about, for systemd's ``STATUS=``."""
        now = self.clock.now()
        heard = sum(now - last <= self._config.offline_after for last in self._heard.values())
        wrong = "" if self.clock.trusted else "; the clock is wrong"
        full = "; the disk is full" if self.space.short else ""
        return f"{self.counts['committed']} samples stored, {heard} of {len(self._heard)} nodes heard{wrong}{full}"

    def _look_at_clock(self, now: float) -> None:
        if self.clock.trusted:
            self._wrong, self._wrong_since = None, now
        elif self._wrong is None:
            self._wrong = self._position

    @property
    def held_from(self) -> int | None:
        """Position from which on samples wait for the right time before they go to the cloud, for a day at most; ``None`` where none do."""
        return self._wrong if self.clock.now() - self._wrong_since < LONGEST_HELD else None

    def prepare(self, *, snapshot: bool = False) -> Transaction | None:
        """Take what came in since the last call out as one transaction; ``None`` where there is nothing to write.

        Parameters
        ----------
        snapshot : write the models' state too, whether it is due or not
        """
        changes, touched = self._changes, self._ledger.touched
        changes.alarms, changes.alarm_states = self._pipeline.alarms.drain()
        changes.journal = self._pipeline.alarms.drain_journal()
        now = self.clock.now()
        since = self._position - 1 - self._snapshot_position
        due = since >= SNAPSHOT_SAMPLES or (since and not 0 <= now - self._snapshot_time < SNAPSHOT_SECONDS)
        # While the time is not known the models' last sound state is kept: they learn again when it is.
        if snapshot or (due and self.clock.trusted):
            changes.snapshots = self._pipeline.snapshots(self._position - 1)
        if not (touched or snapshot or changes):
            return None
        changes.ledger = [entry.row(key) for key, entry in touched.items()]
        changes.state["last"] = int(now)
        changes.state["wrong"] = self._wrong
        told = int(now) if self.clock.trusted else UNKNOWN_TIME
        acks = [Ack(node, boot, entry.mark, told) for (node, boot), entry in touched.items()]
        self._changes, self._ledger.touched = Changes(), {}
        return Transaction(changes, acks, (self._position - 1, now) if changes.snapshots else None)

    def done(self, written: Transaction) -> list[Ack]:
        """Take note that a transaction is on the disk; return the acknowledgements that are now true, one a node and boot."""
        if written.snapshot:
            self._snapshot_position, self._snapshot_time = written.snapshot
        self.counts["committed"] += len(written.changes.samples)
        return written.acks

    def commit(self, *, snapshot: bool = False) -> list[Ack]:
        """Write all that was taken; return the acknowledgements that are now true.

        Raises
        ------
        sqlite3.Error
            if nothing could be written; call `recover` before the next message
        """
        acks = self._correct()
        transaction = self.prepare(snapshot=snapshot)
        if transaction is None:
            return acks
        self._store.commit(transaction.changes)
        return acks + self.done(transaction)

    async def commit_aside(self) -> list[Ack]:
        """Commit in a thread, so that messages can be taken meanwhile; where the database refuses, acknowledge nothing and go on.

        The nodes still hold what was not written.

        Raises
        ------
        DamagedError
            if the file is damaged: it must be salvaged before anything else
        sqlite3.Error
            if the database cannot even be read; the process must end and be started anew
        """
        async with self._writing:
            try:
                acks = self._correct()
                transaction = self.prepare()
                if transaction is None:
                    return acks
                await _finished(asyncio.to_thread(self._store.commit, transaction.changes))
            except sqlite3.Error as error:
                if is_damage(error):
                    raise DamagedError(str(error)) from error
                self.counts["failed_commits"] += 1
                _LOG.error("the database took nothing (%s); nothing is acknowledged. Check disk space and the SD card", error)
                await _finished(asyncio.to_thread(self.space.make, int(self.clock.now()), urgent=True))
                self.recover()
                return []
            return acks + self.done(transaction)

    async def make_room(self) -> None:
        """See that the disk has room for what comes next."""
        async with self._writing:
            await _finished(asyncio.to_thread(self.space.make, int(self.clock.now())))

    def recover(self) -> None:
        """After a failed commit: forget what was not written and stand again where the database stands; the nodes still hold it."""
        self._load()

    def _correct(self) -> list[Ack]:
        """Move what was stamped in doubt, once the right time is known again; return what became true on the way."""
        seconds = self.clock.correction()
        if not seconds:
            return []
        transaction = self.prepare()
        if transaction is not None:
            self._store.commit(transaction.changes)
        _LOG.warning("the clock was wrong by %d s: times from position %d on are repaired", seconds, self._doubt)
        began = self._doubt_since
        self._pipeline.alarms.shift(seconds, began)
        _, states = self._pipeline.alarms.drain()
        self._store.shift(self._doubt, seconds, began, states)
        self._started += seconds
        self._load()
        self._doubt, self._doubt_since, self._wrong = self._position, int(self.clock.now()), None
        return [] if transaction is None else self.done(transaction)


async def _finished(work: Coroutine[None, None, None]) -> None:
    """Wait for work in a thread even when cancelled: a thread cannot be stopped, and the connection is its own until it ends."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
