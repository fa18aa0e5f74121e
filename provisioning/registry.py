"""The technician's list of nodes, and the signed enrolment that a gateway takes over from it, now or later."""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

from provisioning.authority import Authority
from provisioning.failure import WrongCall
from provisioning.workspace import Workspace, read_json, write_json
from vuong.clock import Clock


def check_node(node: str) -> str:
    """Return a node's id in its one form.

    Raises
    ------
    WrongCall
        if it is no EUI-64
    """
    plain = node.strip().lower().replace(":", "").replace("-", "")
    if len(plain) != 16 or any(c not in "0123456789abcdef" for c in plain):
        raise WrongCall("node_id", value=node)
    return plain


class Registry:
    """Nodes by id: pond, gateway, certificate, and whether the gateway (``pending``) and the cloud (``cloud_pending``) wait to be told.

    Gateways by host: their id in the cloud, ``None`` where the cloud has not been told of them.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.registry
        found = read_json(self._path)
        self.nodes: dict[str, dict[str, Any]] = found.get("nodes", {})
        self.gateways: dict[str, dict[str, Any]] = found.get("gateways", {})

    def known(self, node: str) -> dict[str, Any]:
        """Return a node's row.

        Raises
        ------
        WrongCall
            if it is not in the list
        """
        if node not in self.nodes:
            raise WrongCall("node_unknown", node=node)
        return self.nodes[node]

    def save(self) -> None:
        """Write the list."""
        write_json(self._path, {"nodes": self.nodes, "gateways": self.gateways})

    def pending(self, gateway: str) -> list[str]:
        """Return the nodes of which a gateway has not been told."""
        return sorted(node for node, row in self.nodes.items() if row["gateway"] == gateway and row["pending"])

    def pending_cloud(self) -> list[str]:
        """Return the nodes of which the cloud has not been told."""
        return sorted(node for node, row in self.nodes.items() if row.get("cloud_pending", True))

    def waiting(self) -> dict[str, list[str]]:
        """Return gateway → nodes of which it has not been told."""
        found = {gateway: self.pending(gateway) for gateway in sorted({row["gateway"] for row in self.nodes.values()})}
        return {gateway: nodes for gateway, nodes in found.items() if nodes}

    def enrolment(self, gateway: str, authority: Authority, clock: Clock) -> dict[str, str]:
        """Return the signed list of a gateway's nodes and of all revoked certificates."""
        rows = {n: row["pond"] for n, row in self.nodes.items() if row["gateway"] == gateway and not row["revoked"]}
        gone = sorted(n for n, row in self.nodes.items() if row["gateway"] == gateway and row["revoked"])
        document = {"format": 1, "issued": clock.now(), "gateway": gateway, "nodes": rows, "removed": gone}
        return authority.sign({**document, "revoked_pem": authority.revoked_pem().decode()})

    def told(self, gateway: str) -> None:
        """Note that a gateway has taken the enrolment."""
        for node in self.pending(gateway):
            self.nodes[node]["pending"] = False
        self.save()


def deliver(enrolment: dict[str, str], via: str, seconds: float = 30.0) -> str | None:
    """Hand an enrolment to the gateway; return why not, ``None`` where it was taken.

    Parameters
    ----------
    via : command that takes it on standard input, for example ``ssh pi@vuong.local sudo vuong gateway enrol``
    """
    try:
        done = subprocess.run(  # noqa: S603 (the technician's own command)
            shlex.split(via), input=json.dumps(enrolment), capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")
