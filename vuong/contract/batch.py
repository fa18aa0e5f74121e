"""Gateway → cloud: one compressed JSON document of columns, POSTed to ``/api/v1/batches``.

The reply is ``{"accepted": <last position>, "quarantined": [...]}``. A batch may be sent any number of times, in any order, with one effect: a
sample is known by (node, boot, seq), an alarm by its id and revision, a node's status by (node, time).

Headers: ``Authorization: Bearer <gateway token>``, ``Content-Encoding: gzip``, ``Idempotency-Key: <gateway>/<stream>/<first>-<last>``.
Columns keep the document small and let the receiver insert without building an object a row.
"""

from __future__ import annotations

from typing import TypedDict

PATH = "/api/v1/batches"
VERSION = 1


class SampleColumns(TypedDict):
    """Samples, one list a column, all of one length; ``values`` and ``flags`` hold a list a quantity, ``None`` where there is no reading.

    ``time`` is UTC seconds, ``arrived`` when the gateway had it; ``flags`` are QARTOD's; ``reasons`` maps a row number (as text) to
    ``{quantity: {"key": ..., ...numbers}}`` for the readings whose flag is 3 or 4.
    """

    node: list[str]
    boot: list[int]
    seq: list[int]
    time: list[int]
    arrived: list[int]
    values: dict[str, list[float | None]]
    flags: dict[str, list[int | None]]
    reasons: dict[str, dict[str, dict[str, object]]]


class AlarmRow(TypedDict):
    """One alarm as it stands; a later revision replaces an earlier one.

    ``id`` is drawn by the gateway (UUID), ``kind`` a row of `vuong.alarms`, ``state`` ISA-18.2's; times are UTC seconds or ``None``.
    ``numbers`` fill the placeholders of the kind's texts: raw floats and times, formatted in the reader's language.
    """

    id: str
    revision: int
    pond: str
    node: str | None
    kind: str
    quantity: str | None
    state: str
    raised: int
    cleared: int | None
    acknowledged: int | None
    numbers: dict[str, float | int | str]


class StatusRow(TypedDict):
    """A node's state as its gateway saw it change."""

    node: str
    time: int
    state: str
    detail: dict[str, float | int | str | None]


class Batch(TypedDict):
    """What one POST carries; empty parts are left out."""

    version: int
    gateway: str
    first: int
    last: int
    samples: SampleColumns
    alarms: list[AlarmRow]
    statuses: list[StatusRow]
