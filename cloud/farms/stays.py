"""A node's stays: one row of `nodes` for as long as it stands at one pond, so that what it measured there stays that pond's.

Samples, hours, days and last values carry a row's id. A node that is moved gets a new row; the old one ends (`until`) and keeps its readings,
in its own co-op too where the new pond is another's.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from cloud.farms.tables import Node, Pond
from cloud.tenancy import ScopedSession

_GOES_ALONG: Final = ("probes", "firmware", "certificate", "installed", "revoked", "revoked_by", "revoked_reason")


def find(session: ScopedSession, eui: str) -> Node | None:
    """Return a node where it stands now, ``None`` where it is not there or not theirs to see."""
    return session.scalar(select(Node).where(Node.eui == eui, Node.until.is_(None)))


def place(session: ScopedSession, eui: str, pond: Pond, now: float) -> Node:
    """Put a node at a pond from `now` (UTC seconds) on and return its row, not yet flushed; where it stands there already, nothing changes."""
    before = find(session, eui)
    if before is not None and before.pond_id == pond.id:
        return before
    node = Node(eui=eui, pond_id=pond.id, cooperative_id=pond.cooperative_id, probes=[])
    if before is not None:
        before.until = node.since = max(int(now), before.since or 0)
        session.flush()  # only one row of a node may be without an end
        for name in _GOES_ALONG:
            setattr(node, name, getattr(before, name))
        node.gateway = before.gateway if before.cooperative_id == pond.cooperative_id else None
    session.add(node)
    return node


@dataclass(frozen=True, slots=True)
class Stays:
    """The nodes of a co-op.

    Attributes
    ----------
    newest : EUI-64 → id of its newest row
    moved : that id → when each of the node's rows began, and their ids, in order; only of nodes that have several
    """

    newest: dict[str, int]
    moved: dict[int, tuple[list[int], list[int]]]

    @classmethod
    def of(cls, connection: Connection, cooperative: str) -> Stays:
        """Return those of one co-op, nodes too that it gave away."""
        began = func.coalesce(Node.since, 0)
        mine = select(Node.eui, Node.id, began).where(Node.cooperative_id == cooperative).order_by(began, Node.id)
        newest: dict[str, int] = {}
        rows: dict[str, tuple[list[int], list[int]]] = {}
        for eui, node, since in connection.execute(mine):
            newest[eui] = node
            starts, ids = rows.setdefault(eui, ([], []))
            starts.append(since)
            ids.append(node)
        return cls(newest, {newest[eui]: found for eui, found in rows.items() if len(found[1]) > 1})

    def at(self, nodes: Sequence[int], times: Sequence[int]) -> Sequence[int]:
        """Return of each reading the row that held at its time, given the newest row; what was measured before the first is the first's."""
        if self.moved.keys().isdisjoint(nodes):
            return nodes
        return [self._row(node, time) if node in self.moved else node for node, time in zip(nodes, times, strict=True)]

    def _row(self, node: int, time: int) -> int:
        starts, ids = self.moved[node]
        return ids[max(bisect_right(starts, time) - 1, 0)]
