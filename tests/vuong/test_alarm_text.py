"""What a person reads of an alarm, in three languages."""

from __future__ import annotations

import pytest

from vuong.alarm_text import render
from vuong.alarms import ALARM_KINDS
from vuong.i18n import LANGUAGES

AT = 1_795_121_999 - 19 * 60  # 03:40 at the pond
COURSE = {
    "value": 3.2,
    "limit": 4.0,
    "rate": 0.6,
    "target": 2.5,
    "reached": AT,
    "earliest": AT - 1200,
    "aerators": 2,
}


def test_the_sentence_of_the_oxygen_alarm() -> None:
    said = render("oxygen_low", "do", COURSE, raised=AT - 7200, pond="Ao Cô Sáu", language="vi")
    assert said.message == (
        "Ao Cô Sáu: DO 3,2 mg/L và đang giảm 0,6 mg/L mỗi giờ; sẽ xuống 2,5 lúc 03:40 nếu cứ giảm vậy (sớm nhất 03:20); bật 2 quạt nước ngay"
    )
    assert said.title == "Oxy đang thấp: 3,2 mg/L (giới hạn 4,0)"
    assert said.advice.startswith("DO 3,2 mg/L và đang giảm")
    assert said.since == "từ 01:40"


@pytest.mark.parametrize(
    ("count", "order"), [(None, "start more aerators now"), (1, "start 1 aerator now"), (3, "start 3 aerators now")]
)
def test_what_is_not_known_is_not_said(count: int | None, order: str) -> None:
    numbers = {"value": 3.2, "limit": 4.0} | ({} if count is None else {"aerators": count})
    assert render("oxygen_low", "do", numbers, raised=AT, pond="P", language="en").message == f"P: DO 3.2 mg/L; {order}"


@pytest.mark.parametrize("confidence", ["high", "medium", "low"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_how_sure_it_is(confidence: str, language: str) -> None:
    said = render("oxygen_low", "do", COURSE | {"confidence": confidence}, raised=AT, pond="P", language=language)
    assert said.confidence
    assert render("oxygen_low", "do", COURSE, raised=AT, pond="P", language=language).confidence == ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(ALARM_KINDS))
def test_every_kind_reads_well_even_with_no_numbers_at_all(kind: str, language: str) -> None:
    said = render(kind, ALARM_KINDS[kind].quantity, {}, raised=AT, pond="P", language=language)
    for part in (said.title, said.message, said.cause, said.advice):
        assert part
        assert "{" not in part


def test_numbers_have_the_decimals_that_help() -> None:
    said = render(
        "ammonia_high", None, {"ammonia": 0.1234, "limit": 0.1, "safe": 8.456, "entered": AT}, raised=AT, pond="P", language="vi"
    )
    assert "0,12 mg/L (giới hạn 0,10)" in said.title
    assert "pH dưới 8,46" in said.advice
    assert "03:40" in said.cause
