"""Home Assistant's discovery of ponds, against a real Mosquitto, and held against the fields that its MQTT integration documents."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any, Protocol

import aiomqtt
import pytest

from gateway.lan.home_assistant import HomeAssistantLink, availability_topic, discovery, state_topic
from gateway.store.store import Changes
from tests.gateway.lan.conftest import NOW, Lan, config, sample

# Home Assistant, MQTT integration: device discovery payload; device and origin maps; options of the two platforms used.
DEVICE_PAYLOAD = {
    "device",
    "origin",
    "components",
    "availability",
    "availability_mode",
    "state_topic",
    "command_topic",
    "qos",
    "encoding",
}
DEVICE = {
    "configuration_url", "connections", "hw_version", "identifiers", "manufacturer", "model", "model_id", "name", "serial_number",
    "suggested_area", "sw_version", "via_device",
}  # fmt: skip
ORIGIN = {"name", "sw_version", "support_url"}
SHARED = {
    "platform", "unique_id", "name", "device_class", "value_template", "state_topic", "enabled_by_default", "entity_category", "expire_after",
    "force_update", "icon", "json_attributes_template", "json_attributes_topic", "default_entity_id", "availability", "qos",
}  # fmt: skip
PLATFORMS = {
    "sensor": SHARED
    | {"state_class", "unit_of_measurement", "suggested_display_precision", "options", "last_reset_value_template"},
    "binary_sensor": SHARED | {"payload_on", "payload_off", "off_delay"},
}
# Device class → units that it allows; "ph" allows none.
UNITS = {
    "temperature": {"°C", "°F", "K"},
    "ph": {None},
    "conductivity": {"S/cm", "mS/cm", "µS/cm"},
    "distance": {"m", "cm", "mm", "km"},
}


def test_payload_has_only_documented_fields(tmp_path: Path) -> None:
    made = config(tmp_path)
    identities = set()
    for pond in made.ponds.values():
        topic, payload = discovery(made, pond)
        assert topic == f"homeassistant/device/vuong_gw-1_{pond.id}/config"
        assert set(payload) <= DEVICE_PAYLOAD
        assert set(payload["device"]) <= DEVICE
        assert payload["device"]["identifiers"]
        assert set(payload["origin"]) <= ORIGIN
        assert payload["origin"]["name"]
        for component in payload["components"].values():
            assert set(component) <= PLATFORMS[component["platform"]]
            assert component["unique_id"] not in identities
            identities.add(component["unique_id"])
            if component.get("device_class") in UNITS:
                assert component.get("unit_of_measurement") in UNITS[component["device_class"]]
    assert len(identities) == 2 * 8


def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    assert not config(tmp_path).home_assistant.enabled
    assert config(tmp_path, home_assistant={"enabled": True}).home_assistant.enabled


class Broker(Protocol):
    port: int

    def start(self) -> None: ...
    def kill(self) -> None: ...


async def _received(port: int, wanted: int, seconds: float = 20) -> dict[str, Any]:
    """Return the messages that a newcomer gets: the retained ones first."""
    found: dict[str, Any] = {}
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), aiomqtt.Client("127.0.0.1", port) as client:
            await client.subscribe("#", qos=1)
            async for message in client.messages:
                payload = bytes(message.payload)  # type: ignore[arg-type]
                found[str(message.topic)] = (json.loads(payload) if payload[:1] == b"{" else payload.decode(), message.retain)
                if len(found) >= wanted:
                    break
    return found


@pytest.mark.slow
async def test_ponds_values_and_alarms_are_there_for_a_newcomer(mosquitto: Broker, tmp_path: Path) -> None:
    folder = tmp_path / "lan"
    folder.mkdir()
    lan = Lan(folder, {"mqtt": {"host": "127.0.0.1", "port": mosquitto.port}, "home_assistant": {"enabled": True}})
    link = asyncio.create_task(HomeAssistantLink(lan.config, lan.desk).run())
    try:
        await asyncio.sleep(1)
        found = await _received(mosquitto.port, 5)
        assert set(found) == {
            "homeassistant/device/vuong_gw-1_p1/config", "homeassistant/device/vuong_gw-1_p2/config", state_topic("p1"), state_topic("p2"),
            availability_topic("gw-1"),
        }  # fmt: skip
        assert all(retained for _, retained in found.values())
        state = found[state_topic("p1")][0]
        assert (state["alarm"], state["ph"], len(state["alarms"])) == ("ON", 8.0, 1)
        assert found[state_topic("p2")][0] == {"alarm": "OFF", "alarms": []}
        assert found[availability_topic("gw-1")][0] == "online"
        lan.store.commit(Changes(samples=[sample(900, NOW, do=1.25)]))
        lan.desk.records.refresh()
        async with asyncio.timeout(20):
            while (await _received(mosquitto.port, 5))[state_topic("p1")][0].get("do") != 1.25:
                pass
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        assert (await _received(mosquitto.port, 5))[availability_topic("gw-1")][0] == "offline"
    finally:
        link.cancel()
        await asyncio.gather(link, return_exceptions=True)
        lan.close()
