"""Oxygen against pH: a probe that loses its signal in water that lives on as before.

Light and breath move oxygen and carbon dioxide together, so that in a pond DO and pH rise by day and fall by night in a ratio of its own. Both are
taken in half hours; the ratio is a regression through the changes of three hours, forgotten over days. From it, and from what is usual at this time
of the day, follows the oxygen that the pH of the moment speaks for. What the probe shows of that is its *signal*:

- an overgrown cap loses signal: DO is low against its own days, and pH does not explain it. A true fall of oxygen takes the pH with it (more CO2);
- by day such a cap does not follow: the ratio of the last day collapses while the pH swings on.

Only what both say counts, so that a pH probe that moves alone is not laid on the oxygen. Where the two do not go together (a river, a probe of pH
that is asleep) nothing is said. While the probe is suspect nothing is learned.

Sources: Odum 1956 (Limnol. Oceanogr. 1, 102: diel curves of oxygen and CO2); Boyd & Tucker 1998, ch. 5 (pH and CO2 of ponds).
"""

from __future__ import annotations

import struct
from collections import deque
from math import sqrt
from typing import Final

from gateway.observation import Numbers, Observation, Reason
from vuong.flags import Flag

VERSION: Final = 2
BIN: Final = 1800  # s
PER_DAY: Final = 48
SPAN: Final = 6  # bins of a change
LEARN: Final = 4 * PER_DAY  # bins before anything is said
MEMORY: Final = 5.0 * PER_DAY  # bins of the ratio
DAYS: Final = 4.0  # memory of what is usual at a time of the day
TOGETHER: Final = 0.7  # smallest correlation of the changes
AWAKE: Final = 0.3  # share of its usual changes that pH must still make
LOST: Final = 0.35  # share of the signal that is never lost in health
BEYOND: Final = 1.4  # times what this pond itself loses about once in `EVERY` days
MOST: Final = 0.8
EVERY: Final = 15.0 * PER_DAY
GROWTH: Final = 0.06
COLLAPSED: Final = 0.65  # share of the ratio below which a day does not follow
SOME: Final = 0.2  # share of the signal that must be missing with it
BACK: Final = 0.5  # share of the threshold below which the probe is believed again
SPEAKS: Final = 1.0  # mg/L: where less is expected there is no signal to lose
HEALTHY: Final = 0.8  # share of the ratio ...
SURE: Final = 8  # bins of suspicion from which a signal that is ...
GONE: Final = 0.7  # ... lost by this share is a fault, of which the farmer is told as of one
SILENT: Final = 86400  # s without pH after which nothing is said
ACCEPT: Final = 3 * PER_DAY  # ... that for so long makes another level the water's own


class OxygenBalance:
    """Tells of oxygen probes whose signal fades while the pH goes on."""

    def __init__(self) -> None:
        self._nodes: dict[str, Balance] = {}

    def update(self, observation: Observation) -> None:
        """Take oxygen and pH of a sample; flag the oxygen while its probe is suspect."""
        values, assessments = observation.sample.values, observation.assessments
        do, ph = values.get("do"), values.get("ph")
        if do is None:
            return
        node = observation.sample.node
        balance = self._nodes.get(node)
        if balance is None:
            balance = self._nodes[node] = Balance()
        if observation.maintenance:
            balance.rest()
            return
        assessment = assessments["do"]
        if ph is not None and assessment.flag is not Flag.FAIL and assessments["ph"].flag is Flag.GOOD:
            balance.take(observation.sample.time, observation.pond.longitude, do, ph)
        if balance.suspect and observation.sample.time - balance.heard < SILENT:
            numbers: Numbers = {"value": do, "expected": round(balance.expected, 2)}
            numbers["share"] = f"{100.0 * max(0.0, 1.0 - balance.lost):.0f}"
            flag = Flag.FAIL if balance.suspect >= SURE and balance.lost > GONE else Flag.SUSPECT
            assessment.judge(flag, Reason("detection.oxygen_balance", numbers))
            assessment.score = max(assessment.score, balance.score)

    def snapshot(self, node: str) -> bytes:
        """Return what is remembered of one node; empty where nothing is."""
        found = self._nodes.get(node)
        if found is None:
            return b""
        numbers = found.state()
        return bytes([VERSION]) + struct.pack(f"<{len(numbers)}d", *numbers)

    def restore(self, node: str, state: bytes) -> None:
        """Take back what `snapshot` returned; one of another version is left aside."""
        if state and state[0] == VERSION:
            found = self._nodes[node] = Balance()
            found.restore(list(struct.unpack(f"<{len(state) // 8}d", state[1:])))


