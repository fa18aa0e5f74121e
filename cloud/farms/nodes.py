"""Registering nodes and taking them out of service."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from cloud.accounts.access import Work
from cloud.farms.ponds import FieldError
from cloud.farms.stays import find, place
from cloud.farms.tables import Gateway, Node, Pond
from cloud.tenancy import ScopedSession
from vuong.contract.registration import NodeRecord, NodeRegistration, node_fault, reason_fault, registration_fault

_FACTS: Final = ("gateway", "probes", "firmware", "certificate", "installed")


def told(node: Node) -> NodeRecord:
    """Return a node as it is told."""
    return {
        "node": node.eui,
        "pond": node.pond_id,
        "cooperative": node.cooperative_id,
        "gateway": node.gateway,
        "probes": node.probes or [],
        "firmware": node.firmware,
        "certificate": node.certificate,
        "installed": node.installed,
        "revoked": node.revoked,
        "revoked_by": node.revoked_by,
        "revoked_reason": node.revoked_reason,
    }


def everything(session: ScopedSession) -> list[Node]:
    """Return the nodes of a scope, those out of service too, by EUI-64."""
    return list(session.scalars(select(Node).where(Node.until.is_(None)).order_by(Node.eui)))


def register(work: Work, eui: str, given: NodeRegistration) -> tuple[Node, bool]:
    """Say where a node stands and what it is; any number of times with one effect. A node out of service is in service again.

    What a node that is moved measured until now stays the old pond's (`cloud.farms.stays`).

    Parameters
    ----------
    work : in the technician's scope
    eui : the node's EUI-64
    given : what is known; a field that is left out stays as it is

    Returns
    -------
    tuple
        the node, and whether it was not known here before

    Raises
    ------
    FieldError
        naming the field that cannot be used
    """
    fault = node_fault(eui) or registration_fault(given, work.now)
    if fault is not None:
        raise FieldError(fault)
    session = work.session
    pond = session.scalar(select(Pond).where(Pond.id == given["pond"]))
    if pond is None:
        raise FieldError(f"pond is {given['pond']!r:.60}, which is none of yours; send the id of one")
    gateway = given.get("gateway")
    if gateway is not None and not _has_gateway(session, gateway, pond.cooperative_id):
        raise FieldError(f"gateway is {gateway!r:.60}, which is none of this pond's co-op; send the id of one, or null")
    known = find(session, eui)
    new, before = known is None, None if known is None else told(known)
    node = place(session, eui, pond, work.now)
    for name in _FACTS:
        if name in given:
            setattr(node, name, given[name])
    node.revoked = node.revoked_by = node.revoked_reason = None
    try:
        session.flush()
    except IntegrityError:
        session.rollback()
        raise FieldError(f"node is {eui!r}, which belongs to another co-op; ask them to give it up") from None
    if told(node) != before:
        facts = {name: value for name, value in told(node).items() if name in _FACTS}
        work.done("node.registered", f"node:{eui}", pond.cooperative_id, pond=pond.id, **facts)
    return node, new


def _has_gateway(session: ScopedSession, gateway: str, cooperative: str) -> bool:
    statement = select(Gateway.id).where(Gateway.id == gateway, Gateway.cooperative_id == cooperative)
    return session.scalar(statement) is not None


def revoke(work: Work, node: Node, reason: str) -> Node:
    """Take a node out of service, with who did it and why; a second time changes nothing.

    What it measured before stays, and what its gateway still holds of it is taken: its certificate is the gateway's to refuse.

    Raises
    ------
    FieldError
        if the reason cannot be used
    """
    fault = reason_fault(reason)
    if fault is not None:
        raise FieldError(fault)
    if node.revoked is None:
        node.revoked, node.revoked_by, node.revoked_reason = int(work.now), work.principal.actor, reason.strip()
        work.done("node.revoked", f"node:{node.eui}", node.cooperative_id, certificate=node.certificate)
    return node
