"""Store and forward: samples on flash until the gateway says that it has committed them.

A folder of append-only segment files, ``<number><boot><first sequence>`` in hex, each of one boot and at most one flash block. A record carries
boot, sequence, uptime, UTC (0 while unknown), the sequence acknowledged when it was written, scaled integers by quantity, and a CRC. Segments are
deleted whole once acknowledged. The last one stays, so that the store always knows the last sequence that was given out.

Power loss: a torn or corrupt record fails its CRC and is skipped, and nothing is ever appended behind a torn one. What is lost shows in `first`.
When full, the oldest segment goes (`dropped` counts its unacknowledged samples): new water matters more than old.
"""

import os
import struct
from array import array

from firmware.record import LARGEST, QueueError, Record, pack_record, record_size

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from collections.abc import Generator

_WINDOW = 3 * LARGEST  # of a segment in memory at once
__all__ = ["FlashQueue", "QueueError", "Record"]
_HISTORY = "boots"
_HISTORY_LINES = 128


class _Boot:
    """What is known of one boot: when it started (UTC, ``None`` unknown), its newest uptime, last and acknowledged sequence."""

    def __init__(self) -> None:
        self.start: "int | None" = None
        self.uptime = 0
        self.last = 0
        self.acked = 0

    def learn(self, record: Record) -> None:
        self.uptime = max(self.uptime, record.uptime)
        self.last = max(self.last, record.seq)
        self.acked = max(self.acked, record.acked)
        if record.time:
            self.start = record.time - record.uptime


def _without(old: "array[int]", i: int) -> "array[int]":
    """Return an array without its entry `i`, which MicroPython's cannot delete."""
    return array("I", [old[k] for k in range(len(old)) if k != i])


def _file_system(folder: str) -> int:
    """Return the size of the file system in which a folder lies or will lie, B."""
    found = os.statvfs(folder.rpartition("/")[0] or "/")
    return found[1] * found[2]


