"""``/api/v1/nodes`` and ``/api/v1/gateways``: what stands at the ponds."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Body, Depends, HTTPException, Query, Response
from pydantic import BaseModel
from sqlalchemy import select

from cloud.accounts.access import ApiWriter, Work
from cloud.accounts.roles import Right
from cloud.accounts.tokens import rotate_gateway
from cloud.context import Records
from cloud.farms import nodes, ponds
from cloud.farms.ponds import FieldError
from cloud.farms.stays import find
from cloud.farms.tables import Gateway
from vuong.contract.registration import GATEWAYS, LONGEST_REASON, NODES, NodeRecord, NodeRegistration

router = APIRouter(tags=["farms"])
Devices = Annotated[Work, Depends(ApiWriter(Right.DEVICES))]


class GatewayRow(BaseModel):
    """A gateway."""

    id: str
    name: str
    cooperative: str


class GatewayWithToken(GatewayRow):
    """A gateway and its new token, told this once."""

    token: str


@router.get(NODES)
def get_nodes(records: Records) -> list[NodeRecord]:
    """Return the nodes, those out of service too."""
    return [nodes.told(node) for node in nodes.everything(records)]


@router.get(NODES + "/{node}")
def get_node(node: str, records: Records) -> NodeRecord:
    """Return one node."""
    found = find(records, node)
    if found is None:
        raise HTTPException(404, f"node {node!r:.60} is not known")
    return nodes.told(found)


@router.put(NODES + "/{node}", responses={201: {"description": "it was not known before"}})
def put_node(node: str, registration: Annotated[dict[str, object], Body()], work: Devices, response: Response) -> NodeRecord:
    """Register a node, any number of times with one effect: ``{"pond", "gateway"?, "probes"?, "firmware"?, "certificate"?, "installed"?}``."""
    try:
        found, new = nodes.register(work, node, cast("NodeRegistration", registration))
    except FieldError as error:
        raise HTTPException(422, str(error)) from None
    response.status_code = 201 if new else 200
    return nodes.told(found)


@router.delete(NODES + "/{node}")
def delete_node(
    node: str, reason: Annotated[str, Query(min_length=1, max_length=LONGEST_REASON, description="why")], work: Devices
) -> NodeRecord:
    """Take a node out of service; it stays known with its readings, who did it and why."""
    found = find(work.session, node)
    if found is None:
        raise HTTPException(404, f"node {node!r:.60} is not known")
    try:
        return nodes.told(nodes.revoke(work, found, reason))
    except FieldError as error:
        raise HTTPException(422, str(error)) from None


@router.get(GATEWAYS)
def get_gateways(records: Records) -> list[GatewayRow]:
    """Return the gateways."""
    found = records.scalars(select(Gateway).order_by(Gateway.id))
    return [GatewayRow(id=row.id, name=row.name, cooperative=row.cooperative_id) for row in found]


@router.post(GATEWAYS, status_code=201)
def post_gateway(row: GatewayRow, work: Devices) -> GatewayWithToken:
    """Create a gateway and tell its token, this once."""
    cloud, asker = work.cloud, work.principal
    try:
        made = ponds.add_gateway(work, row.id, row.name, row.cooperative)
    except FieldError as error:
        raise HTTPException(422, str(error)) from None
    token = rotate_gateway(cloud.engine, made.id, now=cloud.wall.now(), actor=asker.actor, scope=asker.scope, overlap=0)
    return GatewayWithToken(id=made.id, name=made.name, cooperative=made.cooperative_id, token=token)
