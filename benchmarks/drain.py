"""A gateway that was off-line for a month empties its outbox into a real cloud process while live samples go on coming in.

usage: python benchmarks/drain.py [--days 30] [--nodes 100] [--json]

100 nodes at 5 min for 30 days are 864,000 samples of 4 readings. Prints readings/s, bytes a reading on the wire (body and headers), how long a
live sample took to the cloud meanwhile, which alarms went first, and what was lost or doubled, counted in the cloud's own database. On a farm's
uplink bytes are what counts: the last column is the time that they take on 256 kbit/s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.pop(0)  # this file's folder: it has the package's name

import httpx
from tqdm import tqdm

from gateway.config import Cloud
from gateway.outbox import Outbox
from gateway.store.outbound import Outbound
from gateway.store.schema import QUANTITY_NAMES
from gateway.store.store import Changes, SampleRow, Store
from vuong.clock import SystemClock
from vuong.contract.batch import AlarmRow

TOKEN = "benchmark-token-0123456789abcdef"
INTERVAL = 300
ALARMS = 300
# centre, step, low, high in hundredths of the unit
WALKS = {
    "temperature": (2900, 12, 2400, 3300),
    "do": (600, 30, 150, 1200),
    "ph": (810, 4, 750, 890),
    "salinity": (1200, 3, 800, 1600),
}


def node_name(number: int) -> str:
    """Return the EUI-64 of a node."""
    return f"00124b{number:010x}"


class Ponds:
    """Values that wander as a pond's do, of each node for itself."""

    def __init__(self, nodes: int) -> None:
        self._chance = random.Random(7)
        self._values = [{name: walk[0] for name, walk in WALKS.items()} for _ in range(nodes)]

    def row(self, position: int, node: int, seq: int, moment: int) -> SampleRow:
        """Return the next sample of a node as it lies in the database."""
        values = self._values[node]
        columns: list[object] = []
        for name in QUANTITY_NAMES:
            if name in WALKS:
                _, step, low, high = WALKS[name]
                values[name] = min(high, max(low, values[name] + round(self._chance.gauss(0, step))))
                columns += (values[name] / 100, 1)
            else:
                columns += (None, None)
        return (position, node_name(node), 7, seq, moment, moment + 1, 0, None, *columns)


def alarm(number: int, moment: int) -> AlarmRow:
    """Return an alarm of the weeks without internet."""
    return {
        "id": f"alarm-{number}", "revision": 1, "pond": "p0", "node": node_name(0), "kind": "oxygen_low", "quantity": "do",
        "state": "returned", "raised": moment, "cleared": moment + 3600, "acknowledged": None,
        "numbers": {"value": 3.4, "limit": 4.0, "since": moment},
    }  # fmt: skip


