"""Ponds as devices of a Home Assistant on the same broker, by its MQTT device discovery; off unless ``[home_assistant] enabled = true``.

Topics and fields: Home Assistant's MQTT integration, "Device discovery payload" (discovery topic ``<prefix>/device/<object id>/config``,
retained), MQTT sensor and MQTT binary sensor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
from importlib.metadata import version
from typing import Any, Final

import aiomqtt
import orjson

from gateway.config import Config, Mqtt
from gateway.lan.desk import Desk
from gateway.observation import Pond
from vuong.i18n import DEFAULT, text
from vuong.quantities import QUANTITIES

_LOG = logging.getLogger(__name__)

LOOK: Final = 2.0  # seconds between looks for new values
_RETRY: Final = 10.0
_BASE: Final = "vuong/v1/ponds"
# Quantities that Home Assistant has a device class for, with a unit that the class allows; the others are plain measurements.
_CLASSES: Final = {"temperature": "temperature", "ph": "ph", "conductivity": "conductivity", "depth": "distance"}
_ON, _OFF = "ON", "OFF"


def _object_id(*parts: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]", "_", "_".join(parts))


def state_topic(pond: str) -> str:
    """Return where a pond's values are published, retained."""
    return f"{_BASE}/{_object_id(pond)}/state"


def availability_topic(gateway: str) -> str:
    """Return where the gateway says whether it is there; its last will says that it is not."""
    return f"{_BASE}/{_object_id(gateway)}/availability"


def discovery(config: Config, pond: Pond) -> tuple[str, dict[str, Any]]:
    """Return topic and payload by which Home Assistant learns of a pond."""
    device = _object_id("vuong", config.id, pond.id)
    state, components = state_topic(pond.id), dict[str, dict[str, Any]]()
    for quantity in QUANTITIES.values():
        sensor: dict[str, Any] = {
            "platform": "sensor",
            "unique_id": f"{device}_{quantity.name}",
            "name": text(f"quantity.{quantity.name}", DEFAULT),
            "state_class": "measurement",
            "suggested_display_precision": min(quantity.digits, 2),
            # A pond that lacks this probe has no such key: the sensor stays unknown and no template error is logged.
            "value_template": "{{ value_json." + quantity.name + " | default(none) }}",
        }
        if quantity.name in _CLASSES:
            sensor["device_class"] = _CLASSES[quantity.name]
        if quantity.name != "ph":  # the device class "ph" has no unit
            sensor["unit_of_measurement"] = quantity.unit
        components[quantity.name] = sensor
    components["alarm"] = {
        "platform": "binary_sensor",
        "unique_id": f"{device}_alarm",
        "name": text("category.water", DEFAULT),
        "device_class": "problem",
        "payload_on": _ON,
        "payload_off": _OFF,
        "value_template": "{{ value_json.alarm }}",
        "json_attributes_topic": state,
        "json_attributes_template": "{{ {'alarms': value_json.alarms} | tojson }}",
    }
    payload = {
        "device": {
            "identifiers": [device],
            "name": pond.name,
            "manufacturer": "Vuông",
            "model": "pond",
            "serial_number": pond.id,
        },
        "origin": {"name": "vuong", "sw_version": version("vuong")},
        "components": components,
        "state_topic": state,
        "availability": [{"topic": availability_topic(config.id)}],
        "qos": 1,
    }
    return f"{config.home_assistant.prefix}/device/{device}/config", payload


class HomeAssistantLink:
    """Publishes ponds and what changes.

    Parameters
    ----------
    config : the gateway's configuration
    desk : its database
    """

    def __init__(self, config: Config, desk: Desk) -> None:
        self._config, self._desk = config, desk

    async def run(self) -> None:
        """Publish for ever; a broker that is away is waited for."""
        while True:
            try:
                async with _client(self._config) as client:
                    try:
                        await self._publish(client)
                    finally:  # an orderly end says so itself; else the last will does
                        with contextlib.suppress(aiomqtt.MqttError):
                            await client.publish(availability_topic(self._config.id), b"offline", qos=1, retain=True)
            except aiomqtt.MqttError as error:
                _LOG.warning("Home Assistant's ponds are not published (%s); next try in %.0f s", error, _RETRY)
                await asyncio.sleep(_RETRY)

    async def _publish(self, client: aiomqtt.Client) -> None:
        for pond in self._config.ponds.values():
            topic, payload = discovery(self._config, pond)
            await client.publish(topic, orjson.dumps(payload), qos=1, retain=True)
        await client.publish(availability_topic(self._config.id), b"online", qos=1, retain=True)
        told: dict[str, dict[str, Any]] = {}
        while True:
            for name, state in (await self._desk.ask(self._states)).items():
                if told.get(name) != state:
                    await client.publish(state_topic(name), orjson.dumps(state), qos=1, retain=True)
                    told[name] = state
            await asyncio.sleep(LOOK)

    def _states(self) -> dict[str, dict[str, Any]]:
        states: dict[str, dict[str, Any]] = {pond: {"alarm": _OFF, "alarms": []} for pond in self._config.ponds}
        for row in self._desk.records.latest():
            states[row["pond"]][row["quantity"]] = row["value"]
        for alarm in self._desk.records.alarms(DEFAULT):
            state = states.get(alarm["pond"])
            if state is not None:
                state["alarm"] = _ON
                state["alarms"].append(alarm["title"])
        return states


def _client(config: Config) -> aiomqtt.Client:
    mqtt: Mqtt = config.mqtt
    context = None
    if mqtt.ca_file:
        context = ssl.create_default_context(cafile=mqtt.ca_file)
        if mqtt.cert_file:
            context.load_cert_chain(mqtt.cert_file, mqtt.key_file)
    return aiomqtt.Client(
        mqtt.host,
        mqtt.port,
        username=mqtt.username,
        password=mqtt.password_file.read_text(encoding="utf-8").strip() if mqtt.password_file else None,
        identifier=f"{config.id}-home-assistant",
        tls_context=context,
        will=aiomqtt.Will(availability_topic(config.id), b"offline", qos=1, retain=True),
    )
