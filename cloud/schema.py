"""All tables in one place: import this to have the whole schema mapped."""

from cloud.accounts.tables import Attempt, AuditEntry, GatewayToken, Identity, OidcFlow, SignIn, User, UserToken
from cloud.alerts.tables import Alarm, NodeStatus
from cloud.database import Base
from cloud.entries.tables import Entry
from cloud.farms.tables import Cooperative, Crop, Crosswalk, DiaryEntry, Gateway, Node, Pond, Unit
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
    "Attempt",
    "AuditEntry",
    "Cooperative",
    "Crop",
    "Crosswalk",
    "Daily",
    "DiaryEntry",
    "Entry",
    "Gateway",
    "GatewayToken",
    "Hourly",
    "Identity",
    "JobRun",
    "Latest",
    "MirrorParcel",
    "Node",
    "NodeStatus",
    "OidcFlow",
    "Pond",
    "Quarantined",
    "Received",
    "Retained",
    "Revision",
    "Sample",
    "SignIn",
    "StaleHour",
    "Unit",
    "User",
    "UserToken",
    "metadata",
]
