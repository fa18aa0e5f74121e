"""The gateway tells the network where it is: DNS-SD service ``_vuong._tcp`` over mDNS (RFC 6762, RFC 6763)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from importlib.metadata import version
from typing import Final

import ifaddr
from zeroconf import Error, InterfaceChoice, IPVersion, ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from gateway.config import Config

_LOG = logging.getLogger(__name__)

SERVICE: Final = "_vuong._tcp.local."
LOOK: Final = 30.0  # seconds between looks for changed addresses: Wi-Fi comes and goes
_LONGEST_LABEL: Final = 63  # bytes, RFC 1035


def addresses() -> list[str]:
    """Return this machine's IPv4 addresses that others may reach."""
    found = {ip.ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if isinstance(ip.ip, str)}
    return sorted(ip for ip in found if not ipaddress.ip_address(ip).is_loopback)


def served_addresses(host: str) -> list[str]:
    """Return the addresses under which a server that listens on `host` is reached."""
    try:
        listening = ipaddress.ip_address(host)
    except ValueError:
        return [socket.gethostbyname(host)]
    return addresses() if listening.is_unspecified else [host]


def service(config: Config, port: int, reached: list[str]) -> ServiceInfo:
    """Return what is announced: name, address, and where the API is."""
    label = config.name.encode()[:_LONGEST_LABEL].decode(errors="ignore").replace(".", " ").strip() or config.id
    properties = {
        "id": config.id,
        "api": "/api/v1",
        "tls": "1" if config.lan.cert_file else "0",
        "version": version("vuong"),
    }
    return ServiceInfo(
        SERVICE,
        f"{label}.{SERVICE}",
        port=port,
        properties=properties,
        server=f"vuong-{config.id[:50]}.local.",
        parsed_addresses=reached,
    )


async def announce(config: Config, port: int) -> None:
    """Announce until cancelled; a network that is not there yet is waited for, and stops nothing else."""
    while True:
        reached = served_addresses(config.lan.host)
        if not reached:
            await asyncio.sleep(LOOK)
            continue
        try:
            await _announce(config, port, reached)
        except (OSError, Error) as error:
            _LOG.warning("cannot announce on the network (%s: %s); next try in %.0f s", type(error).__name__, error, LOOK)
            await asyncio.sleep(LOOK)


async def _announce(config: Config, port: int, reached: list[str]) -> None:
    own = all(ipaddress.ip_address(ip).is_loopback for ip in reached)
    zeroconf = AsyncZeroconf(interfaces=reached if own else InterfaceChoice.All, ip_version=IPVersion.V4Only)
    try:
        await zeroconf.async_register_service(service(config, port, reached), allow_name_change=True)
        _LOG.info("announced as %s at %s:%d", SERVICE, ", ".join(reached), port)
        while served_addresses(config.lan.host) == reached:  # noqa: ASYNC110 - nothing tells of a new address
            await asyncio.sleep(LOOK)
    finally:
        await zeroconf.async_unregister_all_services()
        await zeroconf.async_close()
