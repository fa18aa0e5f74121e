"""Safe mode: a node that fails to come up several times in a row starts with nothing but its link and the update.

A boot counts as failed until `good` is called: when the gateway has acknowledged something, when a cycle has ended in deep sleep, or after ten
minutes awake.
"""

from firmware import files

FAILED_BOOTS = 4


class BootGuard:
    """The count of boots since the last good one, in a file.

    Attributes
    ----------
    failed : boots in a row before this one that never became good
    """

    def __init__(self, path: str) -> None:
        self._path = path
        count = files.load(path).get("failed", 0)
        self.failed = count if isinstance(count, int) and count >= 0 else 0
        self._write(min(self.failed + 1, 255))

    @property
    def safe_mode(self) -> bool:
        """Return whether this boot must leave probes and samples alone."""
        return self.failed >= FAILED_BOOTS

    def good(self) -> None:
        """Note that this boot works; writes only where there is something to forget."""
        if self.failed >= 0:
            self.failed = -1
            self._write(0)

    def _write(self, count: int) -> None:
        try:
            files.save(self._path, {"failed": count})
        except OSError:
            pass  # a flash that takes nothing must not keep the node from starting