class FlashQueue:
    """Samples on flash in the order in which they were taken.

    Parameters
    ----------
    folder : made where it is missing
    segment_bytes : size of one file; one flash block
    max_bytes : size of all files together; by default 1 MiB, or three quarters of the file system where that is less
    max_boots : how many cold starts may have samples here at once; it bounds the memory that the table needs

    Attributes
    ----------
    dropped : unacknowledged samples that were given up since this object was made because the flash was full
    corrupt : bytes that were skipped because no sound record was found in them
    """

    def __init__(self, folder: str, *, segment_bytes: int = 4096, max_bytes: int = 0, max_boots: int = 64) -> None:
        if not max_bytes:
            max_bytes = min(1048576, _file_system(folder) * 3 // 4)
        if segment_bytes < 256 or max_bytes < 2 * segment_bytes:
            raise ValueError(
                f"segment_bytes {segment_bytes}, max_bytes {max_bytes}: give a segment of at least 256 and room for two"
            )
        self._folder = folder
        self._segment = segment_bytes
        self._buffer = bytearray(_WINDOW)
        self._max_segments = max_bytes // segment_bytes
        self._max_boots = max_boots
        self.dropped = 0
        self.corrupt = 0
        self._boots: "dict[int, _Boot]" = {}
        # One entry a segment, oldest first.
        self._numbers, self._owners, self._firsts = array("I"), array("I"), array("I")
        self._size = segment_bytes  # bytes in the last segment; full until it is known to be sound
        self._open()

    # -- reading ------------------------------------------------------------------------------------------------------------------------

    def boots(self) -> "list[int]":
        """Return the boots that have samples here, oldest first."""
        found: "list[int]" = []
        for boot in self._owners:
            if not found or found[-1] != boot:
                found.append(boot)
        return found

    def last(self, boot: int) -> int:
        """Return the highest sequence stored of a boot, 0 where there is none."""
        return self._boots[boot].last if boot in self._boots else 0

    def acked(self, boot: int) -> int:
        """Return the highest sequence of a boot that the gateway has committed."""
        return self._boots[boot].acked if boot in self._boots else 0

    def first(self, boot: int) -> int:
        """Return the lowest sequence of a boot that is still held and not acknowledged; one above the last where there is none."""
        held = self.records(boot, self.acked(boot), 1)
        return held[0].seq if held else self.last(boot) + 1

    def start(self, boot: int) -> "int | None":
        """Return the UTC second at which a boot began, ``None`` where its clock was never known."""
        return self._boots[boot].start if boot in self._boots else None

    def end(self, boot: int) -> int:
        """Return the newest uptime stored of a boot, s."""
        return self._boots[boot].uptime if boot in self._boots else 0

    def records(self, boot: int, after: int, limit: int) -> "list[Record]":
        """Return up to `limit` stored samples of a boot with sequences above `after`, rising."""
        found: "list[Record]" = []
        count = len(self._numbers)
        for i in range(count):
            if self._owners[i] != boot:
                continue
            if i + 1 < count and self._owners[i + 1] == boot and self._firsts[i + 1] <= after + 1:
                continue
            walk = self._each(i)
            for at, size in walk:
                if size and struct.unpack_from("<I", self._buffer, at + 5)[0] > after:
                    found.append(Record(self._buffer, at, size))
                    if len(found) >= limit:
                        walk.close()
                        return found
        return found

    def held(self) -> int:
        """Return how many samples wait for an acknowledgement, as far as the sequences tell."""
        total = 0
        for boot, known in self._boots.items():
            lowest = min(f for f, b in zip(self._firsts, self._owners) if b == boot)  # noqa: B905 (MicroPython's zip has no strict)
            total += max(0, known.last - max(known.acked, lowest - 1))
        return total

    def oldest(self) -> "int | None":
        """Return the UTC second of the oldest sample that waits for an acknowledgement; ``None`` where none does or its clock was not known."""
        for boot in self.boots():
            held = self.records(boot, self.acked(boot), 1)
            if held:
                start = self.start(boot)
                return held[0].time or (start + held[0].uptime if start is not None else None)
        return None

    def assigned(self) -> "list[tuple[int, int]]":
        """Return every ``(boot, last sequence)`` that was ever stored here, for the last 128 boots."""
        known = self._history()
        known.update({boot: self._boots[boot].last for boot in self._boots})
        return [(boot, last) for boot, last in known.items() if last]

    # -- writing ------------------------------------------------------------------------------------------------------------------------

    def begin(self, boot: int) -> None:
        """Start a boot: note the last sequence of the earlier ones, which are no longer kept for their own sake."""
        history = self._history()
        fresh = [b for b in self.boots() if history.get(b) != self._boots[b].last]
        if fresh:
            lines = [f"{b:08x} {last}" for b, last in history.items() if b not in fresh]
            lines += [f"{b:08x} {self._boots[b].last}" for b in fresh]
            path = self._folder + "/" + _HISTORY
            with open(path + ".new", "w", encoding="utf-8") as file:
                file.write("\n".join(lines[-_HISTORY_LINES:]) + "\n")
            os.rename(path + ".new", path)
        if boot not in self._boots:
            self._size = self._segment

    def append(self, boot: int, seq: int, uptime: int, time: "int | None", values: "dict[str, int]") -> None:
        """Write one sample; it is on flash when this returns.

        Raises
        ------
        QueueError
            if the flash takes nothing even after old segments were given up
        """
        record = pack_record(boot, seq, uptime, time or 0, self.acked(boot), values)
        if len(self._numbers) == 0 or self._owners[-1] != boot or self._size + len(record) > self._segment:
            self._roll(boot, seq)
        for _ in range(4):
            if self._write(record):
                break
            # Most likely full. The file may end in a torn record now: give up the oldest and go on in a fresh one.
            if not self._drop_oldest():
                raise QueueError("the flash takes no sample")
            self._roll(boot, seq)
        else:
            raise QueueError("the flash takes no sample even after the oldest were given up")
        self._size += len(record)
        known = self._boots.setdefault(boot, _Boot())
        known.learn(Record(record, 0, len(record)))

    def _write(self, record: bytes) -> bool:
        try:
            with open(self._path(len(self._numbers) - 1), "ab") as file:
                return file.write(record) == len(record)
        except OSError:
            return False

    def ack(self, boot: int, seq: int) -> bool:
        """Note that the gateway has committed a boot up to `seq`, and forget what is covered; return whether that was news."""
        known = self._boots.get(boot)
        if known is None or seq <= known.acked:
            return False
        known.acked = min(seq, known.last)
        self._forget(boot)
        return True

    def give_up(self, boot: int) -> None:
        """Forget a boot of which nothing unacknowledged can be read any more; its samples count as dropped."""
        known = self._boots.get(boot)
        if known is not None:
            self.dropped += max(0, known.last - known.acked)
            self.ack(boot, known.last)

    # -- segments -----------------------------------------------------------------------------------------------------------------------

    def _path(self, i: int) -> str:
        return f"{self._folder}/{self._numbers[i]:08x}{self._owners[i]:08x}{self._firsts[i]:08x}"

    def _open(self) -> None:
        try:
            names = os.listdir(self._folder)
        except OSError:
            os.mkdir(self._folder)
            names = []
        for name in sorted(names):
            try:
                number, owner, first = int(name[:8], 16), int(name[8:16], 16), int(name[16:], 16)
            except ValueError:
                continue
            if len(name) == 24:
                self._numbers.append(number)
                self._owners.append(owner)
                self._firsts.append(first)
        i = len(self._numbers) - 1
        while i >= 0:  # the newest segment of each boot tells all that is needed of it
            boot = self._owners[i]
            if boot not in self._boots:
                known, clean = self._survey(i)
                if known.last:
                    self._boots[boot] = known
                    if i == len(self._numbers) - 1 and clean:
                        self._size = clean
                else:  # created, never written to, or all corrupt
                    self._remove(i)
            i -= 1

    def _survey(self, i: int) -> "tuple[_Boot, int]":
        """Return what a segment tells of its boot, and its size where every byte of it is sound, else 0."""
        known, total, sound = _Boot(), 0, True
        for at, size in self._each(i):
            if size:
                known.learn(Record(self._buffer, at, size))
            else:
                sound = False
                self.corrupt += 1
            total += size
        return known, total if sound else 0

    def _each(self, i: int) -> "Generator[tuple[int, int]]":
        """Yield place in the buffer and size of each record of a segment, size 0 for a byte of which no sound record begins."""
        try:
            file = open(self._path(i), "rb")  # noqa: SIM115 (closed below; MicroPython's generators end without an exit)
        except OSError:
            return
        buffer, held = self._buffer, 0
        try:
            while True:
                got = file.readinto(memoryview(buffer)[held:]) or 0
                at, end = 0, held + got
                # a record that is not whole yet waits for the next window; at the end of the file it never will be
                while at < end and (not got or end - at >= LARGEST):
                    size = record_size(buffer, at, end)
                    yield at, size
                    at += size or 1
                held = end - at
                if not got:
                    return
                buffer[:held] = buffer[at:end]
        except OSError:
            return
        finally:
            file.close()

    def _roll(self, boot: int, seq: int) -> None:
        while len(self._numbers) >= self._max_segments or (boot not in self._boots and len(self._boots) >= self._max_boots):
            if not self._drop_oldest():
                break
        number = self._numbers[-1] + 1 if len(self._numbers) else 1
        self._numbers.append(number)
        self._owners.append(boot)
        self._firsts.append(seq)
        self._size = 0
        for other in self.boots():  # what was kept only for being the last segment
            if other in self._boots:
                self._forget(other)

    def _forget(self, boot: int) -> None:
        i = 0
        while i < len(self._numbers) - 1:  # never the last segment
            if self._owners[i] == boot and self._last_of(i) <= self._boots[boot].acked:
                self._remove(i)
            else:
                i += 1

    def _last_of(self, i: int) -> int:
        boot = self._owners[i]
        return self._firsts[i + 1] - 1 if i + 1 < len(self._owners) and self._owners[i + 1] == boot else self._boots[boot].last

    def _drop_oldest(self) -> bool:
        if len(self._numbers) < 2:
            return False
        boot = self._owners[0]
        if boot in self._boots:
            self.dropped += max(0, self._last_of(0) - max(self._boots[boot].acked, self._firsts[0] - 1))
        self._remove(0)
        return True

    def _remove(self, i: int) -> None:
        try:
            os.remove(self._path(i))
        except OSError:
            pass  # never created, or gone already
        boot = self._owners[i]
        self._numbers, self._owners, self._firsts = (
            _without(self._numbers, i),
            _without(self._owners, i),
            _without(self._firsts, i),
        )
        if boot in self._boots and not any(owner == boot for owner in self._owners):  # MicroPython's array has no `in`
            del self._boots[boot]

    def _history(self) -> "dict[int, int]":
        found: "dict[int, int]" = {}
        try:
            with open(self._folder + "/" + _HISTORY, encoding="utf-8") as file:
                for line in file:
                    parts = line.split()
                    try:
                        found[int(parts[0], 16)] = int(parts[1])
                    except (ValueError, IndexError):
                        continue
        except OSError:
            pass
        return found
