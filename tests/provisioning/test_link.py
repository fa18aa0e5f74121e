"""Who gets to a node through the gateway's broker: technicians of the co-op, not revoked ones, not strangers; and what a technician may not say."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiomqtt
import pytest
from cryptography import x509

from provisioning.failure import Failure
from provisioning.link.gateway import RemoteNode, connected
from provisioning.link.identity import place
from provisioning.link.line import checked
from provisioning.workspace import Workspace
from tests.provisioning.conftest import Vuong
from tests.provisioning.site import NODE, Site, needs_site


def test_places_as_they_are_typed() -> None:
    assert place("vuong.local") == ("vuong.local", 8883)
    assert place("192.168.4.1:1883") == ("192.168.4.1", 1883)
    for wrong in ("", ":8883", "vuong.local:x", "vuong.local:70000"):
        with pytest.raises(Failure, match="gateway"):
            place(wrong)


def test_a_program_that_does_not_know_a_command_is_old() -> None:
    with pytest.raises(Failure, match="does not know this yet"):
        checked(NODE, "stay", {"id": 1, "error": "command 'stay' is not known; known are sample, restart"})
    with pytest.raises(Failure, match="could not do it: no answer"):
        checked(NODE, "probe", {"id": 1, "error": "no answer"})


def test_a_certificate_for_another_laptop(vuong: Vuong, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VUONG_CA_PASSPHRASE", "four words to remember")
    assert vuong("fleet", "init", "--name", "HTX").code == 0
    assert vuong("fleet", "technician", "Hùng", "--out", tmp_path / "hung.tar").code == 0
    assert not (workspace / "technician").exists()
    assert (tmp_path / "hung.tar").stat().st_mode & 0o077 == 0
    other = tmp_path / "other"
    assert vuong("fleet", "technician", "Hùng", "--identity", tmp_path / "hung.tar", "--workspace", other).code == 0
    certificate = x509.load_pem_x509_certificate((other / "technician" / "technician.crt").read_bytes())
    subject = {attribute.oid._name: attribute.value for attribute in certificate.subject}
    assert subject == {"commonName": "technician", "givenName": "Hùng"}
    assert (other / "technician" / "technician.key").stat().st_mode & 0o077 == 0
    broken = vuong("fleet", "technician", "Hùng", "--identity", workspace / "ca" / "ca.crt", "--workspace", other, "--json")
    assert (broken.code, broken.json["failure"]) == (2, "file_unreadable")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    made.gateway.start()
    try:
        yield made
    finally:
        made.close()


def _listed(site: Site, *more: object) -> tuple[int, str]:
    done = site.vuong("node", "list", "--gateway", site.host, "--json", *more)
    return done.code, done.json.get("failure", "")


@asynccontextmanager
async def _identified(site: Site, folder: Path, name: str) -> AsyncIterator[aiomqtt.Client]:
    tls = aiomqtt.TLSParameters(
        ca_certs=str(folder / "ca.crt"), certfile=str(folder / f"{name}.crt"), keyfile=str(folder / f"{name}.key")
    )
    async with aiomqtt.Client("localhost", site.gateway.port, tls_params=tls) as client:
        yield client


async def _heard(client: aiomqtt.Client, seconds: float = 1.0) -> list[str]:
    found: list[str] = []

    async def listen() -> None:
        async for message in client.messages:
            found.append(message.topic.value.rpartition("/")[2])  # noqa: PERF401 (it ends by being interrupted)

    with suppress(TimeoutError):
        await asyncio.wait_for(listen(), seconds)
    return found


@pytest.mark.slow
@needs_site
class TestBroker:
    def test_a_revoked_technician_is_refused_and_the_others_are_not(self, site: Site) -> None:
        assert _listed(site) == (0, "")
        hung = site.folder / "hung"
        site.vuong("fleet", "technician", "Hùng", "--out", site.folder / "hung.tar")
        site.vuong("fleet", "technician", "Hùng", "--identity", site.folder / "hung.tar", "--workspace", hung)
        assert _listed(site, "--workspace", hung) == (0, "")
        done = site.vuong(
            "fleet", "technician", "Hùng", "--revoke", "--gateway", "localhost", "--via", site.gateway.via, "--json"
        )
        assert (done.json["revoked"], done.json["told"]) == (1, {"localhost": True}), done.err
        site.gateway.start()  # the enrolment restarts the broker where there is systemd
        refused = site.vuong("node", "list", "--gateway", site.host, "--workspace", hung, "--json")
        assert (refused.code, refused.json["failure"]) == (1, "technician_refused")
        assert "REVOKED" in refused.json["message"]
        assert "vuong fleet technician" in refused.json["remedy"]
        assert _listed(site) == (0, "")

    def test_what_keeps_a_broker_from_being_used_is_named(self, site: Site) -> None:
        foreign = site.folder / "foreign"
        site.vuong("fleet", "init", "--name", "another", "--workspace", foreign)
        site.vuong("fleet", "technician", "Lan", "--workspace", foreign)
        assert _listed(site, "--workspace", foreign) == (1, "gateway_foreign")
        shutil.copy(site.workspace / "technician" / "ca.crt", foreign / "technician" / "ca.crt")
        assert _listed(site, "--workspace", foreign) == (1, "technician_refused")
        assert _listed(site, "--workspace", site.folder / "empty") == (2, "technician_missing")
        site.gateway.stop()
        assert _listed(site) == (1, "gateway_unreachable")

    async def test_a_technician_speaks_to_nodes_and_for_none(self, site: Site) -> None:
        site.vuong(
            "node", "provision", NODE, "--pond", "ao-1", "--gateway", site.host, "--wifi", "pond", "--via", site.gateway.via
        )  # fmt: skip
        identity = site.workspace / "nodes" / NODE
        async with (
            _identified(site, identity, "node") as node,
            _identified(site, site.gateway.layout.tls, "gateway") as gateway,
            connected(Workspace(site.workspace), site.host) as technician,
        ):
            await node.subscribe([(f"vuong/v1/nodes/{NODE}/{channel}", 1) for channel in ("command", "config", "ack")])
            await gateway.subscribe([(f"vuong/v1/nodes/+/{channel}", 1) for channel in ("data", "status", "reply", "backlog")])
            for channel in ("command", "config", "ack", "data", "status", "reply", "backlog"):
                await technician.publish(NODE, channel, {"said": channel})
            assert set(await _heard(node)) == {"command", "config"}
            assert await _heard(gateway, 0.5) == []
            await node.publish(f"vuong/v1/nodes/{NODE}/status", json.dumps({"state": "online", "firmware": "1.0.0"}), qos=1)
            assert (await technician.gather(0.5))[NODE]["firmware"] == "1.0.0"

    async def test_a_sleeping_node_is_waited_for_and_caught_when_it_speaks(self, site: Site) -> None:
        site.vuong(
            "node", "provision", NODE, "--pond", "ao-1", "--gateway", site.host, "--wifi", "pond", "--via", site.gateway.via
        )
        told = asyncio.Event()

        async def sleeper() -> None:
            await told.wait()  # it is on the air after the technician was told that it sleeps
            async with _identified(site, site.workspace / "nodes" / NODE, "node") as node:
                await node.subscribe(f"vuong/v1/nodes/{NODE}/command", qos=1)
                await node.publish(f"vuong/v1/nodes/{NODE}/data", b"[]", qos=1)
                async for message in node.messages:
                    order = json.loads(bytes(message.payload)) if isinstance(message.payload, bytes) else {}
                    reply = {"id": order["id"], "until": None, "seconds": order["seconds"]}
                    await node.publish(f"vuong/v1/nodes/{NODE}/reply", json.dumps(reply), qos=1)
                    return

        async with connected(Workspace(site.workspace), site.host) as technician:
            sleeping = asyncio.create_task(sleeper())
            reply = await RemoteNode(technician, NODE).reach(20, told.set, first=0.5)
            assert reply["seconds"] == 1800
            await sleeping
            with pytest.raises(Failure, match="did not come on the air"):
                await RemoteNode(technician, "70b3d57ed0009999").reach(0.5, lambda: None, first=0.3)

    async def test_of_two_technicians_the_first_is_told(self, site: Site) -> None:
        async with connected(Workspace(site.workspace), site.host) as first, first.listening() as ear:
            async with connected(Workspace(site.workspace), site.host):
                lost = await asyncio.wait_for(ear.get(), 15)
            assert isinstance(lost, Failure)
            assert lost.key == "taken_over"
            with pytest.raises(Failure, match="one at a time"):
                await first.gather(0)
