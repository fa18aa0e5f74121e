"""Who is in the demo: co-ops, ponds, nodes, people; and the files that tell gateways and cloud of them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

# Names as people in Sóc Trăng give them; the places are real, the farms are not.
_COOPS: Final = (
    ("vinh-chau", "HTX Tôm Vĩnh Châu", 105.98, 9.33),
    ("my-xuyen", "HTX Nuôi trồng Mỹ Xuyên", 105.99, 9.55),
    ("tran-de", "HTX Thủy sản Trần Đề", 106.20, 9.50),
)
_OWNERS: Final = (
    "Cô Sáu",
    "Chú Ba",
    "Anh Thạch Sơn",
    "Chị Lý Hoa",
    "Bác Tư",
    "Anh Kim Dara",
    "Dì Năm",
    "Chú Út",
    "Chị Sơn Thị Mai",
    "Anh Tâm",
)


@dataclass(frozen=True, slots=True)
class Pond:
    """A pond with its one node."""

    number: int
    id: str
    name: str
    coop: str
    species: str
    node: str
    longitude: float
    latitude: float


@dataclass(frozen=True, slots=True)
class Coop:
    """A co-operative with its one gateway; the token is this run's own."""

    id: str
    name: str
    gateway: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can sign in; the password is this run's own."""

    login: str
    name: str
    role: str
    coop: str | None
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Farm:
    """Everything that the demo runs."""

    coops: tuple[Coop, ...]
    ponds: tuple[Pond, ...]
    people: tuple[Person, ...]

    def of(self, coop: Coop) -> list[Pond]:
        """Return the ponds of a co-op."""
        return [pond for pond in self.ponds if pond.coop == coop.id]


def make(ponds: int) -> Farm:
    """Return a farm of `ponds` ≥ 1 ponds, dealt out over up to three co-ops."""
    coops = tuple(Coop(key, name, f"gw-{key}", secrets.token_urlsafe(32)) for key, name, _, _ in _COOPS[:ponds])
    places = {key: (longitude, latitude) for key, _, longitude, latitude in _COOPS}
    rows = []
    for number in range(1, ponds + 1):
        coop = coops[(number - 1) % len(coops)]
        longitude, latitude = places[coop.id]
        rows.append(
            Pond(
                number=number,
                id=f"ao-{number}",
                name=f"Ao {number} · {_OWNERS[(number - 1) % len(_OWNERS)]}",
                coop=coop.id,
                species="vannamei" if number % 3 else "monodon",
                node=f"{0x0050_C2FF_FE00_0000 + number:016x}",
                longitude=longitude + 0.002 * (number // 3),
                latitude=latitude + 0.002 * (number // 3),
            )
        )
    people = (
        Person("nongdan", "Nguyễn Thị Sáu", "farmer", coops[0].id, secrets.token_hex(4)),
        Person("htx", "Trần Văn Hòa", "manager", coops[0].id, secrets.token_hex(4)),
        Person("canbo", "Lý Thị Bopha", "official", None, secrets.token_hex(6)),
    )
    return Farm(coops, tuple(rows), people)


def write_gateway(farm: Farm, coop: Coop, directory: Path, *, broker: int, cloud: str, lan: int) -> Path:
    """Write one co-op's gateway configuration and its token; return the configuration's path."""
    home = directory / coop.gateway
    home.mkdir(parents=True, exist_ok=True)
    token = home / "cloud.token"
    token.touch(mode=0o600)
    token.write_text(coop.token, encoding="utf-8")
    ponds = farm.of(coop)
    lines = [
        "[gateway]",
        f'id = "{coop.gateway}"',
        f'name = "{coop.name}"',
        f'database = "{home / "gateway.db"}"',
        "[mqtt]",
        'host = "127.0.0.1"',
        f"port = {broker}",
        "[cloud]",
        f'url = "{cloud}"',
        f'token_file = "{token}"',
        "[lan]",
        'host = "127.0.0.1"',
        f"port = {lan}",
    ]
    for pond in ponds:
        neighbours = ", ".join(f'"{other.id}"' for other in ponds if other is not pond)
        lines += ["[[ponds]]", f'id = "{pond.id}"', f'name = "{pond.name}"', f'species = "{pond.species}"']
        lines += [f"longitude = {pond.longitude:.4f}", f"neighbours = [{neighbours}]"]
    for pond in ponds:
        lines += ["[[nodes]]", f'id = "{pond.node}"', f'pond = "{pond.id}"']
    path = home / "gateway.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_cloud(farm: Farm, directory: Path) -> Path:
    """Write the farm file that ``vuong cloud import`` reads, secrets and all; return its path."""
    lines = []
    for coop in farm.coops:
        lines += ["[[cooperatives]]", f'id = "{coop.id}"', f'name = "{coop.name}"']
        lines += ["[[gateways]]", f'id = "{coop.gateway}"', f'cooperative = "{coop.id}"', f'token = "{coop.token}"']
    for pond in farm.ponds:
        lines += [
            "[[ponds]]",
            f'id = "{pond.id}"',
            f'cooperative = "{pond.coop}"',
            f'name = "{pond.name}"',
            f'species = "{pond.species}"',
        ]
        lines += [f"longitude = {pond.longitude:.4f}", f"latitude = {pond.latitude:.4f}"]
        lines += ["[[nodes]]", f'id = "{pond.node}"', f'pond = "{pond.id}"']
    for person in farm.people:
        lines += [
            "[[users]]",
            f'login = "{person.login}"',
            f'name = "{person.name}"',
            f'role = "{person.role}"',
            f'password = "{person.password}"',
        ]
        if person.coop is not None:
            lines.append(f'cooperative = "{person.coop}"')
    path = directory / "farm.toml"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
