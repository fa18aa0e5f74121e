"""The queue keeps what it was given through power cuts, corruption and a full flash."""

from __future__ import annotations

import builtins
import errno
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.queue import FlashQueue
from firmware.record import QueueError, Record, pack_record, quantity_code, record_size
from vuong.quantities import QUANTITIES

BOOT = 0xDEADBEEF
VALUES = {"temperature": 2874, "do": 512, "ph": 780, "salinity": -1}


def fill(queue: FlashQueue, boot: int, first: int, last: int) -> None:
    for seq in range(first, last + 1):
        queue.append(boot, seq, seq * 60, 1_790_000_000 + seq * 60, {"do": seq})


def everything(queue: FlashQueue) -> list[tuple[int, int]]:
    """Return what would be sent, read as the node reads it: pack by pack."""
    found = []
    for boot in queue.boots():
        after = queue.acked(boot)
        while records := queue.records(boot, after, 7):
            for record in records:
                assert record.boot == boot
                assert record.values == {"do": record.seq}
            found += [(boot, record.seq) for record in records]
            after = records[-1].seq
    return found


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if len(path.name) == 24)


@given(
    boot=st.integers(1, 2**32 - 1),
    seq=st.integers(1, 2**32 - 1),
    uptime=st.integers(0, 2**32 - 1),
    time=st.integers(0, 2**32 - 1),
    acked=st.integers(0, 2**32 - 1),
    values=st.dictionaries(st.sampled_from(sorted(QUANTITIES)), st.integers(-(2**31), 2**31 - 1)),
    before=st.binary(max_size=5),
)
def test_a_record_reads_back_as_it_was_written(
    boot: int, seq: int, uptime: int, time: int, acked: int, values: dict[str, int], before: bytes
) -> None:
    packed = pack_record(boot, seq, uptime, time, acked, values)
    buffer = bytearray(before + packed)
    size = record_size(buffer, len(before), len(buffer))
    assert size == len(packed)
    record = Record(buffer, len(before), size)
    assert (record.boot, record.seq, record.uptime, record.time, record.acked, record.values) == (
        boot,
        seq,
        uptime,
        time,
        acked,
        values,
    )


@given(data=st.data())
def test_one_wrong_byte_makes_a_record_unreadable(data: st.DataObject) -> None:
    packed = bytearray(pack_record(BOOT, 7, 420, 0, 3, VALUES))
    at = data.draw(st.integers(0, len(packed) - 1))
    packed[at] ^= data.draw(st.integers(1, 255))
    assert record_size(packed, 0, len(packed)) == 0


def test_quantity_codes_differ_and_stay() -> None:
    assert len({quantity_code(name) for name in QUANTITIES}) == len(QUANTITIES)
    # Records outlive the firmware that wrote them: these numbers may never change.
    assert (quantity_code("temperature"), quantity_code("do"), quantity_code("ph")) == (10860, 49301, 33379)


@pytest.mark.parametrize("values", [{f"q{i}": 0 for i in range(33)}, {"do": 2**31}])
def test_a_sample_that_does_not_fit_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(QueueError, match=r"values|32 bits"):
        pack_record(BOOT, 1, 0, 0, 0, values)


def test_what_was_appended_is_there_after_a_restart(tmp_path: Path) -> None:
    queue = FlashQueue(str(tmp_path / "q"), segment_bytes=512)
    queue.begin(BOOT)
    fill(queue, BOOT, 1, 40)
    again = FlashQueue(str(tmp_path / "q"), segment_bytes=512)
    assert everything(again) == [(BOOT, seq) for seq in range(1, 41)]
    assert again.last(BOOT) == 40
    assert again.held() == 40
    assert again.start(BOOT) == 1_790_000_000


def test_acknowledged_segments_go_and_the_last_sequence_stays_known(tmp_path: Path) -> None:
    queue = FlashQueue(str(tmp_path / "q"), segment_bytes=512)
    queue.begin(BOOT)
    fill(queue, BOOT, 1, 40)
    before = len(files(tmp_path / "q"))
    assert queue.ack(BOOT, 25)
    assert not queue.ack(BOOT, 25)
    assert not queue.ack(77, 5)
    assert len(files(tmp_path / "q")) < before
    assert queue.first(BOOT) == 26
    assert everything(queue) == [(BOOT, seq) for seq in range(26, 41)]
    queue.ack(BOOT, 10**6)  # nonsense from outside
    assert queue.acked(BOOT) == 40
    assert queue.held() == 0
    assert len(files(tmp_path / "q")) == 1
    assert FlashQueue(str(tmp_path / "q"), segment_bytes=512).assigned() == [(BOOT, 40)]


