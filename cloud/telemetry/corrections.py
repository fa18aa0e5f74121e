"""Changing what a probe said, with what it said kept: who, when, why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, bindparam, insert, select, update

from cloud.farms.tables import Node
from cloud.telemetry.mirror import enqueue
from cloud.telemetry.retention import line
from cloud.telemetry.rollups import hour_of, mark_stale
from cloud.telemetry.tables import Latest, Revision, Sample
from cloud.telemetry.validation import Samples
from vuong.flags import Flag
from vuong.quantities import QUANTITIES

MOST: Final = 100_000  # readings that one correction may change


class CorrectionError(ValueError):
    """A correction that cannot be made; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What shall happen to one quantity of a pond from `start` (inclusive) to `end` (exclusive).

    Attributes
    ----------
    pond, quantity, start, end : which readings
    flag : the QARTOD flag that they get, ``None`` to leave it
    scale, offset : a value becomes ``value * scale + offset``
    value : a value becomes this
    reason : why, in the author's words
    """

    pond: str
    quantity: str
    start: int
    end: int
    reason: str
    flag: Flag | None = None
    scale: float = 1.0
    offset: float = 0.0
    value: float | None = None

    def applied(self, value: float) -> float:
        """Return what a value becomes."""
        return self.value if self.value is not None else value * self.scale + self.offset

    def check(self) -> None:
        """Raise `CorrectionError` where it makes no sense."""
        if self.quantity not in QUANTITIES:
            raise CorrectionError(f"quantity {self.quantity!r:.60} is not known; known are {', '.join(QUANTITIES)}")
        if self.start >= self.end:
            raise CorrectionError(f"start {self.start} is not before end {self.end}")
        if not self.reason.strip() or "\0" in self.reason:
            raise CorrectionError("the reason is empty; say why the readings are changed")
        if self.flag is None and self.value is None and self.scale == 1.0 and self.offset == 0.0:
            raise CorrectionError("nothing would change; give flag, value, scale or offset")
        if self.value is not None and (self.scale != 1.0 or self.offset != 0.0):
            raise CorrectionError("value comes with scale or offset; give either")


def correct(engine: Engine, correction: Correction, *, author: str, now: float, mirror: bool = False) -> int:
    """Change the readings and keep what they were; return how many changed.

    The caller has made sure that the author may write to the pond. A reading that is already as the correction wants it stays, so that a
    correction of a value or flag sent twice has one effect.

    Raises
    ------
    CorrectionError
        if it makes no sense, touches readings that were let go, or too many at once
    """
    correction.check()
    name, quantity = correction.quantity, QUANTITIES[correction.quantity]
    table = Sample.__table__
    c = table.c
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        edge = line(connection)
        if correction.start < edge:
            raise CorrectionError(
                f"start is {correction.start}; single readings before {edge} are no longer kept, only their hours"
            )
        nodes = select(Node.id).where(Node.pond_id == correction.pond).order_by(Node.id)
        ids = list(connection.scalars(nodes if connection.dialect.name == "sqlite" else nodes.with_for_update(key_share=True)))
        span = (c.node_id.in_(ids), c.time >= correction.start, c.time < correction.end, c[name].is_not(None))
        rows = connection.execute(select(table).where(*span).order_by(c.node_id, c.time).limit(MOST + 1)).mappings().all()
        if len(rows) > MOST:
            raise CorrectionError(f"more than {MOST} readings lie from start to end; correct a shorter stretch")
        changed: list[dict[str, Any]] = []
        for row in rows:
            old, flag = row[name], row[f"{name}_flag"]
            new = correction.applied(old)
            mark = flag if correction.flag is None else int(correction.flag)
            if (new, mark) == (old, flag):
                continue
            if not quantity.low <= new <= quantity.high and mark != Flag.FAIL:
                raise CorrectionError(
                    f"{name} would become {new:g} {quantity.unit} at {row['time']}, outside {quantity.low:g}–{quantity.high:g}; "
                    "correct the numbers, or flag the stretch as failed (4)"
                )
            changed.append(dict(row) | {"new_value": new, "new_flag": mark})
        if not changed:
            return 0
        key = ("node_id", "time", "boot", "seq")
        one = update(table).where(*(c[part] == bindparam(f"at_{part}") for part in key))
        one = one.values({name: bindparam("new_value"), f"{name}_flag": bindparam("new_flag")})
        parameters = [
            {f"at_{part}": row[part] for part in key} | {"new_value": row["new_value"], "new_flag": row["new_flag"]}
            for row in changed
        ]
        connection.execute(one, parameters)
        told = {"quantity": name, "author": author, "changed": int(now), "reason": correction.reason.strip()}
        connection.execute(
            insert(Revision.__table__),
            [
                {part: row[part] for part in key}
                | {
                    "old_value": row[name],
                    "old_flag": row[f"{name}_flag"],
                    "new_value": row["new_value"],
                    "new_flag": row["new_flag"],
                }
                | told
                for row in changed
            ],
        )
        mark_stale(connection, {(row["node_id"], hour_of(row["time"])) for row in changed})
        for node in {row["node_id"] for row in changed}:
            newest = (
                select(c.time, c[name], c[f"{name}_flag"])
                .where(c.node_id == node, c[name].is_not(None))
                .order_by(c.time.desc(), c[name].desc())
                .limit(1)
            )
            last = connection.execute(newest).one()
            values = {name: last[1], f"{name}_time": last[0], f"{name}_flag": last[2]}
            connection.execute(update(Latest.__table__).where(Latest.__table__.c.node_id == node).values(values))
        if mirror:
            enqueue(connection, _as_samples(changed, name), now)
    return len(changed)


def _as_samples(rows: list[dict[str, Any]], name: str) -> Samples:
    columns: dict[str, Any] = {part: [row[part] for row in rows] for part in ("node_id", "time", "boot", "seq", "arrived")}
    return Samples(**columns, values={name: [row["new_value"] for row in rows]}, flags={name: [row["new_flag"] for row in rows]})
