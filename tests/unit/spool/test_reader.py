"""Reading what is damaged, old, new or not ours: nothing raises, nothing is lost that is there, nothing is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from proxy.domain.outcome import Outcome
from proxy.spool import records
from proxy.spool.batches import Damaged, Position
from proxy.spool.disk import RealDisk
from proxy.spool.framing import SEGMENT_HEADER, RecordType, encode, segment_header
from proxy.spool.inventory import strays
from proxy.spool.reader import SpoolReader
from proxy.spool.sealing import KeyRing, Seal
from tests.support.disk import FakeDisk, FakeFile

ROOT = Path("/spool")
FOLDER = ROOT / "boot-0"
MARK = b"\x80\x81\x82\x83"
MASTER = bytes(range(32))
SEAL = Seal(MASTER)
SAMPLES = Path(__file__).parents[2] / "data" / "spool"


def a_segment(count: int = 3, *, seal: Seal | None = None) -> bytes:
    data = segment_header(MARK) if seal is None else segment_header(MARK, seal.key_id, seal.salt)
    for number in range(1, count + 1):
        identity, payload = bytes([number]) * 16, b"payload %d" % number
        sealed = payload if seal is None else seal.seal(RecordType.CHUNK, identity, number, payload)
        data += encode(RecordType.CHUNK, identity, number, sealed, MARK)
    return data


def read(*segments: bytes, is_final: bool = True) -> tuple[list[bytes], list[str]]:
    disk = FakeDisk()
    disk.make_folder(FOLDER)
    for index, data in enumerate(segments):
        disk.files[FOLDER / f"{2 * index + 1:08d}.seg"] = FakeFile(bytearray(data))
    source = SpoolReader(ROOT, disk, keys=KeyRing([MASTER])).source("boot-0")
    position, payloads, damage = Position(), [], []
    for _ in range(100):
        batch = source.read(position, 1 << 20, is_final=is_final)
        payloads += [item.record.payload for item in batch.records]
        damage += [item.reason for item in batch.damage]
        if batch.next == position:
            break
        position = batch.next
    return payloads, damage


ALL = [b"payload 1", b"payload 2", b"payload 3"]


@pytest.mark.parametrize("seal", [None, SEAL], ids=["plain", "sealed"])
def test_what_was_written_is_read(seal: Seal | None) -> None:
    assert read(a_segment(seal=seal)) == (ALL, [])


@given(bit=st.integers(0, SEGMENT_HEADER.size * 8 - 1))
def test_a_flipped_bit_in_a_header_costs_no_record(bit: int) -> None:
    """But for the version: what that says of what follows is not for us to doubt. The segment is left alone."""
    data = bytearray(a_segment())
    data[bit // 8] ^= 1 << bit % 8
    payloads, damage = read(bytes(data), a_segment(1))
    if bit // 8 in (6, 7):
        assert payloads == ALL[:1]
        assert [reason for reason in damage if "left alone" in reason]
    else:
        assert payloads == [*ALL, *ALL[:1]]


@given(data=st.data(), is_sealed=st.booleans())
def test_a_flipped_bit_behind_the_header_costs_one_record_at_most(data: st.DataObject, is_sealed: bool) -> None:
    whole = bytearray(a_segment(seal=SEAL if is_sealed else None))
    start = len(whole) - len(a_segment(3)) + SEGMENT_HEADER.size if not is_sealed else 64
    bit = data.draw(st.integers(start * 8, len(whole) * 8 - 1))
    whole[bit // 8] ^= 1 << bit % 8
    payloads, damage = read(bytes(whole))
    assert len(payloads) == 2
    assert set(payloads) < set(ALL)
    assert damage


@given(data=st.data(), is_sealed=st.booleans(), is_final=st.booleans())
def test_a_torn_segment_gives_what_is_whole(data: st.DataObject, is_sealed: bool, is_final: bool) -> None:
    whole = a_segment(seal=SEAL if is_sealed else None)
    cut = data.draw(st.integers(0, len(whole)))
    payloads, _ = read(whole[:cut], is_final=is_final)
    assert payloads == ALL[: len(payloads)]
    assert len(payloads) >= (3 if cut == len(whole) else 0)


@given(
    junk=st.lists(
        st.one_of(st.binary(max_size=200), st.just(a_segment()), st.just(MARK), st.just(segment_header(MARK)))
    ),
    is_final=st.booleans(),
)
@example(junk=[b"DSHSEG\x02\x00" + bytes(56)], is_final=True)
@example(junk=[b"DSHSEG\xff\xff" + bytes(8)], is_final=True)
@example(junk=[bytes(5000)], is_final=True)
def test_whatever_lies_in_a_segment_nothing_is_raised_and_reading_comes_to_an_end(
    junk: list[bytes], is_final: bool
) -> None:
    payloads, _ = read(b"".join(junk), a_segment(1), is_final=is_final)
    assert set(payloads) <= set(ALL)
    assert payloads[-1:] == ALL[:1]


def test_a_segment_of_a_newer_version_is_listed_and_left_alone() -> None:
    disk = FakeDisk()
    disk.make_folder(FOLDER)
    newer = b"DSHSEG\x03\x00" + MARK + bytes(60)
    disk.files[FOLDER / "00000001.seg"] = FakeFile(bytearray(newer))
    disk.files[FOLDER / "00000003.seg"] = FakeFile(bytearray(a_segment(1)))
    source = SpoolReader(ROOT, disk).source("boot-0")
    batch = source.read(Position(), 1 << 20, is_final=True)
    assert [item.record.payload for item in batch.records] == ALL[:1]
    source.acknowledge(Position(9, 0))
    assert not source.remove()
    assert disk.names(FOLDER) == ["00000001.seg"]
    (found,) = strays(ROOT, 10, disk)
    assert (found.path, "version 3" in found.reason) == (str(FOLDER / "00000001.seg"), True)


def test_what_is_not_ours_is_listed_and_what_is_ours_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "abc-0"
    (folder / "bodies").mkdir(parents=True)
    (tmp_path / "quarantine").mkdir()
    ours = ["lock", "ballast", "00000001.seg", "00000002.new", "bodies/00ff"]
    for name in ours:
        (folder / name).write_bytes(a_segment() if name.endswith(".seg") else b"x")
    for name in ("instance.lock", "instance.json"):
        (tmp_path / name).write_bytes(b"")
    assert strays(tmp_path, 10) == []
    (folder / "notes.txt").write_text("mine")
    (folder / "00000003.seg").write_bytes(b"no segment at all")
    (folder / "x.seg").write_bytes(b"")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "abc-1").write_text("a file")
    (tmp_path / "quarantine" / "abc-0-00000001-16.bin").write_bytes(b"?")
    found = {item.path.removeprefix(f"{tmp_path}/"): item.reason for item in strays(tmp_path, 100)}
    assert found == {
        "abc-0/00000003.seg": "a segment whose beginning is damaged",
        "abc-0/notes.txt": "not ours",
        "abc-0/x.seg": "not ours",
        "abc-1": "not ours",
        "lost+found": "not ours",
        "quarantine/abc-0-00000001-16.bin": "bytes that could not be read, set aside for a person",
    }
    assert len(strays(tmp_path, 2)) == 2
    assert strays(tmp_path / "none", 10) == []


@pytest.mark.parametrize("version", [1, 2])
def test_a_segment_of_every_version_there_ever_was_is_read(version: int, tmp_path: Path) -> None:
    """The samples were written once, by the program of their time, and are never written again (see their README)."""
    folder = tmp_path / "sample-0"
    folder.mkdir()
    (folder / "00000001.seg").write_bytes((SAMPLES / f"version{version}.seg").read_bytes())
    source = SpoolReader(tmp_path, RealDisk(), keys=KeyRing([MASTER])).source("sample-0")
    batch = source.read(Position(), 1 << 20, is_final=True)
    assert not batch.damage
    start, first, end = [item.record for item in batch.records]
    decoded, body = records.decode_start(start.payload)
    assert (decoded.method, decoded.target, body) == ("POST", "/v1/chat/completions", b'{"model":"gpt-4o-mini"}')
    assert records.decode_chunk(first.payload).data == b'{"ok":'  # type: ignore[union-attr]
    ended, last = records.decode_end(end.payload)
    assert (ended.outcome, last and last.data) == (Outcome.COMPLETED, b"true}")


def test_what_is_set_aside_is_whole_or_not_there() -> None:
    """Else a full disk would leave a part of it, and the next try take that for done."""
    disk = FakeDisk()
    disk.make_folder(FOLDER)
    disk.files[FOLDER / "00000001.seg"] = FakeFile(bytearray(a_segment(1)))
    source = SpoolReader(ROOT, disk).source("boot-0")
    found = Damaged(Position(1, 16), "torn", b"x" * 500)
    disk.room = 300
    for _ in range(3):
        with pytest.raises(OSError, match="no space"):
            source.quarantine(found)
    assert (disk.room, disk.open, disk.names(ROOT / "quarantine")) == (300, {}, [])
    disk.room = 600
    name = source.quarantine(found)
    assert source.quarantine(found) == name
    disk.cut_power(0.0)
    assert disk.read(ROOT / "quarantine" / name, 0, 1000) == found.data
