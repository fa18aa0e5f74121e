"""How honest the projected time of an oxygen alarm is on recorded series: of the limits projected, how many came too early, how many never.

usage: python -m benchmarks.projection SERIES.csv.gz [...]

A series has the columns time (UTC) and do; projections are made at most every half hour while oxygen is near 4, 3, 2 or 1 mg/L from above.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from gateway.derived.oxygen import OxygenCourse, arrival
from gateway.observation import Assessment, Observation, Pond
from vuong.flags import Flag
from vuong.limits import Limits
from vuong.readings import Sample
from vuong.series import Series

TARGETS = (4.0, 3.0, 2.0, 1.0)
WATCHED = 12 * 3600
EVERY = 1800


def judge(path: Path) -> tuple[int, int, int]:
    """Return how many times were told, how many limits came before the earliest, and how many not within twelve hours."""
    with Series(path, lambda _: None) as series:
        course = [(time, values["do"]) for time, values in series if "do" in values]
    gap = min(b[0] - a[0] for a, b in itertools.pairwise(course))
    pond, stage = Pond("p", "p", Limits()), OxygenCourse()
    told = early = never = last = 0
    for place, (time, value) in enumerate(course):
        observation = Observation(
            Sample("n", 1, place, time, {"do": value}), pond, time, assessments={"do": Assessment(Flag.GOOD)}
        )
        stage.update(observation)
        rates = [observation.derived.get(name) for name in ("do_rate", "do_rate_low", "do_rate_high")]
        target = next((t for t in TARGETS if t < value), None)
        if target is None or time - last < EVERY or any(r is None for r in rates):
            continue
        found = arrival(time, value, target, *(float(r) for r in rates if r is not None))
        if found is None:
            continue
        last, told = time, told + 1
        later = course[place : place + WATCHED // gap + 1]
        came = next((when for when, then in later if then <= target and when <= time + WATCHED), None)
        never += came is None
        early += came is not None and came < found.earliest - gap / 2
    return told, early, never


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for name in sys.argv[1:]:
        told, early, never = judge(Path(name))
        share = 100 / max(told, 1)
        print(
            f"{Path(name).name}: told {told}; before the earliest {early} ({early * share:.1f} %); not in 12 h {never} ({never * share:.1f} %)"
        )
