"""Messages in, one durable commit, acknowledgements out. No network here: the broker's side calls it, and so do tests."""

from __future__ import annotations

import logging
import sqlite3
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import orjson

from gateway.config import Config
from gateway.ledger import Ledger
from gateway.pipeline import Pipeline
from gateway.stages import make_stages
from gateway.store.store import Changes, Quarantined, Store, sample_row
from vuong.clock import Clock
from vuong.contract import topics
from vuong.contract.batch import StatusRow
from vuong.contract.decode import ContractError, decode
from vuong.readings import Sample

_LOG = logging.getLogger(__name__)

# A snapshot costs a write of all models; learning again what came after it costs time at the next start. Both stay around a second.
SNAPSHOT_SAMPLES: Final = 10_000
SNAPSHOT_SECONDS: Final = 900
LARGEST_KEPT: Final = 2048  # bytes of a quarantined payload
_FORMS: Final[dict[str, Literal["json", "cbor"]]] = {topics.DATA: "json", topics.BACKLOG: "cbor"}
_DETAILS: Final = ("boot", "firmware", "battery", "rssi", "heap", "reset")
_STATES: Final = ("online", "offline")


@dataclass(frozen=True, slots=True)
class Ack:
    """What goes to a node after a commit: all of `boot` up to `seq` is on the gateway's disk."""

    node: str
    boot: int
    seq: int
    time: int

    def message(self) -> tuple[str, bytes]:
        """Return topic and payload."""
        return topics.topic(self.node, topics.ACK), orjson.dumps({"boot": self.boot, "seq": self.seq, "time": self.time})


class Ingest:
    """Takes messages, and once they are committed says what may be acknowledged.

    Parameters
    ----------
    config : the gateway's configuration
    store : its database
    clock : time of arrival
    """

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self._config, self._store, self._clock = config, store, clock
        self.counts: Counter[str] = Counter()
        self._strangers: set[str] = set()
        self._started = int(clock.now())
        self._load()

    def _load(self) -> None:
        """Stand where the database stands."""
        store, nodes = self._store, self._config.nodes
        self._ledger = Ledger(store.ledger())
        self._position = store.next_position()
        self._pipeline = Pipeline(self._config.id, nodes, make_stages(nodes))
        self._changes = Changes()
        self._statuses = store.latest_statuses()
        latest = dict.fromkeys(nodes, 0)
        self._heard = dict.fromkeys(nodes, self._started)  # a gateway that was off must not call every node silent
        for (node, _), entry in self._ledger.entries.items():
            if node in nodes:
                latest[node] = max(latest[node], entry.latest)
                self._heard[node] = max(self._heard[node], entry.heard)
        states = store.alarm_states()
        for node in nodes:
            self._pipeline.alarms.restore(node, states.get(node, b""), latest[node])
        snapshots = store.snapshots()
        self._snapshot_position = max((position for _, _, position, _ in snapshots), default=0)
        self._snapshot_time = self._clock.now()
        count = self._pipeline.restore(snapshots, store.samples_after(self._snapshot_position))
        _LOG.info("ready at position %d; learned from %d samples since the last snapshot", self._position, count)

    def take(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Take ``(topic, payload)`` messages in; nothing of them may be acknowledged before `commit`."""
        arrived = int(self._clock.now())
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
            if form is not None:
                try:
                    decoded = decode(payload, form=form, node=node, now=arrived)
                except ContractError as error:
                    self._quarantine(topic, payload, str(error))
                    continue
                for problem in decoded.problems:
                    self._quarantine(topic, payload, str(problem))
                for sample in decoded.samples:
                    self._sample(sample, arrived)
                self._heard[node] = arrived
            elif channel == topics.STATUS:
                self._status(node, topic, payload, arrived)
            else:
                self._quarantine(topic, payload, "a channel on which nodes do not publish")

    def _sample(self, sample: Sample, arrived: int) -> None:
        if not self._ledger.take(sample, arrived):
            self.counts["duplicates"] += 1
            return
        observation = self._pipeline.take(sample, arrived)
        self._changes.samples.append(sample_row(self._position, observation))
        self._position += 1

    def _status(self, node: str, topic: str, payload: bytes, arrived: int) -> None:
        try:
            status = orjson.loads(payload)
        except orjson.JSONDecodeError:
            self._quarantine(topic, payload, "status is not JSON")
            return
        state = status.get("state") if isinstance(status, dict) else None
        if state not in _STATES:
            self._quarantine(topic, payload, f"status has state {state!r}; known are {', '.join(_STATES)}")
            return
        detail: dict[str, float | int | str | None] = {
            name: value[:100] if isinstance(value, str) else value
            for name in _DETAILS
            if isinstance(value := status.get(name), str | int | float) and not isinstance(value, bool)
        }
        if state == "online":
            self._heard[node] = arrived
        known = self._statuses.get(node)
        if known is not None and (known["state"], known["detail"]) == (state, detail):
            return  # retained: it comes again at every connection
        time = arrived if known is None else max(arrived, known["time"] + 1)  # (node, time) is its identity
        row: StatusRow = {"node": node, "time": time, "state": state, "detail": detail}
        self._statuses[node] = row
        self._changes.statuses.append(row)

    def _quarantine(self, topic: str, payload: bytes, reason: str) -> None:
        self.counts["quarantined"] += 1
        self._changes.quarantine.append(
            Quarantined(int(self._clock.now()), topic[:200], reason[:500], bytes(payload[:LARGEST_KEPT]))
        )

    def tick(self) -> None:
        """Look at the clock: raise and clear the alarms of silent nodes."""
        self._pipeline.alarms.tick(int(self._clock.now()), self._heard, self._config.offline_after)

    def commit(self, *, snapshot: bool = False) -> list[Ack]:
        """Write all that was taken since the last commit; return the acknowledgements that are now true, one a node and boot.

        Parameters
        ----------
        snapshot : write the models' state too, whether it is due or not

        Raises
        ------
        sqlite3.Error
            if nothing could be written; call `recover` before the next message
        """
        changes, touched = self._changes, self._ledger.touched
        changes.ledger = touched
        changes.alarms, changes.alarm_states = self._pipeline.alarms.drain()
        now = self._clock.now()
        since = self._position - 1 - self._snapshot_position
        due = since >= SNAPSHOT_SAMPLES or (since and not 0 <= now - self._snapshot_time < SNAPSHOT_SECONDS)
        if snapshot or due:
            changes.snapshots = self._pipeline.snapshots(self._position - 1)
        if not (
            changes.samples
            or touched
            or changes.alarms
            or changes.alarm_states
            or changes.statuses
            or changes.quarantine
            or snapshot
        ):
            return []
        self._store.commit(changes)
        if changes.snapshots:
            self._snapshot_position, self._snapshot_time = self._position - 1, now
        self.counts["committed"] += len(changes.samples)
        self._changes, self._ledger.touched = Changes(), {}
        return [Ack(node, boot, entry.mark, int(now)) for (node, boot), entry in touched.items()]

    def commit_or_recover(self) -> list[Ack]:
        """Commit; where the database refuses, say so, acknowledge nothing and go on: the nodes still hold what was not written.

        Raises
        ------
        sqlite3.Error
            if the database cannot even be read; the process must end and be started anew
        """
        try:
            return self.commit()
        except sqlite3.Error as error:
            self.counts["failed_commits"] += 1
            _LOG.error("the database took nothing (%s); nothing is acknowledged. Check disk space and the SD card", error)
            self.recover()
            return []

    def recover(self) -> None:
        """After a failed commit: forget what was not written and stand again where the database stands; the nodes still hold it."""
        self._load()
