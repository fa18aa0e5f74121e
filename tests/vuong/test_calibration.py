"""Due and overdue, as node, pages and technician say it."""

from __future__ import annotations

import pytest

from vuong.calibration import DUE, state


@pytest.mark.parametrize("quantity", sorted(DUE))
def test_a_calibration_is_due_then_overdue(quantity: str) -> None:
    due, overdue = DUE[quantity]
    assert [state(quantity, days) for days in (0, due - 0.1, due, overdue - 0.1, overdue)] == [
        "fine",
        "fine",
        "due",
        "due",
        "overdue",
    ]
