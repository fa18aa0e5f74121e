"""An acknowledgement may be made at the gateway, in the app or in the cloud; the earliest wins, in whatever order they meet.

Gateway and cloud merge by this one rule. It is the minimum of a total order, so merging is idempotent, commutative and associative: any number of
copies, by any way, in any order, end in the same acknowledgement everywhere.

An alarm that has grown worse since somebody acknowledged it calls again (ISA-18.2: a new annunciation needs a new acknowledgement). It says so by
``numbers["annunciated"]``, the revision at which it last called: an acknowledgement of an earlier revision does not silence it. Revisions, not times,
because clocks of phones, gateways and the cloud differ.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

WHERE: Final = ("gateway", "app", "cloud", "node")  # a node tells of calibrations only


class Acknowledgement(NamedTuple):
    """Who took note of an alarm, when and where; tuples compare in this order, so that two made in one second have one winner everywhere.

    Attributes
    ----------
    at : UTC seconds
    where : one of `WHERE`
    by : id or name of the person
    revision : revision of the alarm that the person saw
    """

    at: int
    where: str
    by: str
    revision: int


def earliest(*acknowledgements: Acknowledgement | None) -> Acknowledgement | None:
    """Return the acknowledgement that wins; ``None`` where there is none.

    Examples
    --------
    >>> app, cloud = Acknowledgement(120, "app", "sau", 1), Acknowledgement(90, "cloud", "tu", 1)
    >>> earliest(app, None, cloud).by
    'tu'
    """
    return min((a for a in acknowledgements if a is not None), default=None)


def standing(acknowledgements: Iterable[Acknowledgement], annunciated: int) -> Acknowledgement | None:
    """Return the earliest acknowledgement of what an alarm has said since revision `annunciated`."""
    return earliest(*(a for a in acknowledgements if a.revision >= annunciated))
