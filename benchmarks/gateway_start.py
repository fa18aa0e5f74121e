"""From the start of ``vuong gateway run`` to its first alarm: on nothing, and again on a database of many samples after kill -9."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from benchmarks.mqtt_load import connect, free_port, message, mosquitto, node_name, publish_packet
from gateway.config import Config, Mqtt
from gateway.ingest import SNAPSHOT_SAMPLES, Ingest
from gateway.observation import Assessment, Observation, Pond
from gateway.store.store import Changes, Store, sample_row
from vuong.clock import SystemClock
from vuong.contract import topics
from vuong.contract.decode import decode
from vuong.contract.encode import json_pack
from vuong.flags import Flag
from vuong.limits import Limits


def make_config(folder: Path, port: int, nodes: int) -> Config:
    """Return a gateway with a pond a node."""
    ponds = {f"p{n}": Pond(f"p{n}", f"p{n}", Limits()) for n in range(nodes)}
    return Config(
        "bench",
        "bench",
        folder / "gateway.db",
        Mqtt(port=port),
        None,
        ponds,
        {node_name(n): ponds[f"p{n}"] for n in range(nodes)},
    )


def first_alarm(folder: Path, port: int, nodes: int) -> dict[str, float]:
    """Return seconds from the start of ``vuong gateway run`` to its first alarm, and its resident memory in MB after a minute's samples."""
    config = folder / "gateway.toml"
    blocks = [f'[gateway]\nid = "bench"\ndatabase = "gateway.db"\n[mqtt]\nport = {port}\n[lan]\nport = {free_port()}']
    blocks += [f'[[ponds]]\nid = "p{n}"\n[[nodes]]\nid = "{node_name(n)}"\npond = "p{n}"' for n in range(nodes)]
    config.write_text("\n".join(blocks), encoding="utf-8")
    log = (folder / "log").open("ab")
    before = alarms(folder)
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "vuong", "gateway", "run", "--config", str(config)], stderr=log)
    try:
        link = connect(port, "bench-pond")
        mid, boot = 0, int(began * 1000) % 2**32
        while alarms(folder) == before:
            mid += 1
            pack = json_pack(node_name(mid % nodes), [(boot, mid, int(time.time()), {"do": 150})], {boot: mid})
            link.sendall(publish_packet(topics.topic(node_name(mid % nodes), topics.DATA), bytes(pack), mid))
            time.sleep(0.05)
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise SystemExit(f"no alarm; see {folder / 'log'}: {(folder / 'log').read_text()[-2000:]}")
        seconds = time.perf_counter() - began
        for seq in range(1, 13):
            for n in range(nodes):
                pack = json_pack(
                    node_name(n),
                    [(9, seq, int(time.time()), {"do": 600, "ph": 810, "temperature": 2900, "salinity": 1200})],
                    {9: 1},
                )
                link.sendall(publish_packet(topics.topic(node_name(n), topics.DATA), bytes(pack), (mid := mid % 65000 + 1)))
        time.sleep(2)
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        memory = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024
        return {"first_alarm_s": round(seconds, 2), "resident_mb": round(memory, 1)}
    finally:
        process.kill()
        process.wait()
        log.close()


def alarms(folder: Path) -> int:
    """Return how many alarms are stored."""
    try:
        with closing(sqlite3.connect(f"file:{folder / 'gateway.db'}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM alarms").fetchone()[0])
    except sqlite3.OperationalError:
        return 0  # it is not there yet


def fill(folder: Path, nodes: int, stored: int) -> None:
    """Store so many samples, of which half the usual number came after the models' last snapshot."""
    store = Store(folder / "gateway.db")
    begin, pond, now = store.next_position(), Pond("p", "p", Limits()), int(time.time()) - stored // nodes * 300
    after = stored - SNAPSHOT_SAMPLES // 2
    for at in [*range(0, after, 2000), *range(after, stored, 2000)]:
        if at == after:
            store.close()
            store = Store(folder / "gateway.db")
            Ingest(make_config(folder, 1, nodes), store, SystemClock()).commit(snapshot=True)
        rows = []
        for i in range(at, min(stored if at >= after else after, at + 2000)):
            node = node_name(i % nodes)
            sample = decode(message(node, i // nodes + 1), form="json", node=node, now=now).samples[0]
            sample.time, sample.boot = now + i // nodes * 300, 5
            rows.append(
                sample_row(
                    begin + i,
                    Observation(sample, pond, sample.time, assessments=dict.fromkeys(sample.values, Assessment(Flag.GOOD))),
                )
            )
        store.commit(Changes(samples=rows))
    store.close()


def start_run(nodes: int, stored: int) -> dict[str, dict[str, float]]:
    """Start on nothing, then fill the database, then start again."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
        folder = Path(name)
        fresh = first_alarm(folder, port, nodes)
        fill(folder, nodes, stored)
        return {"start on nothing": fresh, f"restart on {stored:,} samples": first_alarm(folder, port, nodes)}