def test_an_acknowledgement_survives_a_restart_with_the_next_sample(tmp_path: Path) -> None:
    queue = FlashQueue(str(tmp_path / "q"))
    queue.begin(BOOT)
    fill(queue, BOOT, 1, 10)
    queue.ack(BOOT, 9)
    fill(queue, BOOT, 11, 11)
    assert everything(FlashQueue(str(tmp_path / "q"))) == [(BOOT, 10), (BOOT, 11)]


def test_boots_are_acknowledged_apart_and_remembered(tmp_path: Path) -> None:
    queue = FlashQueue(str(tmp_path / "q"), segment_bytes=512)
    for boot in (5, 3, 9):
        queue.begin(boot)
        fill(queue, boot, 1, 20)
    assert queue.boots() == [5, 3, 9]
    queue.ack(9, 20)
    queue.ack(5, 20)
    assert everything(queue) == [(3, seq) for seq in range(1, 21)]
    queue.ack(3, 20)
    assert dict(queue.assigned()) == {5: 20, 3: 20, 9: 20}
    assert dict(FlashQueue(str(tmp_path / "q"), segment_bytes=512).assigned()) == {5: 20, 3: 20, 9: 20}


def test_a_new_boot_never_writes_into_the_segment_of_another(tmp_path: Path) -> None:
    for boot in range(1, 6):
        queue = FlashQueue(str(tmp_path / "q"))
        queue.begin(boot)
        fill(queue, boot, 1, 2)
    assert everything(FlashQueue(str(tmp_path / "q"))) == [(b, s) for b in range(1, 6) for s in (1, 2)]


def test_full_flash_gives_up_the_oldest_and_counts_it(tmp_path: Path) -> None:
    queue = FlashQueue(str(tmp_path / "q"), segment_bytes=512, max_bytes=2048)
    queue.begin(BOOT)
    fill(queue, BOOT, 1, 200)
    held = [seq for _, seq in everything(queue)]
    assert held == list(range(held[0], 201))
    assert queue.first(BOOT) == held[0] > 1
    assert queue.dropped == held[0] - 1
    assert sum(path.stat().st_size for path in files(tmp_path / "q")) <= 2048


def test_too_many_boots_give_up_the_oldest(tmp_path: Path) -> None:
    queue = FlashQueue(str(tmp_path / "q"), max_boots=4)
    for boot in range(1, 8):
        queue.begin(boot)
        fill(queue, boot, 1, 3)
    assert queue.boots() == [4, 5, 6, 7]
    assert queue.dropped == 9


def test_a_flash_that_reports_full_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = FlashQueue(str(tmp_path / "q"), segment_bytes=512)
    queue.begin(BOOT)
    fill(queue, BOOT, 1, 60)
    real, limit = builtins.open, sum(path.stat().st_size for path in files(tmp_path / "q"))

    def limited(path: str, mode: str = "r", **more: object) -> object:
        if "a" in mode and sum(p.stat().st_size for p in files(tmp_path / "q")) >= limit:
            raise OSError(errno.ENOSPC, "full")
        return real(path, mode, **more)

    monkeypatch.setattr("firmware.queue.open", limited, raising=False)
    fill(queue, BOOT, 61, 70)
    assert [seq for _, seq in everything(queue)][-10:] == list(range(61, 71))
    assert queue.dropped == queue.first(BOOT) - 1 > 0


def test_a_dead_flash_is_an_error_that_names_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = FlashQueue(str(tmp_path / "q"))
    queue.begin(BOOT)
    fill(queue, BOOT, 1, 3)

    def dead(path: str, mode: str = "r", **more: object) -> object:
        raise OSError(errno.EIO, "dead")

    monkeypatch.setattr("firmware.queue.open", dead, raising=False)
    with pytest.raises(QueueError, match="takes no sample"):
        fill(queue, BOOT, 4, 4)


