"""What each role may do: one table. Whose records somebody sees is their scope (`cloud.tenancy`); this is what they may do with them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from vuong.contract import api as contract


class Role(StrEnum):
    """What somebody is here for; the first three belong to one co-operative, the last two see all."""

    FARMER = "farmer"
    MANAGER = "manager"
    TECHNICIAN = "technician"
    OFFICIAL = "official"
    ADMINISTRATOR = "administrator"

    @property
    def sees_all(self) -> bool:
        """Whether the role is not bound to one co-operative."""
        return self in {Role.OFFICIAL, Role.ADMINISTRATOR}


class Right(StrEnum):
    """One thing that somebody may do; the first four are those of `vuong.contract.api.Right`, which a gateway knows too."""

    READ = "read"  # readings, alarms, ponds, diary
    ACKNOWLEDGE = "acknowledge"
    ENTER = "enter"  # hand readings
    CALIBRATE = "calibrate"
    RECORD = "record"  # write in the pond diary
    PONDS = "ponds"  # create ponds and change them
    DEVICES = "devices"  # nodes, gateways and their tokens
    CORRECT = "correct"  # correct stored readings
    EXPORT = "export"  # certification records
    AUDIT = "audit"  # read the audit log
    PEOPLE = "people"  # create people, disable them
    UNITS = "units"  # administrative units and crosswalks


_OWN: Final[dict[Role, frozenset[Right]]] = {
    Role.FARMER: frozenset({Right.RECORD}),
    Role.TECHNICIAN: frozenset({Right.RECORD, Right.PONDS, Right.DEVICES, Right.CORRECT}),
    Role.MANAGER: frozenset({Right.RECORD, Right.PONDS, Right.DEVICES, Right.CORRECT, Right.EXPORT, Right.AUDIT, Right.PEOPLE}),
    Role.OFFICIAL: frozenset({Right.EXPORT}),
    Role.ADMINISTRATOR: frozenset(Right),
}
RIGHTS: Final[dict[Role, frozenset[Right]]] = {
    role: own | {Right(right) for right in contract.RIGHTS[role]} for role, own in _OWN.items()
}
# What a gateway may do beside sending batches and exchanging entries.
GATEWAY_RIGHTS: Final = frozenset(Right(right) for right in contract.RIGHTS["gateway"])
