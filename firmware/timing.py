"""When a stored sample was taken, as well as the node can tell, and whose clock is believed."""

from firmware.clock import EARLIEST

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from firmware.boundaries import Clock
    from firmware.queue import FlashQueue

# s: a clock this far from the gateway's is left alone; up to a minute it is moved by at most as much at each acknowledgement, so that samples keep
# their order; beyond that it was never right, and is set at once.
_FEW, _WRONG = 5, 60


def take_over(clock: "Clock", told: int) -> None:
    """Bring the clock to the gateway's `told`, UTC seconds; a gateway that says a date before this firmware's does not know the time itself."""
    if told < EARLIEST:
        return
    now = clock.now()
    if now is None:
        clock.set(told)
        return
    off = told - now
    if abs(off) > _WRONG:
        clock.set(told)
    elif abs(off) > _FEW:
        clock.set(now + (_FEW if off > 0 else -_FEW))


def sent_time(queue: "FlashQueue", clock: "Clock", present: int, boot: int, uptime: int, time: "int | None") -> int:
    """Return the time of a sample as it is sent: UTC, or seconds ≤ 0 from now where that is all that is known.

    What its own clock said counts unless that clock turned out to be wrong later in the same boot: then its uptime does. A boot whose clock was
    never known is taken to have ended when the next one began: its samples are at least that old.

    Parameters
    ----------
    present : boot that runs now
    boot, uptime, time : of the sample; `time` is 0 or ``None`` where the clock was not known
    """
    now = clock.now()
    known = now - clock.uptime() if boot == present and now is not None else queue.start(boot)
    if time and (known is None or abs(known + uptime - time) <= _WRONG):
        return time
    back = 0
    while True:
        start = known if known is not None else queue.start(boot)
        if start is not None:
            return start + uptime - back
        if boot == present:
            now, here = clock.now(), clock.uptime()
            return (now if now is not None else 0) + min(0, uptime - here) - back
        back += queue.end(boot) - uptime
        boots = queue.boots()
        i = boots.index(boot) if boot in boots else len(boots)
        boot, uptime = boots[i + 1] if i + 1 < len(boots) else present, 0
