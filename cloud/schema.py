"""All tables in one place: import this to have the whole schema mapped."""

from cloud.accounts.tables import GatewayToken, SignIn, User
from cloud.alerts.tables import Alarm, NodeStatus
from cloud.database import Base
from cloud.entries.tables import Entry
from cloud.farms.tables import Cooperative, Gateway, Node, Pond
from cloud.operations.tables import JobRun
from cloud.telemetry.tables import (
    Daily,
    Hourly,
    Latest,
    MirrorParcel,
    Quarantined,
    Received,
    Retained,
    Revision,
    Sample,
    StaleHour,
)

metadata = Base.metadata

__all__ = [
    "Alarm",
    "Cooperative",
    "Daily",
    "Entry",
    "Gateway",
    "GatewayToken",
    "Hourly",
    "JobRun",
    "Latest",
    "MirrorParcel",
    "Node",
    "NodeStatus",
    "Pond",
    "Quarantined",
    "Received",
    "Retained",
    "Revision",
    "Sample",
    "SignIn",
    "StaleHour",
    "User",
    "metadata",
]
