"""Looking a batch's samples through: whole columns at once where all is well, row by row where something is not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Final

from vuong.flags import Flag
from vuong.quantities import QUANTITIES

_FLAGS: Final = frozenset({*map(int, Flag), None})
_LARGEST: Final = 2**63 - 2  # the next number is still one that databases hold
# No probe measures more; sums of such values stay far from where a database's numbers end.
_MOST: Final = 1e9
# A node without a clock is resolved by its gateway, so a time before this is a mistake, and so is one well ahead of now.
_EARLIEST: Final = 946_684_800  # 2000-01-01
_AHEAD: Final = 86_400


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that is not taken: which part and row of the batch, why, and the record itself."""

    part: str
    row: int
    reason: str
    record: object

    def reply(self) -> dict[str, object]:
        """Return what the gateway is told."""
        return {"part": self.part, "row": self.row, "reason": self.reason}


class StructureError(ValueError):
    """The batch as a whole cannot be read; names the field and what was expected."""


@dataclass(slots=True)
class Samples:
    """Checked samples as columns of one length: `values` and `flags` by quantity; `reasons` by row; plus what was refused."""

    node_id: Sequence[int] = ()
    time: Sequence[int] = ()
    boot: Sequence[int] = ()
    seq: Sequence[int] = ()
    arrived: Sequence[int] = ()
    values: dict[str, Sequence[float | None]] = field(default_factory=dict)
    flags: dict[str, Sequence[int | None]] = field(default_factory=dict)
    reasons: dict[int, dict[str, Any]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)

    def chosen(self, rows: Sequence[int]) -> Samples:
        """Return some of the samples, in the order of `rows`."""
        position = {row: index for index, row in enumerate(rows)}
        picked = {name: [getattr(self, name)[row] for row in rows] for name in ("node_id", "time", "boot", "seq", "arrived")}
        return Samples(
            **picked,
            values={name: [column[row] for row in rows] for name, column in self.values.items()},
            flags={name: [column[row] for row in rows] for name, column in self.flags.items()},
            reasons={position[row]: reason for row, reason in self.reasons.items() if row in position},
        )


def _outside(column: list[Any], low: int, high: int) -> Iterator[int]:
    """Yield the rows that are not integers from `low` to `high`."""
    if not column or (set(map(type, column)) == {int} and low <= min(column) and max(column) <= high):
        return
    for row, value in enumerate(column):
        if type(value) is not int or not low <= value <= high:
            yield row


def _column(columns: dict[str, Any], name: str, rows: int | None = None) -> list[Any]:
    column = columns.get(name)
    if not isinstance(column, list):
        raise StructureError(f"samples.{name} is {type(column).__name__}; send a list")
    if rows is not None and len(column) != rows:
        raise StructureError(f"samples.{name} has {len(column)} rows where samples.node has {rows}; send columns of one length")
    return column


def _by_quantity(columns: dict[str, Any], name: str, rows: int) -> dict[str, list[Any]]:
    table = columns.get(name, {})
    if not isinstance(table, dict):
        raise StructureError(f"samples.{name} is {type(table).__name__}; send an object with a list a quantity")
    for quantity, column in table.items():
        if not isinstance(column, list) or len(column) != rows:
            raise StructureError(f"samples.{name}.{quantity} is not a list of {rows} rows; send columns of one length")
    return table


def _values(column: list[Any], name: str, refused: dict[int, str]) -> list[float | None]:
    kinds = set(map(type, column))
    if kinds <= {float, NoneType}:
        measured = column if NoneType not in kinds else [value for value in column if value is not None]
        if not measured or (min(measured) >= -_MOST and max(measured) <= _MOST):
            return column
    for row, value in enumerate(column):
        if type(value) not in {float, int, NoneType}:
            refused.setdefault(row, f"{name} is {value!r:.60}; send a number or null")
        elif value is not None and not -_MOST <= value <= _MOST:
            refused.setdefault(row, f"{name} is {value!r:.60}; send a number from {-_MOST:g} to {_MOST:g}")
    return [float(value) if type(value) is int and abs(value) <= _MOST else value for value in column]


