"""How the board connects: Wi-Fi, then the time where TLS needs it, then the broker."""

from firmware.errors import MqttError

TYPE_CHECKING = False  # `typing` is not on the node; type checkers take this name for true
if TYPE_CHECKING:
    from typing import Any

    from firmware.boundaries import Clock, Dial, OnMessage, Will
    from firmware.mqtt import Connection
    from firmware.wifi import Wifi


def dialer(config: "dict[str, Any]", node: str, wifi: "Wifi", clock: "Clock") -> "Dial":
    """Return the link's `dial` for the node's ``config.json`` (`firmware.main`)."""

    async def dial(on_message: "OnMessage", will: "Will | None") -> "Connection":
        await wifi.up()
        context = _context(config, clock) if "tls" in config else None
        from firmware.mqtt import Connection  # noqa: PLC0415 (not before there is something to connect to)

        return await Connection.open(
            config["broker"],
            config.get("port", 8883 if "tls" in config else 1883),
            node,
            on_message,
            user=config.get("user"),
            password=config.get("password"),
            will=will,
            tls=context,
            server_name=config.get("server_name"),
        )

    return dial


def _context(config: "dict[str, Any]", clock: "Clock") -> "Any":  # noqa: ANN401 (two interpreters, two types)
    from firmware import tls  # noqa: PLC0415 (what is not used is not loaded)

    if clock.now() is None:
        clock.set(_time(config))
    folder = config["tls"]
    try:
        own = [_read(folder, "node.der"), _read(folder, "node.key")] if config.get("client_certificate") else [None, None]
        return tls.context(_read(folder, "ca.der"), *own)
    except ValueError as error:  # so MicroPython says that a certificate or key is damaged
        raise MqttError("TLS: " + str(error))  # noqa: B904 (MicroPython does not chain)


def _time(config: "dict[str, Any]") -> int:
    """Ask the time of the servers in ``ntp`` (``host`` or ``host:port``), one after the other; the broker's machine is the first without it."""
    from firmware import ntp  # noqa: PLC0415 (once a cold start)
    from firmware.modules import drop  # noqa: PLC0415

    reason: "Exception | None" = None
    for server in config.get("ntp", [config["broker"], "pool.ntp.org"]):
        host, _, port = server.partition(":")
        try:
            return ntp.ask(host, int(port or ntp.PORT))
        except OSError as error:
            reason = error
        finally:
            drop("firmware.ntp")
    raise MqttError("no time server answers, and without the date no certificate can be checked: " + repr(reason))


def _read(folder: str, name: str) -> bytes:
    with open(folder + "/" + name, "rb") as file:
        return file.read()
