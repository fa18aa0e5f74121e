"""Online detection: each channel learns from each reading what is usual for it; what is not is flagged and explained."""

from __future__ import annotations

from gateway.detection.stage import Detection
from gateway.observation import Stage

__all__ = ["Detection", "stages"]


def stages() -> list[Stage]:
    """Return the stages of online detection, in their order; they follow those of `gateway.quality`."""
    return [Detection()]
