"""The stages of the pipeline, in their order: the one place where a stage is put in."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.derived.ammonia import Ammonia
from gateway.derived.daily_change import DailyChange
from gateway.derived.oxygen import OxygenCourse
from gateway.observation import Pond, Stage
from gateway.physical_range import PhysicalRange


def make_stages(nodes: Mapping[str, Pond]) -> list[Stage]:
    """Return fresh stages for a gateway's nodes (node id → pond)."""
    del nodes
    return [
        PhysicalRange(),
        DailyChange(),
        OxygenCourse(),
        Ammonia(),
    ]
