"""What an operator decides about signing in: who needs a second factor, and after how long a quiet session ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Self

from cloud.accounts.roles import Role

FACTOR_VARIABLE: Final = "VUONG_SECOND_FACTOR"
IDLE_VARIABLE: Final = "VUONG_IDLE_MINUTES"
# A session is over after this time, used or not (OWASP ASVS 3.3.2, level 2).
SESSION_SECONDS: Final = 12 * 3600
_LONGEST: Final = SESSION_SECONDS // 60
# Who sees all co-operatives, 30 minutes. Co-ops, as long as a session lasts: a screen on the office's wall and a farmer at night
# shall show an alarm, not a sign-in form.
_IDLE: Final = MappingProxyType({role: 1800 if role.sees_all else SESSION_SECONDS for role in Role})


@dataclass(frozen=True, slots=True)
class Policy:
    """What is asked of whom.

    Attributes
    ----------
    second_factor : roles that cannot sign in without one; everybody else may have one
    idle : seconds without a visit after which a role's session is over
    """

    second_factor: frozenset[Role] = frozenset({Role.ADMINISTRATOR})
    idle: Mapping[Role, int] = field(default_factory=lambda: _IDLE)

    @classmethod
    def from_environment(cls) -> Self:
        """Return what the environment says, the defaults where it says nothing.

        Raises
        ------
        ValueError
            naming the variable, what is wrong with it, and what to give
        """
        factor, idle = os.environ.get(FACTOR_VARIABLE), os.environ.get(IDLE_VARIABLE, "")
        minutes = dict(_IDLE)
        for part in filter(None, (part.strip() for part in idle.split(","))):
            name, _, number = part.partition("=")
            if not number.isascii() or not number.isdigit() or not 1 <= int(number) <= _LONGEST:
                raise ValueError(f"{IDLE_VARIABLE} has {part!r:.60}; give role=minutes with 1 to {_LONGEST} minutes")
            minutes[_role(name, IDLE_VARIABLE)] = int(number) * 60
        if factor is None:
            return cls(idle=MappingProxyType(minutes))
        names = [name.strip() for name in factor.split(",") if name.strip() not in {"", "none"}]
        return cls(frozenset(_role(name, FACTOR_VARIABLE) for name in names), MappingProxyType(minutes))


def _role(name: str, variable: str) -> Role:
    try:
        return Role(name.strip())
    except ValueError:
        raise ValueError(f"{variable} names {name.strip()!r:.60}, which is no role; give {', '.join(Role)}") from None
