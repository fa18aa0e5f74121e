"""TLS under the real MicroPython against a real Mosquitto: authority, name, date and client certificate are checked."""

from __future__ import annotations

import ipaddress
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .conftest import Broker
from .test_micropython import MICROPYTHON, image  # noqa: F401 (a fixture)

NOW = datetime.now(UTC)
DAY = timedelta(days=1)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not MICROPYTHON.exists(), reason="LEFT OUT: no MicroPython here; run scripts/micropython_root.sh .micropython"
    ),
]


class Authority:
    """Issues certificates into a folder, DER for the node and PEM for the broker."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.certificate = self._sign(self.subject, self.key.public_key(), NOW - DAY, NOW + 9 * DAY, [], authority=True)

    def _sign(
        self,
        subject: x509.Name,
        public: ec.EllipticCurvePublicKey,
        start: datetime,
        end: datetime,
        names: list[x509.GeneralName],
        *,
        authority: bool = False,
    ) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, file: str, start: datetime = NOW - DAY, end: datetime = NOW + 9 * DAY) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = self._sign(subject, key.public_key(), start, end, names)
        for suffix, encoding in (("pem", serialization.Encoding.PEM), ("der", serialization.Encoding.DER)):
            (self.folder / f"{file}.{suffix}").write_bytes(certificate.public_bytes(encoding))
        for suffix, encoding in (("keypem", serialization.Encoding.PEM), ("key", serialization.Encoding.DER)):
            (self.folder / f"{file}.{suffix}").write_bytes(
                key.private_bytes(encoding, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
            )


def connect(image: Path, folder: Path, server: str, *, name: str = "gateway.test", mine: str = "node") -> str:  # noqa: F811
    settings = (
        f"cafile {folder}/ca.pem\ncertfile {folder}/{server}.pem\nkeyfile {folder}/{server}.keypem\nrequire_certificate true\n"
    )
    broker = Broker(folder, settings)
    broker.start()
    try:
        done = subprocess.run(
            [
                MICROPYTHON,
                "-X",
                "heapsize=65536",
                str(Path(__file__).with_name("tls_node.py")),
                str(folder),
                str(broker.port),
                name,
                mine,
            ],
            env={"MICROPYPATH": f"{image}:.frozen"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        broker.kill()
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tls")
    authority, stranger = Authority(made, "Our authority"), Authority(made, "Another authority")
    (made / "ca.der").write_bytes(authority.certificate.public_bytes(serialization.Encoding.DER))
    (made / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    authority.issue("gateway.test", "good")
    authority.issue("gateway.test", "expired", NOW - 9 * DAY, NOW - DAY)
    authority.issue("gateway.test", "early", NOW + DAY, NOW + 9 * DAY)
    stranger.issue("gateway.test", "strange")
    authority.issue("0123456789abcdef", "node")
    stranger.issue("0123456789abcdef", "nobody")
    return made


def test_a_node_and_a_broker_of_one_authority_connect(image: Path, folder: Path) -> None:  # noqa: F811
    told = connect(image, folder, "good")
    assert told.startswith("connected")
    assert int(told.split()[1]) < 65536


@pytest.mark.parametrize(
    ("server", "reason"), [("strange", "not correctly signed"), ("expired", "expired"), ("early", "starts in the future")]
)
def test_a_broker_with_a_wrong_certificate_is_refused(image: Path, folder: Path, server: str, reason: str) -> None:  # noqa: F811
    told = connect(image, folder, server)
    assert told.startswith("refused MqttError")
    assert reason in told


def test_a_broker_of_another_name_is_refused(image: Path, folder: Path) -> None:  # noqa: F811
    told = connect(image, folder, "good", name="elsewhere.test")
    assert told.startswith("refused MqttError")
    assert "does not match" in told


@pytest.mark.parametrize("mine", ["none", "nobody"])
def test_a_node_without_its_own_certificate_is_refused(image: Path, folder: Path, mine: str) -> None:  # noqa: F811
    assert connect(image, folder, "good", mine=mine).startswith("refused")
