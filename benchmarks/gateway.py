"""Speed and memory of the gateway: node messages of 4 readings from MQTT to commit in one process, acknowledged after the commit.

usage: python benchmarks/gateway.py [--messages 20000] [--nodes 100] [--json]

A real Mosquitto, a publisher process, and one after the other as subscriber: aiomqtt alone, aiomqtt with a bare SQLite insert (neither check
nor acknowledgement), and the gateway, also with 10 and 1,000 nodes. Then ``vuong gateway run`` itself: from its start, and its restart after kill -9
on a database of so many samples, to the first alarm, and its memory. Ratios matter: the machine is shared. CPU time a message does not depend on
what else runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

sys.path.pop(0)  # this file's folder: it has the package's name
sys.path.insert(0, str(Path(__file__).parents[1]))

import aiomqtt

from benchmarks.gateway_start import make_config, start_run
from benchmarks.mqtt_load import BEGIN, message, mosquitto, node_name, publish
from gateway.broker import MOST_WAITING, Broker
from gateway.ingest import Ingest
from gateway.ledger import Ledger
from gateway.observation import Observation
from gateway.pipeline import Pipeline
from gateway.stages import make_stages
from gateway.store.store import Changes, Store, sample_row
from vuong.clock import SystemClock
from vuong.contract import topics
from vuong.contract.decode import decode
from vuong.contract.encode import json_pack

T = TypeVar("T")


# --- the subscribers: each prints one JSON object


def report(count: int, began: float, cpu: float) -> None:
    """Print what a subscriber did."""
    seconds = time.perf_counter() - began
    print(
        json.dumps(
            {
                "messages_per_second": round(count / seconds),
                "cpu_us_per_message": round((time.process_time() - cpu) / count * 1e6, 1),
                "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            }
        )
    )


async def bare(port: int, count: int, database: Path | None) -> None:
    """Subscribe and count; with a database also insert, 500 a transaction."""
    connection = sqlite3.connect(database or ":memory:", isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE m (topic TEXT, payload BLOB)")
    rows: list[tuple[str, object]] = []
    seen, began, cpu = 0, 0.0, 0.0
    async with aiomqtt.Client("127.0.0.1", port, identifier="bench-bare", clean_session=False) as client:
        await client.subscribe(f"{topics.ROOT}/+/data", qos=1)
        print("ready", flush=True)
        async for incoming in client.messages:
            if not seen:
                began, cpu = time.perf_counter(), time.process_time()
            seen += 1
            if database is not None:
                rows.append((incoming.topic.value, incoming.payload))
                if len(rows) == 500 or seen == count:
                    connection.execute("BEGIN")
                    connection.executemany("INSERT INTO m VALUES (?, ?)", rows)
                    connection.execute("COMMIT")
                    rows.clear()
            if seen == count:
                break
    report(count, began, cpu)
    connection.close()


async def whole(port: int, count: int, nodes: int, folder: Path) -> None:
    """Run the gateway until all messages are committed."""
    config = make_config(folder, port, nodes)
    logging.disable(logging.WARNING)
    store = Store(config.database)
    ingest = Ingest(config, store, SystemClock())
    done = asyncio.Event()
    start: list[float] = []

    def committed() -> None:
        if not start:
            start.extend((time.perf_counter(), time.process_time(), ingest.counts["committed"]))
        if ingest.counts["committed"] + ingest.counts["dropped"] >= count:
            done.set()

    task = asyncio.create_task(Broker("bench", config.mqtt, ingest, committed).run())
    await asyncio.sleep(0.5)
    print("ready", flush=True)
    await done.wait()
    if ingest.counts["dropped"]:
        raise SystemExit(f"{ingest.counts['dropped']} messages came faster than the gateway's inbox holds: give fewer --messages")
    report(count - int(start[2]), start[0], start[1])
    await asyncio.sleep(0.2)  # the last acknowledgements
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()


# --- stage by stage


def stages(count: int, nodes: int, folder: Path) -> dict[str, float]:
    """Return µs a message of each step, on messages of 100 nodes that were in memory before."""
    config = make_config(folder, 1, nodes)
    found: dict[str, float] = {}

    def timed(name: str, step: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = step()
        found[name] = round((time.perf_counter() - began) / count * 1e6, 2)
        return result

    pairs = [(node_name(i % nodes), message(node_name(i % nodes), i // nodes + 1)) for i in range(count)]
    now = BEGIN + count * 300
    samples = timed("decode", lambda: [decode(p, form="json", node=n, now=now).samples[0] for n, p in pairs])
    ledger = Ledger()
    timed("de-duplicate", lambda: [ledger.take(s, s.time) for s in samples])
    observations = [Observation(s, config.nodes[s.node], s.time) for s in samples]
    pipeline = Pipeline("bench", config.nodes, make_stages(config.nodes))
    for stage in pipeline.stages:
        timed(f"stage {type(stage).__name__}", lambda stage=stage: [stage.update(o) for o in observations])  # type: ignore[misc]
    timed("alarms", lambda: [pipeline.alarms.update(o) for o in observations])
    rows = timed("row", lambda: [sample_row(i, o) for i, o in enumerate(observations, 1)])
    store = Store(folder / "stages.db")

    def commit() -> None:
        for at in range(0, count, 100):
            store.commit(Changes(samples=rows[at : at + 100], ledger=[entry.row(key) for key, entry in ledger.touched.items()]))

    timed("commit, 100 messages each", commit)
    store.close()
    found["sum"] = round(sum(found.values()), 2)
    return found


# --- latency


async def latency(port: int, rate: int, seconds: int, nodes: int) -> dict[str, float]:
    """Return percentiles of publish → acknowledgement in ms; an alarm is in the commit that the acknowledgement tells of."""
    sent: dict[tuple[str, int], float] = {}
    times: list[float] = []
    low = {"temperature": 2900, "do": 250, "ph": 810, "salinity": 1200}
    async with aiomqtt.Client("127.0.0.1", port, max_inflight_messages=1000) as client:
        await client.subscribe(f"{topics.ROOT}/+/ack")
        client.pending_calls_threshold = 10_000

        async def read() -> None:
            async for incoming in client.messages:
                now = time.perf_counter()
                node, _ = topics.parse(incoming.topic.value) or ("", "")
                seq = json.loads(incoming.payload)["seq"]  # type: ignore[arg-type]
                while (node, seq) in sent:
                    times.append(now - sent.pop((node, seq)))
                    seq -= 1

        reader = asyncio.create_task(read())
        began = time.perf_counter()
        for i in range(rate * seconds):
            node, seq = node_name(i % nodes), 1_000_000 + i // nodes
            payload = bytes(
                json_pack(node, [(8, seq, int(time.time()), low if i // nodes % 2 else {**low, "do": 600})], {8: 1_000_000})
            )
            sent[node, seq] = time.perf_counter()
            await client.publish(topics.topic(node, topics.DATA), payload, qos=0)
            ahead = began + i / rate - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
        await asyncio.sleep(1)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
    times.sort()
    return {
        "messages_per_second": rate,
        "unanswered": len(sent),
        "p50_ms": round(times[len(times) // 2] * 1e3, 1),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1e3, 1),
        "max_ms": round(times[-1] * 1e3, 1),
    }


# --- the whole run


def child(role: str, port: int, count: int, nodes: int, folder: Path) -> subprocess.Popen[str]:
    """Start this file in a role of its own."""
    command = [
        sys.executable,
        __file__,
        "--role",
        role,
        "--port",
        str(port),
        "--messages",
        str(count),
        "--nodes",
        str(nodes),
        "--dir",
        str(folder),
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def subscribe_run(role: str, count: int, nodes: int) -> dict[str, float]:
    """Return what one subscriber did with all messages."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
        subscriber = child(role, port, count, nodes, Path(name))
        assert subscriber.stdout is not None
        if subscriber.stdout.readline().strip() != "ready":
            raise SystemExit(f"{role} did not start")
        publisher = child("publish", port, count, nodes, Path(name))
        try:
            result = json.loads(subscriber.communicate(timeout=180)[0])
        finally:
            publisher.kill()
            publisher.wait()
            subscriber.kill()
            subscriber.wait()
        return dict(result)