def prepare(path: Path, days: int, nodes: int, now: int) -> tuple[Ponds, int]:
    """Fill a gateway's database with all that it could not send; return the ponds and the number of samples."""
    store, ponds = Store(path), Ponds(nodes)
    turns = days * 86_400 // INTERVAL
    begin = now - turns * INTERVAL
    for turn in tqdm(range(turns), desc="a month of samples", file=sys.stderr):
        moment = begin + turn * INTERVAL
        samples = [ponds.row(turn * nodes + node + 1, node, turn + 1, moment + node % 60) for node in range(nodes)]
        alarms = [alarm(turn * ALARMS // turns, moment)] if turn * ALARMS // turns > (turn - 1) * ALARMS // turns else []
        store.commit(Changes(samples=samples, alarms=alarms))
    store.close()
    return ponds, turns * nodes


def start_cloud(folder: Path, nodes: int) -> tuple[subprocess.Popen[bytes], str]:
    """Import a farm and serve it; return the process and its address."""
    lines = ['[[cooperatives]]\nid = "coop"\nname = "Coop"', f'[[gateways]]\nid = "gw"\ncooperative = "coop"\ntoken = "{TOKEN}"']
    for n in range(nodes):
        lines.append(f'[[ponds]]\nid = "p{n}"\ncooperative = "coop"\nname = "Pond {n}"\nspecies = "vannamei"')
        lines.append(f'[[nodes]]\nid = "{node_name(n)}"\npond = "p{n}"')
    farm = folder / "farm.toml"
    farm.write_text("\n".join(lines), encoding="utf-8")
    database = f"sqlite:///{folder / 'cloud.db'}"
    vuong = [sys.executable, "-m", "vuong", "cloud"]
    subprocess.run([*vuong, "import", str(farm), "--database", database], check=True, stdout=subprocess.DEVNULL)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [*vuong, "serve", "--port", str(port), "--database", database]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return process, url
        except httpx.TransportError:
            time.sleep(0.1)
    process.kill()
    raise SystemExit("the cloud did not start")


def arrived_in(database: Path) -> tuple[int, int, int]:
    """Return how many samples the cloud has, how many different ones, and how many alarms."""
    identity = "node_id || '/' || boot || '/' || seq"
    with closing(sqlite3.connect(database)) as connection:
        total, distinct = connection.execute(f"SELECT count(*), count(DISTINCT {identity}) FROM samples").fetchone()
        (alarms,) = connection.execute("SELECT count(*) FROM alarms").fetchone()
    return total, distinct, alarms


async def drain(path: Path, folder: Path, url: str, ponds: Ponds, nodes: int, stored: int) -> dict[str, Any]:  # noqa: PLR0915 - one story, told in order
    """Empty the outbox while live samples come in; return what was seen."""
    token = folder / "token"
    token.write_text(TOKEN, encoding="ascii")
    outbound, store = Outbound(path), Store(path)
    raised = store._connection.execute("SELECT count(*) FROM alarms").fetchone()[0]
    outbox = Outbox("gw", Cloud(url, token), outbound, SystemClock())
    wire, requests, order = 0, 0, list[str]()
    due: dict[int, float] = {}
    waits: list[float] = []
    position = stored
    over = asyncio.Event()
    bar = tqdm(total=stored, desc="drained", unit="sample", file=sys.stderr)

    async def count(request: httpx.Request) -> None:
        nonlocal wire, requests
        requests += 1
        wire += len(request.content) + sum(len(name) + len(value) + 4 for name, value in request.headers.raw) + 40
        key = request.headers["Idempotency-Key"].split("/")
        order.append(key[1])

    async def answered(response: httpx.Response) -> None:
        stream, span = response.request.headers["Idempotency-Key"].split("/")[1:]
        first, last = map(int, span.split("-"))
        if stream == "samples":
            bar.update(last - first + 1)
            waits.extend(time.perf_counter() - due.pop(arrived) for arrived in [p for p in due if first <= p <= last])

    async def live() -> None:
        """One sample a node every five seconds: sixty times as often as in a pond."""
        nonlocal position
        seq = stored // nodes
        while not over.is_set():
            for node in range(nodes):
                position += 1
                seq += node == 0
                row = ponds.row(position, node, seq, int(time.time()))
                due[position] = time.perf_counter()
                await asyncio.to_thread(store.commit, Changes(samples=[row]))
                await asyncio.sleep(5 / nodes)
                if over.is_set():
                    break

    feeding = asyncio.create_task(live())
    began, cpu = time.perf_counter(), time.process_time()
    async with httpx.AsyncClient(timeout=60, event_hooks={"request": [count], "response": [answered]}) as client:
        while outbound.samples.backlog():
            await outbox.drain(client, once=True)
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        over.set()
        await feeding
        await outbox.drain(client)
    bar.close()
    outbound.close()
    store.close()
    readings = position * len(WALKS)
    waits.sort()
    total, distinct, alarms = arrived_in(folder / "cloud.db")
    return {
        "samples": position,
        "readings": readings,
        "seconds": round(seconds, 1),
        "readings_per_second": round(stored * len(WALKS) / seconds),
        "cpu_us_per_reading": round(used / readings * 1e6, 2),
        "bytes_per_reading": round(wire / readings, 2),
        "requests": requests,
        "first_requests": order[:3],
        "alarms": raised,
        "alarms_stored": alarms,
        "live_samples": position - stored,
        "live_p50_s": round(waits[len(waits) // 2], 2) if waits else None,
        "live_p99_s": round(waits[int(len(waits) * 0.99)], 2) if waits else None,
        "lost": position - distinct,
        "doubled": total - distinct,
        "hours_on_256_kbit_s": round(wire * 8 / 256_000 / 3600, 2),
    }


def run(days: int, nodes: int) -> dict[str, Any]:
    """Do it all in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "gateway.db"
        ponds, stored = prepare(path, days, nodes, int(time.time()) - 600)
        size = path.stat().st_size
        cloud, url = start_cloud(folder, nodes)
        try:
            found = asyncio.run(drain(path, folder, url, ponds, nodes, stored))
        finally:
            cloud.terminate()
            cloud.wait()
        return {**found, "database_mb": round(size / 1e6, 1)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args()
    found = run(a.days, a.nodes)
    if a.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:24}{value:>14,}" if isinstance(value, int) else f"{name:24}{value!s:>14}")


if __name__ == "__main__":
    main()
