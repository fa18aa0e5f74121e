"""The pages of a co-operative, a node and a gateway: they bring farms, telemetry, alerts and entries together."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import func, select

from cloud.accounts import people
from cloud.accounts.roles import Right
from cloud.accounts.service import Principal
from cloud.alerts import service as alerts
from cloud.context import Cloud, Context, Visible, Visitor
from cloud.entries import service as entries
from cloud.farms import nodes as farm_nodes
from cloud.farms import service as farms
from cloud.farms.stays import find
from cloud.farms.tables import Gateway
from cloud.telemetry.tables import Quarantined
from cloud.tenancy import ScopedSession
from cloud.web.devices import gateway_view, node_views
from cloud.web.layout import language_of, page
from cloud.web.texts import moment_text, quantity_text
from cloud.web.views import ponds_overview
from vuong import i18n
from vuong.contract import api

router = APIRouter(include_in_schema=False)
_TROUBLED = {"siren", "critical", "warning"}


def _missing(request: Request, cloud: Context, visitor: Principal, records: ScopedSession) -> HTMLResponse:
    return page(request, cloud, "missing.html", visitor, status=404, open_alarms=alerts.alarm_revision(records)[0])


@router.get("/cooperatives")
def cooperatives_page(request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show the co-operatives that somebody sees, with what needs them first."""
    language = language_of(request, visitor)
    rows = list[dict[str, Any]]()
    for group in ponds_overview(records, cloud.clock.now(), language):
        states = [pond.state for pond in group.ponds]
        troubled = sum(state in _TROUBLED for state in states)
        rows.append({"coop": group.coop, "ponds": len(states), "troubled": troubled, "silent": states.count("silent")})
    rows.sort(key=lambda row: (-row["troubled"], -row["silent"], row["coop"].name))
    return page(request, cloud, "cooperatives.html", visitor, rows=rows, open_alarms=alerts.alarm_revision(records)[0])


@router.get("/cooperatives/{cooperative}")
def cooperative_page(cooperative: str, request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show a co-operative: its ponds, nodes, gateways, and to those who may its people."""
    language, now, wall = language_of(request, visitor), cloud.clock.now(), cloud.wall.now()
    group = next(iter(ponds_overview(records, now, language, cooperative)), None)
    if group is None:
        return _missing(request, cloud, visitor, records)
    nodes = [node for node in farm_nodes.everything(records) if node.cooperative_id == cooperative]
    gateways = records.scalars(select(Gateway).where(Gateway.cooperative_id == cooperative).order_by(Gateway.id))
    states = [pond.state for pond in group.ponds]
    return page(
        request,
        cloud,
        "cooperative.html",
        visitor,
        coop=group.coop,
        ponds=group.ponds,
        troubled=sum(state in _TROUBLED for state in states),
        names={pond.pond.id: pond.pond.name for pond in group.ponds},
        nodes=node_views(records, nodes, now, language),
        gateways=[gateway_view(gateway, wall, language) for gateway in gateways],
        persons=[one for one in people.everybody(records) if one.cooperative_id == cooperative]
        if visitor.may(Right.PEOPLE)
        else None,
        open_alarms=alerts.alarm_revision(records)[0],
    )


def _calibration(entry: api.Entry, now: float, language: str) -> dict[str, Any]:
    """Return a calibration as a line of a table."""
    row = api.calibration(entry)
    points = " · ".join(f"{i18n.number(a, 2, language)} → {i18n.number(b, 2, language)}" for a, b in row["points"])
    return {
        "name": quantity_text(row["quantity"], language),
        "when": moment_text(row["time"], now),
        "points": points or " · ".join(i18n.number(value, 3, language) for value in row.get("after", [])),
        "by": row["by"],
        "note": row["note"] or row.get("lot", ""),
    }


@router.get("/nodes/{node}")
def node_page(node: str, request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show a node: state, power, certificate, probes and their calibrations."""
    language, now = language_of(request, visitor), cloud.clock.now()
    found = find(records, node)
    pond = None if found is None else farms.pond(records, found.pond_id)
    if found is None or pond is None:
        return _missing(request, cloud, visitor, records)
    held = entries.calibrations(records, {pond.id})
    states = alerts.states_of(records, found.id)
    return page(
        request,
        cloud,
        "node.html",
        visitor,
        view=node_views(records, [found], now, language)[0],
        pond=pond,
        calibrations=[_calibration(e, now, language) for e in held if e["content"]["node"] == found.eui],
        states=[(state.state, moment_text(state.time, now), i18n.age(max(0.0, now - state.time), language)) for state in states],
        installed=None if found.installed is None else moment_text(found.installed, now),
        revoked=None if found.revoked is None else moment_text(found.revoked, now),
        probes=[quantity_text(name, language) for name in found.probes or ()],
        open_alarms=alerts.alarm_revision(records)[0],
    )


@router.get("/gateways/{gateway}")
def gateway_page(gateway: str, request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show a gateway: when it last spoke, its nodes, what of its records could not be taken."""
    language, now = language_of(request, visitor), cloud.clock.now()
    found = records.scalar(select(Gateway).where(Gateway.id == gateway))
    if found is None:
        return _missing(request, cloud, visitor, records)
    coop = next(one for one in farms.cooperatives(records) if one.id == found.cooperative_id)
    own = [node for node in farm_nodes.everything(records) if node.gateway == found.id]
    refused = records.scalar(select(func.count(Quarantined.gateway_id)).where(Quarantined.gateway_id == found.id))
    return page(
        request,
        cloud,
        "gateway.html",
        visitor,
        view=gateway_view(found, cloud.wall.now(), language),
        coop=coop,
        nodes=node_views(records, own, now, language),
        names={pond.id: pond.name for pond in farms.ponds(records)},
        refused=refused or 0,
        open_alarms=alerts.alarm_revision(records)[0],
    )
