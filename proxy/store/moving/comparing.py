"""Whether two databases say the same: counts and hashes of every table, range by range, and the bytes of bodies.

Both sides are read, never what was meant to be written. A hash covers the values of rows in the order of their keys;
the same values give the same hash on both engines. Where it differs, the rows are compared and the first one is named.
Rows that the target has not (yet) are counted apart from such as differ.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

from proxy.store.contents.bodies import unpacked
from proxy.store.moving.carrying import mended, part_of
from proxy.store.moving.merging import Renaming, ranges
from proxy.store.moving.plan import BODY_CHUNK, CHANGING, GROWING, INTERACTION, Changing, Growing, Key, Rows, position
from proxy.store.moving.side import Page, Side
from proxy.store.schema.sealing import SEALED, is_sealed

Tell = Callable[[str, int], None]
_FORMAT = 2
"""Of ``marshal``: a value's bytes depend on nothing but the value."""


@dataclass(slots=True)
class Findings:
    """What a comparison found. ``hashes`` are those of the tables where both sides agree, ``rows`` how many rows."""

    rows: dict[str, int] = field(default_factory=dict)
    hashes: dict[str, str] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    more: dict[str, int] = field(default_factory=dict)
    different: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def is_same(self) -> bool:
        """True where nothing of the source differs in the target or is missing there."""
        return not self.different and not self.missing

    def add(self, other: Findings) -> None:
        """Take in what was found in other tables."""
        self.rows |= other.rows
        self.hashes |= other.hashes
        self.missing |= other.missing
        self.more |= other.more
        self.different += other.different
        self.damaged += other.damaged


class Comparison:
    """Compares the growing tables of two databases, a page at a time."""

    def __init__(
        self,
        source: Side,
        target: Side,
        tell: Tell,
        settle: Callable[[Growing, Key, Key], object] = lambda *_: None,
        amended: Collection[Key] = (),
        again: Callable[[Growing, Sequence[Key]], object] | None = None,
    ) -> None:
        self._again = again
        self._amended = amended
        self._source = source
        self._target = target
        self._tell = tell
        self._settle = settle
        self.findings = Findings()

    def run(self) -> Findings:
        """Compare every range.

        ``settle`` carries what of a range came meanwhile, before it is said to be missing; ``amended`` are calls that
        may differ. ``again`` carries rows once more that differ: texts may have been taken away since.
        """
        for kind in GROWING:
            self._compare(kind)
        return self.findings

    def _compare(self, kind: Growing) -> None:
        digests = {
            name: hashlib.blake2b(digest_size=16) for name in (kind.name, *(str(part.name) for part in kind.parts))
        }
        self.findings.rows |= dict.fromkeys(digests, 0)
        after, agree = kind.lowest, True
        while page := self._source.page(kind, after):
            there = self._target.between(kind, after, page.last)
            if not _says_the_same(kind, page, there):
                page, there = self._look_again(kind, page)
                agree = _says_the_same(kind, page, there) and agree
            for name, rows in _tables(kind, page):
                digests[name].update(marshal.dumps(rows, _FORMAT))
                self.findings.rows[name] += len(rows)
            self._check_bytes(kind, there)
            after = page.last
            self._tell(kind.name, len(page.rows))
        more = self._target.count(kind, after, max(after, self._target.last(kind)))
        _note(self.findings.more, kind.name, more)
        if agree:
            self.findings.hashes |= {name: digest.hexdigest() for name, digest in digests.items()}

    def _look_again(self, kind: Growing, page: Page) -> tuple[Page, Page]:
        """Read both once more, after what came meanwhile was carried, and note what differs still.

        Returns the rows that both have: others come later, and are looked at then.
        """
        self._settle(kind, page.after, page.last)
        there, here = self._both(kind, page)
        changed = list(differing(kind, here, there, self._amended))
        if changed and self._again is not None:
            self._again(kind, changed)
            there, here = self._both(kind, page)
        known, wanted = ({kind.key_of(row) for row in found.rows} for found in (there, here))
        _note(self.findings.missing, kind.name, len(wanted - known))
        _note(self.findings.more, kind.name, len(known - wanted))
        here, there = (part_of(kind, found, wanted & known) for found in (here, there))
        found = next(differing(kind, here, there, self._amended), None)
        if found is not None:
            self.findings.different.append(f"{kind.name} {found}")
        return here, there

    def _both(self, kind: Growing, page: Page) -> tuple[Page, Page]:
        """Read target and source, in this order: of what is written meanwhile, nothing is in the target alone."""
        there = self._target.between(kind, page.after, page.last)
        return there, self._source.between(kind, page.after, page.last)

    def _check_bytes(self, kind: Growing, page: Page) -> None:
        """Note bytes that are not those of their hash: damaged before they were copied, where both sides agree."""
        if kind is BODY_CHUNK:
            self.findings.damaged += [f"body_chunk {number}" for number in _wrong_chunks(page.rows)]
        elif kind is INTERACTION:
            self.findings.damaged += [f"interaction {name}" for name in _wrong_bodies(page.parts["interaction_body"])]


