"""What the technician's laptop tells the cloud of nodes and gateways: now where it can be reached, else with ``vuong fleet sync``."""

from __future__ import annotations

from typing import Any, Final

import httpx

from provisioning.failure import Failure, WrongCall
from provisioning.registry import Registry
from provisioning.session import Session
from provisioning.workspace import Workspace, read_json, write_json
from vuong.contract import api as contract
from vuong.contract.registration import GATEWAYS, NODES

SECONDS: Final = 10.0
# kind of probe → what it measures, where its description does not say so (`firmware.assembly`)
_MEASURES: Final = {"analog_ph": "ph", "galvanic_do": "do", "ds18b20": "temperature", "salinity": "salinity"}


class Cloud:
    """The cloud's API with a technician's token.

    Attributes
    ----------
    url : its address
    cooperative : whose technician it is; ``None`` for an administrator
    """

    def __init__(self, url: str, token: str, cooperative: str | None) -> None:
        self.url, self._token, self.cooperative = url, token, cooperative

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:  # noqa: ANN401 (httpx's own)
        """Ask for something.

        Raises
        ------
        Failure
            ``cloud_unreachable`` if it may work later, ``cloud_token`` or ``cloud_refused`` if somebody must do something first
        """
        return _ask(self.url, method, path, headers={"Authorization": f"Bearer {self._token}"}, **more)

    def register(self, node: str, row: dict[str, Any]) -> None:
        """Say what is known of a node; any number of times with one effect."""
        self.ask("PUT", f"{NODES}/{node}", json=row)

    def revoke(self, node: str, reason: str) -> None:
        """Say that a node is out of service; one that the cloud never heard of is that already."""
        self.ask("DELETE", f"{NODES}/{node}", params={"reason": reason}, missing_is_well=True)

    def add_gateway(self, identity: str) -> str | None:
        """Create a gateway of the technician's co-op and return its token; ``None`` where the cloud has it already."""
        if any(row["id"] == identity for row in self.ask("GET", GATEWAYS).json()):
            return None
        row = {"id": identity, "name": identity, "cooperative": self.cooperative}
        return str(self.ask("POST", GATEWAYS, json=row).json()["token"])


def _ask(url: str, method: str, path: str, *, missing_is_well: bool = False, **more: Any) -> httpx.Response:  # noqa: ANN401
    try:
        reply = httpx.request(method, url + path, timeout=SECONDS, **more)
    except httpx.HTTPError as error:
        raise Failure("cloud_unreachable", url=url, problem=str(error) or type(error).__name__) from error
    if reply.is_success or (missing_is_well and reply.status_code == 404):
        return reply
    try:
        detail = str(reply.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = reply.reason_phrase
    if reply.status_code == 429 or reply.status_code >= 500:
        raise Failure("cloud_unreachable", url=url, problem=f"{reply.status_code} {detail}")
    if reply.status_code in {401, 403}:
        raise Failure("cloud_token", url=url, problem=detail)
    raise Failure("cloud_refused", url=url, problem=detail)


def sign_in(workspace: Workspace, url: str, login: str, password: str, code: str | None = None) -> Cloud:
    """Sign the laptop in, with the code of the second factor for who has one, and keep its token.

    Raises
    ------
    WrongCall
        if the address cannot be one
    Failure
        if the cloud cannot be reached, or refuses
    """
    if not url.startswith(("https://", "http://")):
        raise WrongCall("cloud_url", value=url)
    base = url.rstrip("/")
    body = {"login": login, "password": password, "name": "vuong (laptop)"} | ({"code": code} if code else {})
    token = str(_ask(base, "POST", contract.DEVICES, json=body).json()["token"])
    me = _ask(base, "GET", contract.ME, headers={"Authorization": f"Bearer {token}"}).json()
    if "devices" not in me["rights"]:
        raise Failure("cloud_token", url=base, problem=f"{login}: {me['role']}")
    write_json(workspace.cloud, {"url": base, "login": login, "token": token, "cooperative": me["cooperative"]})
    return Cloud(base, token, me["cooperative"])


def signed_in(workspace: Workspace) -> Cloud | None:
    """Return the cloud that this laptop is signed in to, if it is to one."""
    found = read_json(workspace.cloud)
    return Cloud(found["url"], found["token"], found["cooperative"]) if found else None


def registration(workspace: Workspace, registry: Registry, node: str) -> dict[str, Any]:
    """Return what is known of a node, as `vuong.contract.registration.NodeRegistration`."""
    row, config = registry.nodes[node], read_json(workspace.node(node) / "config.json")
    measured = [spec.get("quantity") or _MEASURES.get(spec["kind"]) for spec in config.get("probes", [])]
    return {
        "pond": row["pond"],
        "gateway": registry.gateways.get(row["gateway"], {}).get("cloud"),
        "probes": list(dict.fromkeys(quantity for quantity in measured if quantity)),
        "firmware": row.get("firmware"),
        "certificate": row.get("certificate"),
        "installed": row.get("installed"),
    }


def tell_cloud(session: Session, registry: Registry) -> dict[str, Any]:
    """Tell the cloud of every node that it waits for, say what it was told and what still waits; a refused node does not stop the rest.

    Returns
    -------
    ``told``, ``waiting`` (nodes) and ``reason`` (``None`` where nothing waits).
    """
    cloud, waiting = signed_in(session.workspace), registry.pending_cloud()
    told: list[str] = []
    reason: str | None = None
    for node in waiting if cloud else ():
        row = registry.nodes[node]
        try:
            if row["revoked"]:
                cloud.revoke(node, row.get("reason") or session.text("revoke.reason"))  # type: ignore[union-attr]
            else:
                cloud.register(node, registration(session.workspace, registry, node))  # type: ignore[union-attr]
        except Failure as failure:
            reason = failure.sentence(session.language)
            if failure.key != "cloud_refused":
                break  # the next one would fare no better
            session.say("cloud.refused", node=node, reason=reason, remedy=failure.remedy(session.language))
            continue
        row["cloud_pending"] = False
        told.append(node)
    if told:
        registry.save()
        session.say("cloud.told", count=len(told))
    left = registry.pending_cloud()
    if left:
        reason = reason or session.text("cloud.nobody")
        session.say("cloud.later", count=len(left), reason=reason)
    return {"told": told, "waiting": left, "reason": reason if left else None}
