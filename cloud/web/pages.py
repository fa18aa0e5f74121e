"""The ponds page and a pond's page: they bring farms, telemetry and alerts together."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from cloud.alerts import service as alerts
from cloud.context import Cloud, Visible, Visitor
from cloud.farms import service as farms
from cloud.web.layout import language_of, page
from cloud.web.texts import unit_text
from cloud.web.views import SHOWN, alarm_views, pond_now, ponds_overview
from vuong import i18n
from vuong.limits import limits_of
from vuong.quantities import QUANTITIES

router = APIRouter(include_in_schema=False)
RANGES: Final = {"6h": 6, "24h": 24, "7d": 168, "30d": 720}


@router.get("/")
def home() -> RedirectResponse:
    """Go to the ponds."""
    return RedirectResponse("/ponds", 303)


@router.get("/ponds")
def ponds_page(request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show all ponds, co-op by co-op."""
    language = language_of(request, visitor)
    coops = ponds_overview(records, cloud.clock.now(), language)
    states = [pond.state for coop in coops for pond in coop.ponds]
    return page(
        request,
        cloud,
        "ponds.html",
        visitor,
        coops=coops,
        total=len(states),
        troubled=sum(state in {"siren", "critical", "warning"} for state in states),
        open_alarms=alerts.alarm_revision(records)[0],
    )


@router.get("/ponds/{pond}")
def pond_page(pond: str, request: Request, cloud: Cloud, visitor: Visitor, records: Visible) -> HTMLResponse:
    """Show one pond: now, its course, its alarms."""
    language, now = language_of(request, visitor), cloud.clock.now()
    opened = alerts.alarm_revision(records)[0]
    found = farms.pond(records, pond)
    if found is None:
        return page(request, cloud, "missing.html", visitor, status=404, open_alarms=opened)
    limits = limits_of(found.species, found.limits)
    # A chart never shows less than 40 steps of a probe, or noise would look like a storm.
    charts = [(name, unit_text(name), limits.band(name), 40 * QUANTITIES[name].resolution) for name in SHOWN]
    euis = {node.id: node.eui for node in found.nodes}
    span = request.query_params.get("span", "24h")
    return page(
        request,
        cloud,
        "pond.html",
        visitor,
        view=pond_now(records, found, now, language),
        coop=next((coop for coop in farms.cooperatives(records) if coop.id == found.cooperative_id), None),
        past=alarm_views(records, alerts.cleared_alarms(records, found.id, 10), now, language),
        nodes=[
            (euis[state.node_id], state.state, i18n.age(now - state.time, language), state.detail)
            for state in alerts.node_states(records, found.id)
        ],
        charts=charts,
        spans=RANGES,
        span=span if span in RANGES else "24h",
        open_alarms=opened,
    )
