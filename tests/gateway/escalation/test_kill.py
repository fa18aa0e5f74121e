"""kill -9 at random moments of a climb: every step of every person is delivered, and no more often than once more a kill."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.gateway.escalation import climber
from tests.gateway.escalation.climber import CONTACTS, STEPS

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench
    from tests.gateway.escalation.conftest import Web

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_no_step_is_lost_and_none_repeated_beyond_one_a_kill(
    bench: Bench, make_pack: Callable[..., bytes], web: Web, tmp_path: Path
) -> None:
    now = int(time.time())
    bench.clock.set(now)
    bench.send(make_pack(1, at=now, do=2.5))
    hook = tmp_path / "hook"
    hook.write_text(f"http://127.0.0.1:{web.port}/\n", encoding="utf-8")
    command = [sys.executable, str(Path(climber.__file__)), str(bench.path), str(hook)]
    chance, kills = random.Random(7), 0

    def finished() -> bool:
        rows = bench.rows("SELECT state, count(*) FROM deliveries GROUP BY state")
        return rows == [("sent", STEPS * len(CONTACTS))]

    deadline = time.monotonic() + 120
    while not finished():
        assert time.monotonic() < deadline, bench.rows("SELECT * FROM deliveries")
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0.05, 1.2))
            process.kill()
            process.wait()
        kills += 1
    people = Counter(document["contact"] for _, _, document in web.posts)
    assert set(people) == set(CONTACTS)
    # Steps that fall due together are one message, so what must not be lost is what the register says was sent.
    assert kills >= 2
    assert max(people.values()) <= STEPS + kills