class Balance:
    """Oxygen and pH of one node.

    Attributes
    ----------
    suspect : half hours for which the oxygen probe has been suspect, 0 where it is not
    expected : oxygen that the pH of the last half hour speaks for, mg/L
    lost : share of it that the probe does not show
    gain : change of oxygen with pH in the last day, as a share of the usual
    score : 1 at the threshold
    """

    __slots__ = (
        "_bin",
        "_count",
        "_do",
        "_healthy",
        "_moves",
        "_passed",
        "_ph",
        "_recent",
        "_since",
        "_sums",
        "_time",
        "_usual",
        "_xx",
        "_xy",
        "_yy",
        "expected",
        "gain",
        "lost",
        "score",
        "suspect",
    )

    def __init__(self) -> None:
        self._bin = -1
        self._sums = [0.0, 0.0, 0.0]
        self._recent: deque[tuple[int, float, float]] = deque(maxlen=SPAN)  # bin, oxygen, pH
        self._moves: deque[tuple[int, float, float]] = deque(maxlen=PER_DAY)  # bin, change of pH, change of oxygen
        self._xx = self._xy = self._yy = 0.0
        self._do, self._ph = [0.0] * PER_DAY, [0.0] * PER_DAY  # usual at a time of the day; 0 where not known
        self._count = self._healthy = self.suspect = 0
        self._usual = 0.2
        self._passed = self._time = self._since = 0
        self.expected = self.lost = self.score = 0.0
        self.gain = 1.0

    @property
    def heard(self) -> int:
        """Time of the last pair of trusted values."""
        return self._time

    def take(self, time: int, longitude: float, do: float, ph: float) -> None:
        """Take trusted values later than the last ones; judge each half hour when it has ended."""
        if time <= self._time:
            return
        self._time = time
        local = int((time + longitude * 240.0) // BIN)
        if local > self._bin:
            if self._sums[0]:
                n, total, acid = self._sums
                self._close(self._bin, total / n, acid / n)
            self._bin, self._sums = local, [0.0, 0.0, 0.0]
        sums = self._sums
        sums[0] += 1.0
        sums[1] += do
        sums[2] += ph

    def rest(self) -> None:
        """Believe the probe again: it has been in somebody's hands."""
        self.suspect = self._healthy = 0
        self._since, self._sums = self._bin, [0.0, 0.0, 0.0]

    def _close(self, at: int, do: float, ph: float) -> None:
        recent = self._recent
        moved = next(((ph - p, do - d) for b, d, p in recent if b == at - SPAN), None)
        recent.append((at, do, ph))
        if moved is not None:
            self._moves.append((at, *moved))
        hour = at % PER_DAY
        if self._count >= LEARN and self._do[hour] > 0.0 and self._xy > TOGETHER * sqrt(self._xx * self._yy):
            self._judge(at, hour, do, ph)
        if not self.suspect:
            self._learn(hour, do, ph, moved)

    def _judge(self, at: int, hour: int, do: float, ph: float) -> None:
        ratio = self._xy / self._xx
        all_xx = xx = xy = 0.0
        for b, x, y in self._moves:
            if b > at - PER_DAY:
                all_xx += x * x
                if b > self._since + SPAN:  # both ends after the probe was last in somebody's hands
                    xx += x * x
                    xy += x * y
        enough = AWAKE * self._xx / MEMORY * PER_DAY
        awake = all_xx > enough
        self.gain = xy / xx / ratio if xx > enough else 1.0
        usual = self._do[hour]
        self.expected = usual + ratio * (ph - self._ph[hour])
        # low against its own days and against pH: the smaller loss counts
        reference = min(usual, self.expected)
        if reference < SPEAKS or not awake:
            return
        self.lost = 1.0 - do / reference
        threshold = min(max(LOST, BEYOND * self._usual), MOST)
        self.score = self.lost / threshold
        collapsed = self.gain < COLLAPSED and self.lost > SOME
        if self.score > 1.0 or collapsed:
            self.suspect += 1
            self.score = max(self.score, 1.0)
        elif self.suspect:
            self._doubt(threshold)
        elif self.lost > self._usual:
            if at - self._passed >= PER_DAY:  # passes within a day are one
                self._usual *= 1.0 + GROWTH
                self._passed = at
        else:
            self._usual *= 1.0 - GROWTH / EVERY

    def _doubt(self, threshold: float) -> None:
        """Go on suspecting until the signal is back, or a day follows its pH for so long that the level is the water's."""
        self.suspect += 1
        self._healthy = self._healthy + 1 if self.gain > HEALTHY else 0
        if (self.lost < BACK * threshold and self.gain > COLLAPSED) or self._healthy > ACCEPT:
            if self._healthy > ACCEPT:
                self._do = [0.0] * PER_DAY
            self.suspect = self._healthy = 0

    def _learn(self, hour: int, do: float, ph: float, moved: tuple[float, float] | None) -> None:
        self._count += 1
        if moved is not None:
            x, y = moved
            keep = 1.0 - 1.0 / MEMORY
            self._xx = self._xx * keep + x * x
            self._xy = self._xy * keep + x * y
            self._yy = self._yy * keep + y * y
        if self._do[hour] > 0.0:
            self._do[hour] += (do - self._do[hour]) / DAYS
            self._ph[hour] += (ph - self._ph[hour]) / DAYS
        else:
            self._do[hour], self._ph[hour] = do, ph

    def state(self) -> list[float]:
        """Return everything that is remembered as numbers."""
        numbers = [
            self._bin,
            *self._sums,
            self._xx,
            self._xy,
            self._yy,
            self._count,
            self._healthy,
            self.suspect,
            self._passed,
            self._time,
            self._since,
        ]
        numbers += [self._usual, self.expected, self.lost, self.score, self.gain, *self._do, *self._ph]
        for part in (self._recent, self._moves):
            numbers += [len(part), *(number for entry in part for number in entry)]
        return numbers

    def restore(self, numbers: list[float]) -> None:
        """Take back what `state` returned."""
        self._bin, self._sums = int(numbers[0]), numbers[1:4]
        self._xx, self._xy, self._yy = numbers[4:7]
        self._count, self._healthy, self.suspect, self._passed, self._time, self._since = (int(n) for n in numbers[7:13])
        self._usual, self.expected, self.lost, self.score, self.gain = numbers[13:18]
        at = 18 + 2 * PER_DAY
        self._do, self._ph = numbers[18 : 18 + PER_DAY], numbers[18 + PER_DAY : at]
        for part in (self._recent, self._moves):
            size = int(numbers[at])
            part.extend((int(numbers[i]), numbers[i + 1], numbers[i + 2]) for i in range(at + 1, at + 1 + 3 * size, 3))
            at += 1 + 3 * size
