"""Probes that hang in the air: the water's salts are gone from one reading to the next while other probes jump."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.detection.node import Node
from gateway.detection.settings import SALTS

DRY: Final = 0.1  # share of its trusted level below which a conductivity cell is in the air: it measures a film of water at most


def out_of_water(node: Node, values: Mapping[str, float]) -> bool:
    """Return whether the node's probes are in the air.

    True where conductivity or salinity has fallen below `DRY` of the level that was trusted before, as one jump, and another quantity moved strangely
    within the same jump or is still off its level. A pond's salinity cannot fall so far between two samples; a dead cell leaves the others calm.
    """
    for quantity in SALTS:
        channel, value = node.channels.get(quantity), values.get(quantity)
        if channel is None or value is None or channel.time != node.time or not channel.bad:
            continue
        trusted = channel.value - channel.offset
        if trusted > 0.0 and value < DRY * trusted:
            return any(
                other.bad or other.step > other.usual.levels[0] > 0.0
                for name, other in node.channels.items()
                if name not in SALTS and other.time == node.time
            )
    return False
