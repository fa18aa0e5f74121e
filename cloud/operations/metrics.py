"""Prometheus metrics of one process; what lies in the store is asked for when they are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from cloud.operations.tables import JobRun
from cloud.telemetry.mirror import waiting
from cloud.telemetry.tables import Quarantined, StaleHour

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _Store(Collector):
    """What waits in the store."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("vuong_store_up", "1 while the database answers")
        try:
            with self._engine.connect() as connection:
                stale = connection.scalar(select(func.count()).select_from(StaleHour.__table__))
                parcels, _ = waiting(connection)
                bad = connection.scalar(select(func.count()).select_from(Quarantined.__table__))
                runs = connection.execute(select(JobRun.name, JobRun.well)).all()
        except SQLAlchemyError:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield GaugeMetricFamily("vuong_stale_hours", "hours to be rolled up anew", value=stale or 0)
        yield GaugeMetricFamily("vuong_mirror_parcels", "parcels that wait for the mirror", value=parcels)
        yield GaugeMetricFamily("vuong_quarantined_records", "records that could not be taken", value=bad or 0)
        jobs = GaugeMetricFamily("vuong_job_success_time_seconds", "when a job last went well", labels=["job"])
        for name, well in runs:
            if well is not None:
                jobs.add_metric([name], well)
        yield jobs


class Metrics:
    """The metrics of one application."""

    def __init__(self, engine: Engine) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(_Store(engine))
        self._requests = Counter(
            "vuong_requests", "requests by route and status", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "vuong_request_seconds",
            "how long requests took",
            ["route"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1, 3, 10),
            registry=self._registry,
        )

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the pattern, not the path, so that there are few of them."""
        self._requests.labels(method if method in _METHODS else "other", route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format."""
        return generate_latest(self._registry)
