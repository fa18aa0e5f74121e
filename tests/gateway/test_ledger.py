"""Nodes that reboot, lose and repeat, messages in any order, a gateway that dies: each sample once, and no acknowledgement ahead of the disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gateway.config import Config, Mqtt
from gateway.ingest import Ingest
from gateway.observation import Pond
from gateway.store.store import Store
from vuong.clock import ManualClock
from vuong.contract import topics
from vuong.contract.encode import json_pack
from vuong.limits import Limits

NODE = "00124b0000000001"
NOON = 1_763_614_800


class Delivery(RuleBasedStateMachine):
    """A node's queue, the messages under way, and the gateway with its database."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.config = Config("gw", "gw", Path(self.folder.name) / "db", Mqtt(), None, {}, {NODE: Pond("p", "p", Limits())})
        self.boot, self.seq = 1, 0
        self.held: set[tuple[int, int]] = set()  # on the node's flash
        self.made: set[tuple[int, int]] = set()
        self.dropped: set[tuple[int, int]] = set()  # lost by the node itself: its flash was full
        self.under_way: list[bytes] = []
        self.start()

    def start(self) -> None:
        self.store = Store(self.config.database)
        self.ingest = Ingest(self.config, self.store, ManualClock(NOON))

    def message(self, boot: int, seq: int) -> bytes:
        first = min(s for b, s in self.held if b == boot)
        return bytes(json_pack(NODE, [(boot, seq, NOON + seq, {"do": 600 + seq})], {boot: first}))

    @rule()
    def sample(self) -> None:
        self.seq += 1
        self.held.add((self.boot, self.seq))
        self.made.add((self.boot, self.seq))

    @rule()
    def reboot(self) -> None:
        self.boot, self.seq = self.boot + 1, 0

    @rule()
    def drop_oldest(self) -> None:
        if self.held:
            oldest = min(self.held)
            self.held.discard(oldest)
            self.dropped.add(oldest)

    @rule(data=st.data(), times=st.integers(1, 2))
    def publish(self, data: st.DataObject, times: int) -> None:
        if self.held:
            key = data.draw(st.sampled_from(sorted(self.held)))
            self.under_way += [self.message(*key)] * times

    @rule(data=st.data())
    def lose_message(self, data: st.DataObject) -> None:
        if self.under_way:
            self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        count = data.draw(st.integers(0, min(6, len(self.under_way))))
        chosen = [self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1))) for _ in range(count)]
        self.ingest.take((topics.topic(NODE, topics.DATA), payload) for payload in chosen)
        for ack in self.ingest.commit():
            stored = self.stored()
            for seq in range(1, ack.seq + 1):
                assert (ack.boot, seq) in stored or (ack.boot, seq) not in self.held, (
                    "acknowledged, but neither stored nor dropped"
                )
            self.held = {(b, s) for b, s in self.held if b != ack.boot or s > ack.seq}

    @rule(data=st.data())
    def die_in_the_middle(self, data: st.DataObject) -> None:
        """Messages were taken and not committed; the process is killed."""
        self.ingest.take((topics.topic(NODE, topics.DATA), payload) for payload in self.under_way)
        self.under_way.clear()
        self.store.close()
        self.start()

    def stored(self) -> list[tuple[int, int]]:
        return self.store._connection.execute("SELECT boot, seq FROM samples").fetchall()

    @invariant()
    def each_sample_once(self) -> None:
        if not hasattr(self, "store"):
            return
        stored = self.stored()
        assert len(stored) == len(set(stored)), "doubled"
        assert set(stored) <= self.made
        assert self.made <= set(stored) | self.held | self.dropped, "lost"

    def teardown(self) -> None:
        # what is still held arrives in the end
        for key in sorted(self.held):
            self.ingest.take([(topics.topic(NODE, topics.DATA), self.message(*key))])
        self.ingest.commit()
        assert self.made <= set(self.stored()) | self.dropped
        self.store.close()
        self.folder.cleanup()


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
