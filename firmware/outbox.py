"""What goes out, the most urgent first: the newest sample, the status, replies, calibrations, then the backlog.

The newest sample goes at once as SenML JSON on ``data``; older unacknowledged ones in packs of SenML CBOR on ``backlog``, paced, at most `window`
samples beyond the last acknowledgement. Where no acknowledgement comes for a while all is sent again, ever more rarely: the gateway de-duplicates
by (node, boot, seq).
"""

import gc
import json
import sys

from firmware.backlog import Backlog
from firmware.stopwatch import Stopwatch
from firmware.timing import sent_time
from vuong.contract import topics

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from firmware.boundaries import Clock, Values
    from firmware.config import NodeConfig
    from firmware.ledger import Ledger
    from firmware.link import Link
    from firmware.queue import FlashQueue, Record

_ANSWER = 3.0  # real seconds that the backlog waits for the gateway's first answer
_TIGHT = sys.implementation.name == "micropython"


class Outbox:
    """See the module.

    Parameters
    ----------
    boot : the present one
    status : returns the fields of a status message

    Attributes
    ----------
    live : newest sample, not yet sent: sequence, uptime, UTC or ``None``, values
    status_due : a status is to be sent
    replies : replies to be sent
    """

    def __init__(
        self,
        config: "NodeConfig",
        clock: "Clock",
        queue: "FlashQueue",
        link: "Link",
        boot: int,
        ledger: "Ledger | None",
        status: "Callable[[], dict[str, Any]]",
    ) -> None:
        self._config, self._clock, self._queue, self._link, self._boot = config, clock, queue, link, boot
        self._ledger, self._status = ledger, status
        self._backlog = Backlog(queue, boot, config.window)
        self.live: "tuple[int, int, int | None, Values] | None" = None
        self.status_due = True
        self.replies: "list[dict[str, Any]]" = []
        self._pack_samples = config.pack_samples
        self._resend: float = config.resend
        self._checked = False  # the gateway has answered, so that the clock is right
        self._asked: "Stopwatch | None" = None  # since the first question
        self._silence = Stopwatch()  # since the last news from the gateway, or since something was first sent

    def connected(self) -> None:
        """Note a new connection: what was sent over the old one counts for nothing."""
        self._backlog.rewind()
        self._resend = self._config.resend
        self.status_due = True

    def acknowledged(self, *, news: bool) -> None:
        """Note that the gateway lives, and whether it said something new."""
        self._checked = True
        self._resend = self._config.resend
        if news:
            self._silence.reset()

    def resend(self) -> None:
        """Send all again where the gateway was silent for too long."""
        if self._backlog.outstanding() and self._silence.seconds() >= self._resend:
            self._backlog.rewind()
            self._resend = min(self._config.longest_resend, self._resend * 2)

    def shrink(self) -> None:
        """Make smaller packs: the memory did not suffice."""
        self._pack_samples = max(1, self._pack_samples // 2)

    async def send_next(self) -> float:
        """Send what is most urgent; return the real seconds to wait before the next call, unless woken; errors as of `Link.publish`."""
        if self.live is not None:
            await self._send_live()
        elif self.status_due:
            self.status_due = False
            await self.publish_status("online")
        elif self.replies:
            await self._publish(topics.REPLY, json.dumps(self.replies[0]).encode())
            self.replies.pop(0)
        elif self._ledger is not None and self._ledger.unsent():
            entry = self._ledger.unsent()[0]
            await self._publish(topics.REPLY, json.dumps({"calibration": entry}).encode())
            self._ledger.mark_sent(entry)
        else:
            return await self._send_backlog()
        return 0

    async def publish_status(self, state: str) -> None:
        """Publish a status."""
        status = {"state": state}
        status.update(self._status())
        await self._publish(topics.STATUS, json.dumps(status).encode(), retain=True)

    async def _send_live(self) -> None:
        from vuong.contract.encode import json_pack  # noqa: PLC0415 (not while the probes are read)

        seq, uptime, time, values = self.live or (0, 0, None, {})
        self.live = None
        boot, first = self._boot, self._queue.first(self._boot)
        if first > min(seq, self._queue.last(boot)):  # nothing is held: the flash took no sample
            first = seq
        taken = sent_time(self._queue, self._clock, boot, boot, uptime, time)
        await self._publish(topics.DATA, json_pack(self._config.node, [(boot, seq, taken, values)], {boot: first}))
        self._sends()
        self._backlog.note_live(seq)
        self._asked = self._asked or Stopwatch()

    async def _send_backlog(self) -> float:
        if not self._checked and self._asked is not None and self._asked.seconds() < min(_ANSWER, self._resend):
            return 0.2  # its answer to the newest sample may set the clock, and with it the times of all others
        if _TIGHT:
            gc.collect()  # a pack needs its memory in one piece
        records = self._backlog.next(self._pack_samples)
        if not records:
            return self._resend
        payload = self._pack(records)
        while len(payload) > self._config.pack_bytes and len(records) > 1:
            records = records[: len(records) // 2]
            payload = self._pack(records)
        await self._publish(topics.BACKLOG, payload)
        self._sends()
        self._backlog.note_pack(records)
        return self._config.pace

    def _pack(self, records: "list[Record]") -> bytes:
        from vuong.contract.encode import cbor_pack  # noqa: PLC0415 (not while the probes are read)

        queue, clock, boot = self._queue, self._clock, self._boot
        samples = [(r.boot, r.seq, sent_time(queue, clock, boot, r.boot, r.uptime, r.time), r.values) for r in records]
        return cbor_pack(self._config.node, samples, {records[0].boot: queue.first(records[0].boot)})

    def _sends(self) -> None:
        if not self._backlog.outstanding():
            self._silence.reset()

    async def _publish(self, channel: str, payload: bytes, *, retain: bool = False) -> None:
        await self._link.publish(topics.topic(self._config.node, channel), payload, retain=retain)
