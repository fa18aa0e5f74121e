"""The ladder climbed: real messages to real servers, siren on mock pins, acknowledgement, restart, faults."""

from __future__ import annotations

import email
import email.policy
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory

from gateway.escalation.escalator import Escalator
from gateway.escalation.ladder import Contact, Escalation, Ladder, Quiet, SirenRelay, Step, Via
from gateway.escalation.register import SENT, Register
from vuong.acknowledgement import Acknowledgement
from vuong.alarms import Priority

if TYPE_CHECKING:
    from tests.gateway.conftest import Bench
    from tests.gateway.escalation.conftest import Mail, Web

MINUTE = 60
NOON = 1_763_614_800
PIN = 17


class Farm:
    """A gateway's database with its alarms, and an escalator on it."""

    def __init__(self, bench: Bench, pack: Callable[..., bytes], folder: Path, web: Web, mail: Mail) -> None:
        self.bench, self._pack, self.folder, self.seq = bench, pack, folder, 0
        self.quiet: Quiet | None = None
        (folder / "push").write_text(f"json://127.0.0.1:{web.port}/push\n", encoding="utf-8")
        (folder / "mail").write_text(
            f"mailto://127.0.0.1:{mail.port}/?from=gw@example.org&to=htx@example.org&mode=insecure\n",
            encoding="utf-8",
        )
        (folder / "hook").write_text(f"http://127.0.0.1:{web.port}/hook\nAuthorization: Bearer very-secret\n", encoding="utf-8")

    def steps(self) -> tuple[Step, ...]:
        return (
            Step(0, Priority.SIREN, siren=True, lan=False, contacts=(), via=()),
            Step(0, Priority.WARNING, siren=False, lan=True, contacts=(), via=()),
            Step(5 * MINUTE, Priority.WARNING, siren=False, lan=False, contacts=("sau",), via=("push",)),
            Step(15 * MINUTE, Priority.CRITICAL, siren=False, lan=False, contacts=("sau", "htx"), via=("hook", "mail")),
        )

    def start(self) -> None:
        sau = Contact("sau", "Cô Sáu", "vi", (Via("push", self.folder / "push", None), Via("hook", None, self.folder / "hook")))
        htx = Contact("htx", "HTX", "en", (Via("mail", self.folder / "mail", None),))
        escalation = Escalation(
            (Ladder("usual", (), self.steps(), self.quiet),),
            {"sau": sau, "htx": htx},
            SirenRelay(PIN, active_high=True, longest=600),
        )
        self.register = Register(self.bench.path)
        self.escalator = Escalator(escalation, self.bench.config.ponds, self.register, self.bench.clock)

    async def kill(self) -> None:
        """As kill -9 leaves it: nothing is written on the way out; the pins are released, as the kernel does."""
        await self.escalator.close()

    def sample(self, minute: float, **values: float) -> None:
        self.seq += 1
        at = NOON + round(minute * MINUTE)
        self.bench.clock.set(at)
        self.bench.send(self._pack(self.seq, at=at, **values))

    async def look(self, minute: float) -> None:
        self.bench.clock.set(NOON + round(minute * MINUTE))
        await self.escalator.look()
        await self.escalator.settle()

    def alarm(self) -> str:
        return str(self.bench.rows("SELECT id FROM alarms ORDER BY raised DESC LIMIT 1")[0][0])

    def acknowledge(self) -> None:
        engine, name = self.bench.ingest.alarms, self.alarm()
        row = engine.find(name)
        assert row is not None
        now = int(self.bench.clock.now())
        assert engine.acknowledge(row, Acknowledgement(now, "app", "sau", row["revision"]), now)
        self.bench.ingest.commit()

    def outcomes(self) -> list[tuple[float, str, str, str]]:
        return [((t - NOON) / MINUTE, contact, via, outcome) for t, _, _, contact, via, outcome in self.register.attempts()]

    @property
    def siren(self) -> bool:
        assert self.escalator.siren is not None
        return self.escalator.siren.on


@pytest.fixture
async def farm(
    bench: Bench, make_pack: Callable[..., bytes], tmp_path: Path, web: Web, mail: Mail, pins: MockFactory
) -> AsyncIterator[Farm]:
    made = Farm(bench, make_pack, tmp_path, web, mail)
    made.start()
    yield made
    await made.escalator.close()


async def test_the_whole_ladder_of_a_lethal_night(farm: Farm, web: Web, mail: Mail, pins: MockFactory) -> None:
    farm.sample(0, do=1.5)
    await farm.look(0.1)
    assert pins.pin(PIN).state, "the siren sounds at once"
    assert web.posts == []
    await farm.look(5)
    ((path, _, document),) = web.posts
    assert path == "/push"
    assert "Ao 1: DO 1,5 mg/L" in document["message"]
    await farm.look(9)
    assert len(web.posts) == 1, "nothing twice"
    await farm.look(11)
    assert not pins.pin(PIN).state, "ten minutes at a stretch"
    await farm.look(15)
    path, headers, document = web.posts[-1]
    assert path == "/hook"
    assert headers["Authorization"] == "Bearer very-secret"
    assert document["alarms"][0]["kind"] == "oxygen_lethal"
    assert document["priority"] == "siren"
    ((to, content),) = mail.mails
    assert to == ["htx@example.org"]
    body = email.message_from_bytes(content, policy=email.policy.default).get_body(("plain",))
    assert body is not None
    assert "DO 1.5 mg/L" in body.get_content(), "in the co-op's language"
    assert sorted(farm.outcomes()) == [
        (0.1, "", "lan", SENT),
        (0.1, "", "siren", SENT),
        (5, "sau", "push", SENT),
        (15, "htx", "mail", SENT),
        (15, "sau", "hook", SENT),
    ]


