"""When a stored sample was taken, as well as the node can tell."""

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Clock
    from firmware.queue import FlashQueue


def sent_time(queue: "FlashQueue", clock: "Clock", present: int, boot: int, uptime: int, time: "int | None") -> int:
    """Return the time of a sample as it is sent: UTC, or seconds ≤ 0 from now where that is all that is known.

    A boot whose clock was never known is taken to have ended when the next one began: its samples are at least that old.

    Parameters
    ----------
    present : boot that runs now
    boot, uptime, time : of the sample; `time` is 0 or ``None`` where the clock was not known
    """
    if time:
        return time
    back = 0
    while True:
        start = queue.start(boot)
        if start is not None:
            return start + uptime - back
        if boot == present:
            now, here = clock.now(), clock.uptime()
            return (now if now is not None else 0) + min(0, uptime - here) - back
        back += queue.end(boot) - uptime
        boots = queue.boots()
        i = boots.index(boot) if boot in boots else len(boots)
        boot, uptime = boots[i + 1] if i + 1 < len(boots) else present, 0