def test_power_cut_at_every_byte_of_every_write(tmp_path: Path) -> None:
    """Whatever a cut leaves of the newest record, all older ones are there, and the next is written soundly."""
    whole = tmp_path / "whole"
    queue = FlashQueue(str(whole), segment_bytes=256)
    queue.begin(BOOT)
    for seq in range(1, 12):
        known = {path: path.stat().st_size for path in files(whole)}
        fill(queue, BOOT, seq, seq)
        written = next(path for path in files(whole) if path.stat().st_size != known.get(path, 0))
        end = written.stat().st_size
        for size in range(known.get(written, 0), end):
            cut = tmp_path / "cut"
            shutil.copytree(whole, cut)
            with (cut / written.name).open("r+b") as file:
                file.truncate(size)
            survivor = FlashQueue(str(cut), segment_bytes=256)
            assert everything(survivor) == [(BOOT, s) for s in range(1, seq)]
            survivor.begin(8)
            fill(survivor, 8, 1, 3)
            assert everything(FlashQueue(str(cut), segment_bytes=256)) == [
                *[(BOOT, s) for s in range(1, seq)],
                *[(8, s) for s in range(1, 4)],
            ]
            shutil.rmtree(cut)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_corrupt_bytes_lose_only_their_own_records(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    folder = tmp_path_factory.mktemp("q")
    queue = FlashQueue(str(folder), segment_bytes=512)
    queue.begin(BOOT)
    fill(queue, BOOT, 1, 60)
    hit = 0
    for path in files(folder):
        data = bytearray(path.read_bytes())
        for _ in range(chance.randrange(3)):
            data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
            hit += 1
        path.write_bytes(data)
    survivor = FlashQueue(str(folder), segment_bytes=512)
    left = [seq for _, seq in everything(survivor)]
    assert left == sorted(set(left))
    assert len(left) >= 60 - hit
    if left:
        assert survivor.first(BOOT) == left[0]
        survivor.begin(8)
        fill(survivor, 8, 1, 5)
        assert everything(survivor) == [*[(BOOT, seq) for seq in left], *[(8, seq) for seq in range(1, 6)]]


def test_stray_files_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "q"
    folder.mkdir()
    for name in ("notes.txt", "boots.new", "x" * 24, "0" * 23):
        (folder / name).write_bytes(b"\xff" * 9)
    (folder / ("0" * 7 + "1" + "0" * 7 + "5" + "0" * 7 + "1")).write_bytes(b"")  # created, power cut before the record
    (folder / "boots").write_text("00000007 9\nrubbish\n\nzz 1\n")
    queue = FlashQueue(str(folder))
    assert queue.boots() == []
    assert queue.assigned() == [(7, 9)]
    queue.begin(8)
    fill(queue, 8, 1, 2)
    assert everything(FlashQueue(str(folder))) == [(8, 1), (8, 2)]
    assert (folder / "notes.txt").exists()


class QueueAgainstModel:
    """One random life of a queue beside a plain model of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.chance = folder, random.Random(seed)
        self.queue = FlashQueue(str(folder), segment_bytes=256, max_bytes=1 << 20)
        self.held: dict[int, list[int]] = {}
        self.boot = self.seq = 0
        self.cold_start()

    def cold_start(self) -> None:
        self.queue = FlashQueue(str(self.folder), segment_bytes=256, max_bytes=1 << 20)
        self.boot, self.seq = self.chance.randrange(1, 2**32), 0
        self.queue.begin(self.boot)
        self.held[self.boot] = []

    def step(self) -> None:
        choice = self.chance.random()
        if choice < 0.75:
            self.seq += 1
            self.queue.append(self.boot, self.seq, self.seq, None, {"do": self.seq})
            self.held[self.boot].append(self.seq)
        elif choice < 0.95:
            boot = self.chance.choice(sorted(self.held))
            if self.held[boot]:
                seq = self.chance.choice(self.held[boot])
                self.queue.ack(boot, seq)
                self.held[boot] = [s for s in self.held[boot] if s > seq]
        else:
            self.cold_start()

    def check(self) -> None:
        found: dict[int, set[int]] = {}
        for boot, seq in everything(self.queue):
            found.setdefault(boot, set()).add(seq)
        for boot, sequences in self.held.items():
            # After a restart some acknowledged samples may be there again; none that is not acknowledged may be gone.
            assert set(sequences) <= found.get(boot, set())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_nothing_unacknowledged_is_ever_lost(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    life = QueueAgainstModel(tmp_path_factory.mktemp("q"), seed)
    for _ in range(120):
        life.step()
    life.check()
    life.cold_start()
    life.check()
