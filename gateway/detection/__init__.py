"""Online detection: each channel learns from each reading what is usual for it; what is not is flagged and explained."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.detection.oxygen_balance import OxygenBalance
from gateway.detection.slow_change import SlowChange
from gateway.detection.stage import Detection
from gateway.observation import Pond, Stage

__all__ = ["Detection", "OxygenBalance", "SlowChange", "stages"]


def stages(nodes: Mapping[str, Pond]) -> list[Stage]:
    """Return the stages of online detection for a gateway's nodes (node id → pond); they follow those of `gateway.quality`."""
    return [Detection(), OxygenBalance(), SlowChange(nodes)]
