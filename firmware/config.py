"""What a node is told before it starts."""


class NodeConfig:
    """What a node is told before it starts.

    Attributes
    ----------
    node : EUI-64, 16 lower-case hex digits
    interval, status_interval : seconds of the node's clock between samples and between status messages
    pack_samples, pack_bytes : most samples and most bytes of one backlog message
    window : most samples sent beyond the last acknowledgement
    pace : real seconds between backlog messages
    awake_for : real seconds that a cycle between deep sleeps lasts at least, so that commands reach the node
    resend, longest_resend : real seconds without news from the gateway after which all is sent again, and to which that wait doubles
    """

    def __init__(
        self,
        node: str,
        *,
        interval: int = 900,
        status_interval: int = 3600,
        pack_samples: int = 8,
        pack_bytes: int = 1024,
        window: int = 256,
        pace: float = 0.5,
        resend: float = 30.0,
        longest_resend: float = 1800.0,
        awake_for: float = 0.0,
    ) -> None:
        if len(node) != 16 or not all(c in "0123456789abcdef" for c in node):
            raise ValueError(f"node {node!r} is not an EUI-64; give 16 lower-case hex digits")
        if interval < 1 or pack_samples < 1 or window < pack_samples:
            raise ValueError(
                f"interval {interval}, pack_samples {pack_samples}, window {window}: "
                "each must be at least 1 and the window at least a pack"
            )
        self.node, self.interval, self.status_interval = node, interval, status_interval
        self.pack_samples, self.pack_bytes, self.window = pack_samples, pack_bytes, window
        self.pace, self.resend, self.longest_resend, self.awake_for = pace, resend, longest_resend, awake_for
