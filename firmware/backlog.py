"""Which stored samples are sent next: go-back-N over every boot, at most a window beyond the gateway's acknowledgement."""

from firmware.queue import FlashQueue, Record


class Backlog:
    """What was sent since the last rewind; the acknowledgements themselves are the queue's.

    Parameters
    ----------
    boot : the present one, whose newest samples go out singly
    window : most samples sent beyond the acknowledged ones
    """

    def __init__(self, queue: FlashQueue, boot: int, window: int) -> None:
        self._queue, self._boot, self._window = queue, boot, window
        self._sent: "dict[int, int]" = {}  # boot → highest sequence sent in packs
        self._low, self._high = 1, 0  # sequences that went out singly, without a gap

    def next(self, limit: int) -> "list[Record]":
        """Return up to `limit` samples of one boot that are to be sent next; none where the window is full or all is sent."""
        queue = self._queue
        if self.outstanding() >= self._window:
            return []
        for boot in queue.boots():
            while True:
                acked = queue.acked(boot)
                after = max(acked, self._sent.get(boot, 0))
                if boot == self._boot and self._low <= after + 1 <= self._high:
                    after = self._high
                if after >= queue.last(boot):
                    break
                records = queue.records(boot, after, limit)
                fresh = [r for r in records if boot != self._boot or not self._low <= r.seq <= self._high]
                if fresh:
                    return fresh
                if not records and after == acked:
                    queue.give_up(boot)  # all that was left of it has become unreadable
                    break
                self._sent[boot] = records[-1].seq if records else queue.last(boot)
        return []

    def note_pack(self, records: "list[Record]") -> None:
        """Note that a pack went out."""
        boot, seq = records[0].boot, records[-1].seq
        self._sent[boot] = max(self._sent.get(boot, 0), seq)

    def note_live(self, seq: int) -> None:
        """Note that a sample of the present boot went out singly."""
        self._low, self._high = (self._low if seq == self._high + 1 else seq), seq

    def outstanding(self) -> int:
        """Return how many samples were sent since the last rewind and are not acknowledged."""
        queue = self._queue
        total = max(0, self._high - max(self._low - 1, queue.acked(self._boot)))
        for boot, sent in self._sent.items():
            total += max(0, sent - queue.acked(boot)) if queue.last(boot) else 0
        return total

    def rewind(self) -> None:
        """Send all that is not acknowledged again."""
        self._sent = {}
        self._low, self._high = 1, 0
