"""The demo's MQTT broker: Mosquitto where it is installed, else amqtt out of PyPI, so that a demo needs nothing but pip.

usage: python -m demo.broker PORT     (runs amqtt in the foreground)
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

# Debian puts it where only root's PATH looks.
_MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin")


def command(port: int, directory: Path) -> list[str]:
    """Return the command that runs a broker on 127.0.0.1:`port`, with its files in `directory`."""
    if _MOSQUITTO is None:
        return [sys.executable, "-m", "demo.broker", str(port)]
    config = directory / "mosquitto.conf"
    lines = (
        f"listener {port} 127.0.0.1",
        # The demo's broker is open, but only to this machine; a gateway's own is not: see docs/gateway.md.
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {directory}/",
        "autosave_on_changes true",
        "autosave_interval 1000",
        "max_queued_messages 100000",
        "user root",  # only read when root starts it, as in a container: its files lie in the demo's own folder
    )
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [_MOSQUITTO, "-c", str(config)]


async def serve(port: int) -> None:
    """Run amqtt on 127.0.0.1:`port` until SIGTERM."""
    from amqtt.broker import Broker  # noqa: PLC0415  (its import costs half a second that Mosquitto's users need not pay)

    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    await broker.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
