"""Real certificates with one thing wrong each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.check import certificates
from gateway.check.finding import Finding
from gateway.config import Mqtt
from tests.gateway.check.conftest import Gateway
from tests.gateway.system.authority import Authority

Said = Callable[[Iterator[Finding]], list[tuple[str, str]]]
OK = ("ok", "certificate.ok")


@pytest.fixture
def authority(gateway: Gateway) -> Authority:
    made = Authority(gateway.folder / "tls")
    made.issue("gateway")
    tls = made.folder
    gateway.mqtt = Mqtt(port=8883, ca_file=tls / "ca.crt", cert_file=tls / "gateway.crt", key_file=tls / "gateway.key")
    return made


def test_all_well(gateway: Gateway, authority: Authority, said: Said) -> None:
    assert said(certificates.check(gateway.subject)) == [OK, OK]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (-30, -1, ("fail", "certificate.expired")),
        (1, 30, ("fail", "certificate.early")),
        (-1, 29, ("warn", "certificate.soon")),
        (-1, 31, OK),
    ],
)
def test_dates(gateway: Gateway, authority: Authority, said: Said, start: int, end: int, expected: tuple[str, str]) -> None:
    authority.issue("gateway", start=start, end=end)
    assert said(certificates.check(gateway.subject)) == [OK, expected]


def test_clock_of_the_gateway_decides(gateway: Gateway, authority: Authority, said: Said) -> None:
    """After a power cut without a clock module even good certificates are not valid yet."""
    gateway.clock.set(0)
    assert said(certificates.check(gateway.subject)) == [("fail", "certificate.early")] * 2


def test_foreign_certificate(gateway: Gateway, authority: Authority, said: Said, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign")
    foreign.issue("gateway")
    for name in ("gateway.crt", "gateway.key"):
        (authority.folder / name).write_bytes((foreign.folder / name).read_bytes())
    assert ("fail", "certificate.foreign") in said(certificates.check(gateway.subject))


def test_key_of_another_certificate(gateway: Gateway, authority: Authority, said: Said) -> None:
    authority.issue("other")
    (authority.folder / "gateway.key").write_bytes((authority.folder / "other.key").read_bytes())
    assert said(certificates.check(gateway.subject)) == [OK, OK, ("fail", "certificate.key_mismatch")]


def test_key_that_anybody_can_read(gateway: Gateway, authority: Authority, said: Said) -> None:
    (authority.folder / "gateway.key").chmod(0o644)
    assert said(certificates.check(gateway.subject)) == [OK, OK, ("fail", "certificate.key_open")]
    (authority.folder / "gateway.key").chmod(0o640)
    assert said(certificates.check(gateway.subject)) == [OK, OK]


@pytest.mark.parametrize("name", ["ca.crt", "gateway.crt", "gateway.key", "revoked.pem"])
@pytest.mark.parametrize(
    "content",
    [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff\x00"],
    ids=["missing", "empty", "hollow", "binary"],
)
def test_file_missing_or_garbage(gateway: Gateway, authority: Authority, said: Said, name: str, content: bytes | None) -> None:
    file = authority.folder / name
    if content is not None:
        file.write_bytes(content)
    elif name == "revoked.pem":
        file.unlink()
        file.mkdir()
    else:
        file.unlink()
    found = said(certificates.check(gateway.subject))
    assert ("fail", "certificate.unreadable" if content is None else "certificate.garbage") in found
    assert OK in found  # the others are still looked at


@pytest.mark.parametrize(("end", "expected"), [(-0.5, "certificate.list_expired"), (20, "certificate.list_soon"), (400, None)])
def test_revocation_list_has_an_end(gateway: Gateway, authority: Authority, said: Said, end: float, expected: str | None) -> None:
    authority.revoke(end=end)
    assert [key for _, key in said(certificates.check(gateway.subject))][2:] == ([expected] if expected else [])


def test_own_certificate_revoked(gateway: Gateway, authority: Authority, said: Said) -> None:
    authority.revoke(authority.issue("gateway"))
    assert ("fail", "certificate.revoked") in said(certificates.check(gateway.subject))


def test_no_certificates(gateway: Gateway, said: Said) -> None:
    assert said(certificates.check(gateway.subject)) == [("not-applicable", "certificate.none")]
    gateway.mqtt = Mqtt(host="192.0.2.1")
    assert said(certificates.check(gateway.subject)) == [("fail", "certificate.plain")]
