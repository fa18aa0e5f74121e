"""Streaming quality control: the tests of IOOS QARTOD, one a file, and the stage that runs them.

Source: IOOS QARTOD manuals for dissolved oxygen (2018), temperature and salinity (2020), and pH (2019); flags 1, 2, 3, 4, 9.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.observation import Pond, Stage
from gateway.quality.stage import QualityControl

__all__ = ["QualityControl", "stages"]


def stages(nodes: Mapping[str, Pond]) -> list[Stage]:
    """Return the stages of quality control for a gateway's nodes (node id → pond), in their order."""
    return [QualityControl(nodes)]
