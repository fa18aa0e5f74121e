"""An export of years out of a real ``vuong cloud serve``: what it holds in memory is a piece of it, however long the range; both stores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from pyarrow import parquet
from sqlalchemy import text

from cloud.database import connect
from cloud.telemetry.partitions import ensure, month_of
from tests.cloud.batches import NOW, PASSWORD
from tests.cloud.operations.processes import Server, serving
from vuong.quantities import QUANTITIES

pytestmark = pytest.mark.slow

STEPS, STEP = 200_000, 300  # moments, 2.8 million points; seconds between them: almost two years
ROWS = 2 * STEPS
MOST = 90  # MB; 64 of them are the page cache of one more connection to SQLite (`cloud.database`)


def fill(url: str) -> None:
    """Store the samples of two nodes of one pond by the database itself."""
    engine = connect(url)
    first = NOW - STEPS * STEP
    names = ", ".join([*(f'"{name}"' for name in QUANTITIES), *(f"{name}_flag" for name in QUANTITIES)])
    values = ", ".join([*(f"{n} + step / 7.0" for n in range(len(QUANTITIES))), *(["1"] * len(QUANTITIES))])
    with engine.begin() as connection:
        ensure(connection, range(month_of(first), NOW, 86_400))
        connection.execute(text("UPDATE nodes SET pond_id = 'ao-a1' WHERE eui = '00000000000000a2'"))
        connection.execute(
            text(
                f"WITH RECURSIVE moments(step) AS (SELECT 1 UNION ALL SELECT step + 1 FROM moments WHERE step < {STEPS}) "
                f"INSERT INTO samples (node_id, time, boot, seq, arrived, {names}) "
                f"SELECT id, {first} + step * {STEP}, 1, step, {first} + step * {STEP} + 2, {values} "
                "FROM nodes CROSS JOIN moments WHERE pond_id = 'ao-a1' ORDER BY id, step"
            )
        )
    engine.dispose()


def resident(server: Server, what: str) -> float:
    """Return what the server holds in memory (``VmRSS``), or held at most (``VmHWM``), in MB."""
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(what)).split()[1]) / 1e3


def test_the_servers_memory_stays_bounded(store: Callable[[str], AbstractContextManager[str]], tmp_path: Path) -> None:
    with store("farm") as url:
        fill(url)
        with serving(url) as server, httpx.Client(base_url=server.address, timeout=60) as client:
            body = {"login": "sau", "password": PASSWORD, "name": "test"}
            held = {"Authorization": f"Bearer {client.post('/api/v1/devices', json=body).json()['token']}"}
            path = "/api/v1/ponds/ao-a1/export"
            for kind in ("csv", "parquet"):  # what it loads the first time is no part of an export
                short = {"start": NOW - 86_400 * 30, "end": NOW, "format": kind}
                assert client.get(path, params=short, headers=held).status_code == 200
            for kind in ("csv", "parquet"):
                before = resident(server, "VmRSS")
                file, span = tmp_path / f"all.{kind}", {"start": 0, "end": NOW + 1, "format": kind}
                with client.stream("GET", path, params=span, headers=held) as reply, file.open("wb") as out:
                    assert reply.status_code == 200
                    for block in reply.iter_bytes():
                        out.write(block)
                grown = resident(server, "VmHWM") - before
                points = ROWS * len(QUANTITIES)
                print(  # noqa: T201 - the figure that docs/operations.md names
                    f"{kind}: {points} points, {file.stat().st_size / 1e6:.0f} MB, resident +{grown:.0f} MB on {before:.0f} MB"
                )
                assert grown < MOST, kind
            with (tmp_path / "all.csv").open("rb") as lines:
                assert sum(1 for _ in lines) == ROWS + 1
            assert parquet.read_metadata(tmp_path / "all.parquet").num_rows == ROWS