def compare_changing(source: Side, target: Side, renaming: Renaming, *, is_written: bool = False) -> Findings:
    """Compare the changing tables too; only sensible while nobody writes to either side.

    With ``is_written`` what differs is written, and read again.
    """
    findings = Findings()
    for kind in CHANGING:
        total, agree, count = hashlib.blake2b(digest_size=16), True, 0
        for part in ranges(source, target, kind, renaming):
            found = part.difference()
            if is_written and (found.gone or found.coming):
                part.write(found)
                found = part.difference()
            same = found.same
            total.update(marshal.dumps(same, _FORMAT))
            count += len(same)
            coming, gone = {kind.key_of(row) for row in found.coming}, {tuple(key) for key in found.gone}
            _note(findings.missing, kind.name, len(coming - gone))
            _note(findings.more, kind.name, len(gone - coming))
            findings.different += [_called(kind, key) for key in sorted(coming & gone, key=str)[:1]]
            agree = agree and not (coming or gone)
        if agree:
            findings.rows[kind.name], findings.hashes[kind.name] = count, total.hexdigest()
    return findings


def _called(kind: Changing, key: tuple[object, ...]) -> str:
    return f"{kind.name} {' '.join(map(str, key))}"


def _note(counts: dict[str, int], name: str, number: int) -> None:
    if number:
        counts[name] = counts.get(name, 0) + number


def _says_the_same(kind: Growing, here: Page, there: Page) -> bool:
    return digest(kind, here) == digest(kind, there) or mended(here) == mended(there)


def digest(kind: Growing, page: Page) -> str:
    """Return the hash of a page's rows with their parts."""
    found = hashlib.blake2b(digest_size=16)
    for _, rows in _tables(kind, page):
        found.update(marshal.dumps(rows, _FORMAT))
    return found.hexdigest()


def _tables(kind: Growing, page: Page) -> Iterator[tuple[str, Rows]]:
    yield kind.name, page.rows
    for part in kind.parts:
        yield str(part.name), page.parts[part.name]


def differing(kind: Growing, here: Page, there: Page, but: Collection[Key] = ()) -> Iterator[Key]:
    """Yield the keys, but these, of rows that both have and that differ, themselves or in their parts; in order."""
    known = {kind.key_of(row): row for row in mended(there).rows}
    common = [key for key in (kind.key_of(row) for row in here.rows) if key in known and key not in but]
    rows = {kind.key_of(row): row for row in mended(here).rows}
    parts = [(_grouped(kind, mended(here), part.name), _grouped(kind, mended(there), part.name)) for part in kind.parts]
    for key in common:
        if rows[key] != known[key] or any(left.get(key) != right.get(key) for left, right in parts):
            yield key


def _grouped(kind: Growing, page: Page, name: str) -> dict[object, Rows]:
    table = next(part for part in kind.parts if part.name == name)
    at, found = position(table, "interaction_id"), dict[object, Rows]()
    for row in page.parts[name]:
        found.setdefault(row[at], []).append(row)
    return found


def _wrong_chunks(rows: Rows) -> Iterator[object]:
    number, sha256, form, data = (position(BODY_CHUNK.table, name) for name in ("number", "sha256", "form", "data"))
    for row in rows:
        if not _is_of(row[form], row[data], bytes(row[sha256]).hex()):
            yield row[number]


def _wrong_bodies(rows: Rows) -> Iterator[object]:
    """Look at requests kept inline and whole: others are their chunks, and an answer's hash is of what was sent on."""
    table = next(part for part in INTERACTION.parts if part.name == "interaction_body")
    names = ("interaction_id", "side", "form", "data", "length", "kept_length", "sha256")
    identity, side, form, data, length, kept, sha256 = (position(table, name) for name in names)
    for row in rows:
        is_whole = row[form] != "chunks" and row[length] == row[kept] and row[sha256]
        if row[side] == "request" and is_whole and not _is_of(row[form], row[data], row[sha256]):
            yield row[identity]


def _is_of(form: str, data: bytes, sha256: str) -> bool:
    if form == SEALED:
        # It says by its seal whether it is what was written, and opens for those who have the key.
        return is_sealed(bytes(data))
    content = unpacked(form, data)
    return content is not None and hashlib.sha256(content).hexdigest() == sha256
