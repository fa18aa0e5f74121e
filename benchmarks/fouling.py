"""An overgrown oxygen probe in simulated ponds: how soon it is told, and what a true crash and a usual month look like beside it.

usage: python benchmarks/fouling.py [--ponds 6]

Each pond has its own season, weather and chances. Fouling starts half an hour after midnight of the eleventh day; the crash is the one of
`models.pond.scenario`. Printed: hours from the start to the first suspect reading and to the probe's alarm, and false alarms in a usual month.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial

sys.path.pop(0)  # this file's folder: `gateway.py` in it has the package's name

from gateway import detection, quality
from gateway.observation import Observation
from gateway.observation import Pond as KnownPond
from models.pond import Pond, Probes, scenario, shrimp_pond
from vuong.flags import Flag
from vuong.limits import limits_of
from vuong.readings import Sample

NODE, DAY, STEP = "0" * 16, 86400, 900
BEGIN = 1_795_107_600  # midnight in Vietnam
QUANTITIES = ("temperature", "do", "ph", "salinity")
RATES = (12.0, 3.0, 1.0, 0.35)
REASON = "detection.oxygen_balance"


def observations(seed: int, scene: scenario.Scenario, begin: int, days: int) -> list[Observation]:
    """Return what quality control and detection say of a pond's readings."""
    known = KnownPond("p", "p", limits_of("vannamei"))
    stages = [*quality.stages({NODE: known}), *detection.stages({NODE: known})]
    pond, probes, seen = Pond(seed, begin, shrimp_pond(), scene), Probes(QUANTITIES, seed, scene.faults), []
    for time in range(begin, begin + days * DAY, STEP):
        observation = Observation(Sample(NODE, 1, time, time, probes.read(pond.step_to(time), time)), known, time)
        for stage in stages:
            stage.update(observation)
        seen.append(observation)
    return seen


def hours_to(seen: list[Observation], onset: int, flag: Flag) -> float | None:
    """Return the hours until oxygen is flagged as badly as that for the sake of its balance with pH."""
    for observation in seen:
        told = observation.assessments["do"]
        if told.flag >= flag and told.reason is not None and told.reason.key == REASON:
            return float(observation.sample.time - onset) / 3600.0
    return None


def false_alarms(seen: list[Observation]) -> int:
    """Return how many runs of suspect readings there are, all quantities together; an hour without one ends a run."""
    last: dict[str, int] = {}
    count = 0
    for observation in seen:
        for name, told in observation.assessments.items():
            if told.flag in {Flag.SUSPECT, Flag.FAIL}:
                count += observation.sample.time - last.get(name, 0) > 3600
                last[name] = observation.sample.time
    return count


def row(number: int, total: int) -> str:
    """Return the table's row of one pond."""
    seed, begin = number + 1, BEGIN + number * 360 // total * DAY
    onset = begin + 10 * DAY + 1800
    cells = []
    for rate in RATES:
        seen = observations(seed, scenario.fouled_probe(onset, a_day=rate), begin, 15)
        cells.append(
            " / ".join("–" if h is None else f"{h:.1f}" for h in (hours_to(seen, onset, f) for f in (Flag.SUSPECT, Flag.FAIL)))
        )
    crash = observations(seed, scenario.oxygen_crash(onset), begin, 13)
    least = min(o.sample.values["do"] for o in crash[10 * 96 :])
    blamed = "no" if hours_to(crash, onset, Flag.SUSPECT) is None else "yes"
    usual = false_alarms(observations(seed, scenario.USUAL, begin, 30))
    return f"| {seed} | {' | '.join(cells)} | {blamed} ({least:.1f} mg/L) | {usual / len(QUANTITIES):.2f} |"


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ponds", type=int, default=6)
    total = parser.parse_args().ponds
    print(f"| pond | {' | '.join(f'{r:g}/day, h' for r in RATES)} | crash laid on the probe | false alarms/sensor-month |")
    print("|---" * (len(RATES) + 3) + "|")
    with ProcessPoolExecutor(2) as pool:
        for line in pool.map(partial(row, total=total), range(total)):
            print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