def _flags(column: list[Any], name: str, refused: dict[int, str]) -> list[int | None]:
    if not (set(map(type, column)) <= {int, NoneType} and set(column) <= _FLAGS):
        for row, value in enumerate(column):
            if type(value) not in {int, NoneType} or value not in _FLAGS:
                refused.setdefault(row, f"flag of {name} is {value!r:.60}; send 1, 2, 3, 4, 9 or null")
    return column


def _is_reason(entry: object) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("key"), str)
        and all(isinstance(number, (str, int, float, NoneType)) for number in entry.values())
    )


def _reasons(given: object, rows: int, refused: dict[int, str]) -> dict[int, dict[str, Any]]:
    if not isinstance(given, dict):
        raise StructureError(f"samples.reasons is {type(given).__name__}; send an object from row to reasons")
    reasons = {}
    for key, reason in given.items():
        if not key.isascii() or not key.isdigit() or int(key) >= rows:
            raise StructureError(f"samples.reasons has row {key!r:.60}; send a number below {rows}")
        row = int(key)
        if isinstance(reason, dict) and all(map(_is_reason, reason.values())):
            reasons[row] = reason
        else:
            refused.setdefault(row, 'reasons are not {quantity: {"key": ...}}')
    return reasons


def _record(columns: dict[str, Any], row: int) -> dict[str, Any]:
    """Return one row of the columns as it came."""
    record: dict[str, Any] = {name: columns[name][row] for name in ("node", "boot", "seq", "time", "arrived")}
    record |= {part: {name: column[row] for name, column in columns.get(part, {}).items()} for part in ("values", "flags")}
    return record


def check_samples(columns: object, nodes: dict[str, int], now: float) -> Samples:
    """Return the samples that can be taken, and a refusal for each that cannot.

    Parameters
    ----------
    columns : `vuong.contract.batch.SampleColumns`, not yet trusted
    nodes : EUI-64 → id of the nodes that this gateway may write
    now : UTC seconds; a time more than a day ahead is refused

    Raises
    ------
    StructureError
        if the columns are not lists of one length
    """
    if not isinstance(columns, dict):
        raise StructureError(f"samples is {type(columns).__name__}; send an object of columns")
    node = _column(columns, "node")
    rows = len(node)
    boot, seq, time, arrived = (_column(columns, name, rows) for name in ("boot", "seq", "time", "arrived"))
    values, flags = _by_quantity(columns, "values", rows), _by_quantity(columns, "flags", rows)

    refused: dict[int, str] = {}
    ids = [nodes.get(eui) if type(eui) is str else None for eui in node]
    if None in ids:
        for row, found in enumerate(ids):
            if found is None:
                refused[row] = f"node is {node[row]!r:.60}, which is none of this gateway's co-op"
    latest = int(now) + _AHEAD
    for name, column, low, high in (
        ("boot", boot, 0, 2**32 - 1),
        ("seq", seq, 1, _LARGEST),
        ("time", time, _EARLIEST, latest),
        ("arrived", arrived, 0, _LARGEST),
    ):
        for row in _outside(column, low, high):
            refused.setdefault(row, f"{name} is {column[row]!r:.60}; send an integer from {low} to {high}")
    known = {name: _values(column, name, refused) for name, column in values.items() if name in QUANTITIES}
    flagged = {name: _flags(column, name, refused) for name, column in flags.items() if name in known}
    reasons = _reasons(columns.get("reasons", {}), rows, refused)

    result = Samples(
        refusals=[Refusal("samples", row, reason, _record(columns, row)) for row, reason in sorted(refused.items())],
        reasons=reasons,
    )
    for name in values.keys() - known.keys():
        for row, value in enumerate(values[name]):
            if value is not None and row not in refused:
                text = f"quantity {name!r:.60} is not known; known are {', '.join(QUANTITIES)}"
                result.refusals.append(Refusal("samples", row, text, _record(columns, row)))
    if not refused:
        result.node_id = [found for found in ids if found is not None]
        result.time, result.boot, result.seq, result.arrived = time, boot, seq, arrived
        result.values, result.flags = dict(known), dict(flagged)
        return result

    result.node_id, result.time, result.boot, result.seq, result.arrived = ids, time, boot, seq, arrived  # type: ignore[assignment]
    result.values, result.flags = dict(known), dict(flagged)
    taken = result.chosen([row for row in range(rows) if row not in refused])
    taken.refusals = result.refusals
    return taken
