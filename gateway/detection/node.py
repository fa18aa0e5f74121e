"""All quantities of one node together: the day, the node's own sampling interval, and what several channels say at once."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import cos, pi, sin
from typing import Final

from gateway.detection import settings as s
from gateway.detection.channel import Channel, Day
from gateway.detection.evidence import Evidence
from gateway.quality.interval import Interval

VERSION: Final = 2  # of the state: raise it when an attribute of `Channel` comes or goes


def day_of(time: int, longitude: float) -> Day:
    """Return where `time` (UTC seconds) lies in the local solar day of a longitude in degrees east."""
    local = (time + longitude * 240.0) % s.DAY
    phase = 2.0 * pi * local / s.DAY
    return Day(sin(phase), cos(phase), sin(2.0 * phase), cos(2.0 * phase), int(local // s.HOUR))


class Node:
    """The channels of one node.

    Attributes
    ----------
    channels : by quantity
    held : evidence of the last samples that the node repeated its values
    """

    __slots__ = ("channels", "held", "interval")

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.interval = Interval()
        self.held = 0.0

    @property
    def time(self) -> int:
        """Time of the last sample that was taken, 0 before the first."""
        return self.interval.last

    def take(
        self, time: int, values: dict[str, float], longitude: float, excused: frozenset[str]
    ) -> dict[str, tuple[Evidence | None, float]]:
        """Judge a sample that is later than the last one; return, by quantity, the evidence that passed and the score.

        Parameters
        ----------
        values : those inside the physical range
        longitude : of the pond, degrees east
        excused : quantities whose movement another probe confirms
        """
        interval = self.interval.take(time)
        day = day_of(time, longitude)
        seen: list[Channel] = []
        found: dict[str, tuple[Evidence | None, float]] = {}
        for quantity, value in values.items():
            channel = self.channels.get(quantity)
            if channel is None:
                channel = self.channels[quantity] = Channel(quantity)
            if channel.look(time, value, day, interval):
                seen.append(channel)
            elif channel.unproved(time):
                found[quantity] = Evidence.RETURN, 1.0
        held, together = self._together(seen, values, day.hour)
        first, second = _two_largest(seen)
        for channel in seen:
            usual, run, name = channel.usual.levels[0], channel.runs.run, channel.quantity
            kind, score = channel.judge(
                held if run else 0.0,
                together if usual > 0.0 and channel.step > s.JOIN * usual else 0.0,
                second[0] if first[1] is channel else first[0],
                interval,
                excused=name in excused,
            )
            if kind is None and channel.unproved(time):
                kind, score = Evidence.RETURN, max(score, 1.0)
            found[name] = kind, score
            channel.close(time, values[name])
        self.held = max(held, 0.6 * self.held)
        return found

    def _together(self, seen: list[Channel], values: Mapping[str, float], hour: int) -> tuple[float, float]:
        """Return the evidence of the whole node: that it repeats its values, and that several quantities stepped at once."""
        held, repeated, together = 0.0, 0, 0.0
        for channel in seen:
            together += channel.share()
            equal = values[channel.quantity] == channel.raw
            surprise = channel.runs.take(hour, equal=equal)
            if equal:
                held += surprise
                repeated += 1
        if repeated < 2:
            held = 0.0
        usual_hold = max((c.usual.levels[4] for c in seen), default=0.0)
        return held, together + s.HOLD_BONUS * min(self.held / max(usual_hold, s.FLOORS[4]), 1.5)

    def strange(self) -> int:
        """Return how many quantities took part in the last movement with more than their usual step."""
        return sum(c.time == self.time and c.step > c.usual.levels[0] > 0.0 for c in self.channels.values())

    def state(self) -> bytes:
        """Return everything that is remembered, as `restore` takes it: float64, so that a restart changes no later flag."""
        names = ",".join(self.channels).encode()
        numbers = [self.held, *self.interval.state()]
        for channel in self.channels.values():
            numbers += channel.state()
        return bytes([VERSION]) + len(names).to_bytes(2, "little") + names + struct.pack(f"<{len(numbers)}d", *numbers)

    def restore(self, state: bytes) -> None:
        """Take back what `state` returned; a state of another version is left aside and learned anew."""
        if state[0] != VERSION:
            return
        begin = 3 + int.from_bytes(state[1:3], "little")
        names = [name for name in state[3:begin].decode().split(",") if name]
        numbers = struct.unpack(f"<{(len(state) - begin) // 8}d", state[begin:])
        self.held = numbers[0]
        self.interval.restore(list(numbers[1:4]))
        self.channels = {}
        at = 4
        for quantity in names:
            channel = self.channels[quantity] = Channel(quantity)
            at += channel.restore(numbers[at:])


def _two_largest(seen: list[Channel]) -> tuple[tuple[float, Channel | None], tuple[float, Channel | None]]:
    """Return the two largest excursions over their usual levels, with their channels."""
    first: tuple[float, Channel | None] = (0.0, None)
    second = first
    for channel in seen:
        usual = channel.usual.levels[1]
        if usual > 0.0:
            share = channel.excursion / usual
            if share > first[0]:
                first, second = (share, channel), first
            elif share > second[0]:
                second = share, channel
    return first, second
