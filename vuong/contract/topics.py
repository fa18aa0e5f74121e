"""MQTT topics between node and gateway; both interpreters run this module."""

ROOT = "vuong/v1/nodes"

DATA = "data"  # node → gateway, QoS 1: SenML JSON, the live sample
BACKLOG = "backlog"  # node → gateway, QoS 1: SenML CBOR, stored samples
ACK = "ack"  # gateway → node: JSON {"boot", "seq", "time"}: all of that boot up to seq is committed; time is the gateway's clock
STATUS = "status"  # node, retained, last will: JSON {"state", "boot", "firmware", "battery", "rssi", "heap", "reset"}
CONFIG = "config"  # gateway → node, retained: JSON, versioned
COMMAND = "command"  # gateway → node
REPLY = "reply"  # node → gateway


def topic(node: str, channel: str) -> str:
    """Return the topic of one node's channel."""
    return ROOT + "/" + node + "/" + channel


def parse(name: str) -> "tuple[str, str] | None":
    """Return ``(node, channel)`` of a topic, or ``None`` where it is none of ours."""
    parts = name.split("/")
    if len(parts) != 5 or "/".join(parts[:3]) != ROOT or not parts[3]:
        return None
    return parts[3], parts[4]
