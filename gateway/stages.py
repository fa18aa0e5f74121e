"""The stages of the pipeline, in their order: the one place where a stage is put in."""

from __future__ import annotations

from collections.abc import Mapping

from gateway import detection, quality
from gateway.derived.ammonia import Ammonia
from gateway.derived.daily_change import DailyChange
from gateway.derived.oxygen import OxygenCourse
from gateway.observation import Pond, Stage


def make_stages(nodes: Mapping[str, Pond]) -> list[Stage]:
    """Return fresh stages for a gateway's nodes (node id → pond)."""
    return [
        *quality.stages(nodes),
        *detection.stages(nodes),
        DailyChange(),
        OxygenCourse(),
        Ammonia(),
    ]