def latency_run(nodes: int) -> dict[str, float]:
    """Return the latency of a gateway of its own."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
        gateway = child("gateway", port, 10**9, nodes, Path(name))
        assert gateway.stdout is not None
        gateway.stdout.readline()
        try:
            return asyncio.run(latency(port, 1000, 10, nodes))
        finally:
            gateway.kill()
            gateway.communicate()


def main() -> None:
    """Run all and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=MOST_WAITING)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--stored", type=int, default=300_000, help="samples in the database of the restart (default 300,000)")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--role", choices=("publish", "bare", "sqlite", "gateway"), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--dir", type=Path, help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.role == "publish":
        publish(a.port, a.messages, a.nodes)
    elif a.role == "gateway":
        asyncio.run(whole(a.port, a.messages, a.nodes, a.dir))
    elif a.role:
        asyncio.run(bare(a.port, a.messages, a.dir / "bare.db" if a.role == "sqlite" else None))
    else:
        results: dict[str, Any] = {role: subscribe_run(role, a.messages, a.nodes) for role in ("bare", "sqlite", "gateway")}
        with tempfile.TemporaryDirectory() as name:
            results["stages_us"] = stages(min(a.messages, 10_000), a.nodes, Path(name))
        results["latency"] = latency_run(a.nodes)
        results["growth"] = {str(n): subscribe_run("gateway", a.messages, n) for n in (10, 1000)} | {
            str(a.nodes): results["gateway"]
        }
        results["start"] = start_run(a.nodes, a.stored)
        show(results, a.nodes, as_json=a.json)


def show(results: dict[str, Any], nodes: int, *, as_json: bool) -> None:
    """Print the table."""
    if as_json:
        print(json.dumps(results))
        return
    names = {"bare": "aiomqtt alone", "sqlite": "aiomqtt, bare SQLite insert", "gateway": "gateway: all checks, commit, ack"}
    base = results["bare"]["messages_per_second"]
    print(f"{'':36}{'messages/s':>12}{'ratio':>8}{'CPU µs/message':>16}{'resident MB':>13}")
    for role, name in names.items():
        r = results[role]
        ratio = r["messages_per_second"] / base
        print(f"{name:36}{r['messages_per_second']:>12,}{ratio:>8.2f}{r['cpu_us_per_message']:>16}{r['resident_mb']:>13}")
    print(f"\nstage by stage, µs a message of 4 readings ({nodes} nodes)")
    for name, value in results["stages_us"].items():
        print(f"  {name:34}{value:>8}")
    print("\npublish → alarm committed and acknowledged:", ", ".join(f"{k} {v:,}" for k, v in results["latency"].items()))
    print(f"\n{'growth with nodes':36}{'messages/s':>12}{'CPU µs/message':>16}{'resident MB':>13}")
    for count, r in sorted(results["growth"].items(), key=lambda item: int(item[0])):
        print(f"{count:36}{r['messages_per_second']:>12,}{r['cpu_us_per_message']:>16}{r['resident_mb']:>13}")
    print(f"\n{f'vuong gateway run, {nodes} nodes':36}{'first alarm, s':>16}{'resident MB':>13}")
    for name, r in results["start"].items():
        print(f"{name:36}{r['first_alarm_s']:>16}{r['resident_mb']:>13}")


if __name__ == "__main__":
    main()
