"""The service and the proxy that are shipped: systemd's own judgement, and a real nginx before a real cloud."""

from __future__ import annotations

import datetime
import ipaddress
import re
import shutil
import socket
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine

from cloud.accounts import attempts
from cloud.accounts.service import ATTEMPTS_A_MINUTE
from cloud.context import Context
from cloud.system.files import CIPHERS, Server, system_files
from tests.cloud.batches import NOW, PASSWORD, TOKENS, batch, packed, sample
from tests.cloud.conftest import served
from vuong.clock import ManualClock
from vuong.command import main

UNIT = Path("etc/systemd/system/vuong-cloud@.service")
SITE = Path("etc/nginx/conf.d/vuong.conf")
NAME = "vuong.example"
MOST_EXPOSED = 2.0  # systemd calls up to 2.0 "OK"; a service with no hardening has 9.6
systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="LEFT OUT: systemd-analyze is not installed here")
nginx = pytest.mark.skipif(
    shutil.which("nginx") is None and not Path("/usr/sbin/nginx").exists(), reason="LEFT OUT: nginx is not installed here"
)


def test_the_command_writes_them_and_refuses_what_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cloud", "system", "vuong.htx.example", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.split() == [str(tmp_path / place) for place in system_files(Server(name="x"))]
    site = (tmp_path / SITE).read_text()
    assert "/etc/letsencrypt/live/vuong.htx.example/fullchain.pem" in site
    assert "User=vuong-cloud" in (tmp_path / UNIT).read_text()
    for wrong in (["a b"], ["x;}"], [NAME, "--certificate", "relative.pem"], [NAME, "--key", "/a;b"]):
        assert main(["cloud", "system", *wrong, "--root", str(tmp_path)]) == 2
        assert "; give" in capsys.readouterr().err


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a root folder with the unit, what it starts, and the targets that it names."""
    for place, text in system_files(Server(name=NAME)).items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(text, encoding="utf-8")
    command = tmp_path / "opt/vuong/bin/vuong"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    units = tmp_path / "usr/lib/systemd/system"
    units.mkdir(parents=True)
    for name in ("sysinit", "basic", "network-online", "shutdown", "multi-user"):
        (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
    for name in ("system.slice", "system-vuong\\x2dcloud.slice", "-.slice"):
        (units / name).write_text("[Unit]\nDefaultDependencies=no\n")
    (units / "postgresql.service").write_text("[Service]\nExecStart=/opt/vuong/bin/vuong\n")
    return tmp_path


@systemd
@pytest.mark.parametrize("what", ["serve", "work"])
def test_systemd_finds_no_fault_and_little_exposure(root: Path, what: str) -> None:
    def ask(verb: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = ["systemd-analyze", verb, *options, f"--root={root}", f"vuong-cloud@{what}.service"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    verified = ask("verify", "--man=no", "--recursive-errors=no")
    assert [line for line in verified.stderr.splitlines() if "vuong" in line] == []
    assert verified.returncode == 0, verified.stderr
    judged = ask("security", "--offline=true", "--no-pager")
    found = re.search(r"Overall exposure level for .*: ([0-9.]+)", judged.stdout)
    assert found, judged.stdout + judged.stderr
    assert float(found[1]) <= MOST_EXPOSED
    (root / UNIT).write_text((root / UNIT).read_text().replace("RestartSec=2", "RestartSec=soon"))
    assert "Failed to parse" in ask("verify", "--man=no", "--recursive-errors=no").stderr, "the first judgement can fail"


@dataclass
class Door:
    """A proxy before a cloud: its ports, and the authority that its certificate is of."""

    http: int
    https: int
    cloud: str
    authority: Path

    def browser(self, **options: object) -> httpx.Client:
        """Return a browser that trusts the authority and finds the name on this machine."""
        context = ssl.create_default_context(cafile=str(self.authority))
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.https}",
            verify=context,
            headers={"Host": NAME},
            timeout=20,
            **options,  # type: ignore[arg-type]
        )


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate that is its own authority, and its key."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(x509.SubjectAlternativeName(names), False)
    signed = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True).sign(key, hashes.SHA256())
    (folder / "c.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "k.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return folder / "c.pem", folder / "k.pem"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def door(engine: Engine, tmp_path: Path) -> Iterator[Door]:
    """Serve a cloud behind a real nginx that has the shipped file."""
    pem, key = certificate(tmp_path)
    with served(Context(engine, b"k" * 32, clock=ManualClock(NOW), wall=ManualClock(NOW), hosts=(NAME,))) as address:
        http, https = free_port(), free_port()
        server = Server(
            name=NAME,
            certificate=pem,
            key=key,
            port=int(address.rsplit(":", 1)[1]),
            http=f"127.0.0.1:{http}",
            https=f"127.0.0.1:{https}",
        )
        (tmp_path / "site.conf").write_text(system_files(server)[SITE])
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log off; {temporary} include {tmp_path}/site.conf; }}\n"
        )
        command = [
            shutil.which("nginx") or "/usr/sbin/nginx",
            "-c",
            str(tmp_path / "nginx.conf"),
            "-e",
            str(tmp_path / "error.log"),
        ]
        process = subprocess.Popen(command, cwd=tmp_path)
        try:
            for _ in range(100):
                with closing(socket.socket()) as probe:
                    if probe.connect_ex(("127.0.0.1", https)) == 0:
                        break
                assert process.poll() is None, (tmp_path / "error.log").read_text()
                time.sleep(0.05)
            yield Door(http, https, address, pem)
        finally:
            process.terminate()
            process.wait(10)


@nginx
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the door does not depend on it
def test_only_strong_versions_and_ciphers_are_spoken(door: Door) -> None:
    def spoken(version: ssl.TLSVersion, ciphers: str | None = None) -> str | None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers(f"{ciphers or 'ALL'}:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of the old versions, which is why they are tried
            context.minimum_version = context.maximum_version = version
        try:
            with socket.create_connection(("127.0.0.1", door.https), 5) as plain, context.wrap_socket(plain) as secure:
                cipher = secure.cipher()
                return cipher[0] if cipher else None
        except (ssl.SSLError, ConnectionResetError):
            return None

    assert spoken(ssl.TLSVersion.TLSv1) is None
    assert spoken(ssl.TLSVersion.TLSv1_1) is None
    assert spoken(ssl.TLSVersion.TLSv1_3)
    everything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    everything.set_ciphers("ALL:@SECLEVEL=0")
    known = {cipher["name"] for cipher in everything.get_ciphers() if not cipher["name"].startswith("TLS_")}
    assert len(known) > 20
    taken = {name for name in known if spoken(ssl.TLSVersion.TLSv1_2, name)}
    assert taken == {name for name in CIPHERS if "ECDSA" in name}, "those of this certificate's kind, and no other"


@nginx
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_people_and_gateways_come_in_by_https_only(door: Door) -> None:
    plain = httpx.get(f"http://127.0.0.1:{door.http}/ponds?x=1", headers={"Host": NAME})
    assert (plain.status_code, plain.headers["Location"]) == (308, f"https://{NAME}/ponds?x=1")
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://127.0.0.1:{door.https}/")
    with door.browser() as browser:
        page = browser.get("/sign-in")
        assert page.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert page.headers["Server"] == "nginx", "no version"
        token = page.text.split('name="token" value="')[1].split('"')[0]
        reply = browser.post("/sign-in", data={"login": "sau", "password": PASSWORD, "token": token})
        assert reply.status_code == 303
        assert any(cookie.startswith("__Host-vuong_session=") for cookie in reply.headers.get_list("Set-Cookie"))
        assert browser.get("/ponds").status_code == 200
        assert browser.get("/metrics").status_code == 403
        assert browser.get("/healthz", headers={"Host": "evil.example"}).status_code == 400
        headers = {"Authorization": f"Bearer {TOKENS['gw-a']}", "Content-Encoding": "gzip"}
        body = packed(batch([sample(n, do=5.0) for n in range(1, 500)]))
        assert browser.post("/api/v1/batches", content=body, headers=headers).status_code == 200
        with browser.stream("GET", "/api/v1/events", headers={"Authorization": f"Bearer {TOKENS['gw-a']}"}) as events:
            assert next(events.iter_lines()) == "event: live", "at once, not when a buffer is full"


@nginx
@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_what_a_client_says_of_itself_is_not_believed(door: Door, engine: Engine) -> None:
    for _ in range(ATTEMPTS_A_MINUTE - 2):
        attempts.spend(engine, "address:127.0.0.1", NOW, limit=ATTEMPTS_A_MINUTE, seconds=60)
    with door.browser() as browser:
        codes = []
        for n in range(4):  # from one address, whatever it calls itself
            forged = {"X-Forwarded-For": f"10.0.0.{n}", "Forwarded": f"for=10.0.0.{n}", "X-Forwarded-Proto": "http"}
            reply = browser.post("/api/v1/devices", json={"login": f"nobody{n}", "password": "guessed"}, headers=forged)
            codes.append(reply.status_code)
            assert "Strict-Transport-Security" in reply.headers
    assert codes == [401, 401, 429, 429]
