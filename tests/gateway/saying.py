"""What somebody does with an alarm, as an entry."""

from __future__ import annotations

import itertools
from typing import Any

from vuong.contract.batch import AlarmRow
from vuong.contract.entry import Entry

_number = itertools.count(1)


def said(kind: str, alarm: AlarmRow, at: int, *, by: str = "sau", **content: Any) -> Entry:  # noqa: ANN401
    """Return an entry about an alarm as it was seen."""
    content = {"alarm": alarm["id"], "revision": alarm["revision"], **content}
    return {
        "id": f"said-{next(_number):06d}", "kind": kind, "pond": alarm["pond"], "at": at, "by": by, "where": "gateway", "content": content,
    }  # fmt: skip
