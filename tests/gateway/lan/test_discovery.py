"""A phone finds the gateway: DNS-SD over mDNS, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from zeroconf import IPVersion, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from gateway.config import Config
from gateway.lan import discovery


@pytest.mark.slow
async def test_a_browser_of_services_finds_it_and_sees_it_go(tmp_path: Path, make_config: Callable[..., Config]) -> None:
    config = make_config(tmp_path)
    announcing = asyncio.create_task(discovery.announce(config, 8080))
    seen: asyncio.Queue[tuple[ServiceStateChange, str]] = asyncio.Queue()

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        del zeroconf, service_type
        if name.startswith("HTX Thử"):
            seen.put_nowait((state_change, name))

    phone = AsyncZeroconf(interfaces=["127.0.0.1"], ip_version=IPVersion.V4Only)
    try:
        browser = AsyncServiceBrowser(phone.zeroconf, "_vuong._tcp.local.", handlers=[changed])
        state, name = await asyncio.wait_for(seen.get(), 20)
        assert state is ServiceStateChange.Added
        info = AsyncServiceInfo("_vuong._tcp.local.", name)
        assert await info.async_request(phone.zeroconf, 10_000)
        assert info.parsed_addresses() == ["127.0.0.1"]
        assert info.port == 8080
        assert info.decoded_properties["id"] == "gw-1"
        assert info.decoded_properties["api"] == "/api/v1"
        assert info.decoded_properties["tls"] == "0"
        announcing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await announcing
        while state is not ServiceStateChange.Removed:
            state, _ = await asyncio.wait_for(seen.get(), 20)
        await browser.async_cancel()
    finally:
        announcing.cancel()
        await phone.async_close()


def test_a_long_name_with_dots_becomes_one_label(tmp_path: Path, make_config: Callable[..., Config]) -> None:
    config = make_config(tmp_path, gateway={"id": "gw-1", "name": "Hợp tác xã. " * 10, "database": "gateway.db"})
    service = discovery.service(config, 8080, ["127.0.0.1"])
    label = service.name.removesuffix("._vuong._tcp.local.")
    assert "." not in label
    assert len(label.encode()) <= 63


def test_loopback_is_no_address_for_others() -> None:
    assert not [ip for ip in discovery.addresses() if ip.startswith("127.")]
    assert discovery.served_addresses("192.168.4.1") == ["192.168.4.1"]
