"""All tables in one place: import this to have the whole schema mapped."""

from cloud.accounts.tables import GatewayToken, SignIn, User
from cloud.alerts.tables import Alarm, NodeStatus
from cloud.database import Base
from cloud.farms.tables import Cooperative, Gateway, Node, Pond
from cloud.telemetry.tables import Latest, Quarantined, Sample

metadata = Base.metadata

__all__ = [
    "Alarm",
    "Cooperative",
    "Gateway",
    "GatewayToken",
    "Latest",
    "Node",
    "NodeStatus",
    "Pond",
    "Quarantined",
    "Sample",
    "SignIn",
    "User",
    "metadata",
]