async def test_an_acknowledgement_stops_siren_and_ladder(farm: Farm, web: Web, pins: MockFactory) -> None:
    farm.sample(0, do=1.5)
    await farm.look(0)
    assert farm.siren
    farm.acknowledge()
    await farm.look(1)
    assert not farm.siren
    await farm.look(60)
    assert web.posts == []


async def test_what_grows_worse_calls_again_from_the_first_step(farm: Farm, web: Web, pins: MockFactory) -> None:
    farm.sample(0, do=3.5)
    await farm.look(0)
    assert not farm.siren, "a warning is no matter for the siren"
    farm.acknowledge()
    farm.sample(10, do=1.5)
    await farm.look(10)
    assert farm.siren
    await farm.look(15)
    assert len(web.posts) == 1


async def test_a_restart_goes_on_and_repeats_nothing(farm: Farm, web: Web, mail: Mail) -> None:
    farm.sample(0, do=2.5)
    await farm.look(5)
    assert len(web.posts) == 1
    await farm.kill()
    farm.bench.restart()
    farm.start()
    await farm.look(6)
    assert len(web.posts) == 1, "what was sent is not sent again"
    await farm.kill()
    farm.start()
    await farm.look(40)  # it was off while a step fell due
    assert len(web.posts) == 2
    assert len(mail.mails) == 1


async def test_killed_between_sending_and_noting_it_is_sent_once_more(
    farm: Farm, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    farm.sample(0, do=2.5)
    with monkeypatch.context() as patch:
        patch.setattr(farm.register, "done", lambda *_: None)
        await farm.look(5)
    assert len(web.posts) == 1
    await farm.kill()
    farm.start()
    await farm.look(6)
    await farm.look(7)
    assert len(web.posts) == 2, "at least once: one repeat, then no more"


async def test_a_service_that_is_down_is_tried_again_with_growing_pauses(farm: Farm, web: Web) -> None:
    farm.sample(0, do=2.5)
    web.status = 503
    for second in range(300, 900, 10):
        await farm.look(second / 60)
    tries = [round(60 * minute) for minute, _, via, _ in farm.outcomes() if via == "push"]
    assert tries == [300, 330, 390, 510, 750]
    assert all(outcome == "the service did not take it" for _, _, via, outcome in farm.outcomes() if via == "push")
    web.status = 200
    await farm.look(30)
    assert [outcome for _, _, via, outcome in farm.outcomes() if via == "push"][-1] == SENT


async def test_a_service_that_stays_down_is_given_up_and_the_others_still_get_theirs(farm: Farm, web: Web, mail: Mail) -> None:
    web.status = 500
    farm.sample(0, do=2.5)
    for minute in range(0, 300, 2):
        await farm.look(minute)
    assert len([1 for _, _, via, _ in farm.outcomes() if via == "push"]) == 12
    assert len(mail.mails) == 1
    assert "the hook answered 500" in {outcome for _, _, _, outcome in farm.outcomes()}


async def test_an_acknowledgement_between_tries_ends_them(farm: Farm, web: Web) -> None:
    web.status = 503
    farm.sample(0, do=2.5)
    await farm.look(5)
    farm.acknowledge()
    for minute in range(6, 30):
        await farm.look(minute)
    assert len(web.posts) == 1


async def test_an_address_that_cannot_be_read_or_understood_is_said_without_telling_it(
    farm: Farm, caplog: pytest.LogCaptureFixture
) -> None:
    (farm.folder / "push").write_text("nonsense-with-token-abc", encoding="utf-8")
    (farm.folder / "hook").unlink()
    farm.sample(0, do=2.5)
    await farm.look(16)
    said = {via: outcome for _, _, via, outcome in farm.outcomes()}
    assert said["push"] == "apprise does not understand the address in push; correct it"
    assert said["hook"] == "the file hook cannot be read (FileNotFoundError); put the address there"
    assert "abc" not in "".join(said.values()) + caplog.text


async def test_several_alarms_at_one_address_are_one_message(farm: Farm, web: Web) -> None:
    farm.sample(0, do=2.5, ph=6.5)
    await farm.look(5)
    assert len(web.posts) == 1
    assert len(web.said[0].splitlines()) == 2
    assert web.said[0].startswith("Ao 1: DO 2,5 mg/L"), web.said


async def test_quiet_hours_hold_a_warning_until_morning_but_not_what_kills(farm: Farm, web: Web, pins: MockFactory) -> None:
    await farm.kill()
    farm.quiet = Quiet(11 * 60, 13 * 60, Priority.CRITICAL)  # NOON is noon at the pond
    farm.start()
    farm.sample(0, do=2.5)
    await farm.look(30)
    assert web.posts == []
    await farm.look(61)
    assert [path for path, _, _ in web.posts].count("/push") == 1, "the hours are over"
    farm.acknowledge()
    farm.sample(-1 + 24 * 60, do=1.0)
    await farm.look(24 * 60)
    assert farm.siren


async def test_a_clock_that_went_back_delays_nothing(farm: Farm, web: Web) -> None:
    farm.sample(0, do=2.5)
    await farm.look(-3 * 24 * 60)
    await farm.look(-3 * 24 * 60 + 5)
    assert len(web.posts) == 1


async def test_a_machine_without_gpio_still_sends(
    farm: Farm, web: Web, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await farm.kill()

    def no_pins(*_: object, **__: object) -> None:
        raise gpiozero.BadPinFactory("unable to load any default pin factory")

    monkeypatch.setattr(gpiozero, "OutputDevice", no_pins)
    farm.start()
    assert "the siren on GPIO 17" in caplog.text
    farm.sample(0, do=1.5)
    await farm.look(5)
    assert len(web.posts) == 1
    assert (5, "", "siren", "the relay cannot be used") in farm.outcomes()
