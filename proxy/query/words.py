"""What a word is, and which texts hold it: one meaning for the index of either engine, for what it lacks, for marks.

Letters and digits next to each other are a word; upper and lower case are the same, and so are Latin letters with and
without accents. Scripts that are written without spaces (Chinese, Japanese, Thai and others), and Korean, are looked
for sign by sign: a run of them is indexed as its overlapping pairs and its last sign, so that any part of it is found,
also a single sign, and a pair is rare enough to be found quickly.

Pure. A search (``Wanted``) is words and phrases that a call's question or answer must hold, a phrase on one side, and
others that neither may hold. Written as a text it is the value that the store binds.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import orjson

from proxy.query.terms import Term, Word

LONGEST_WORD = 200
"""A word is told from others by so many characters: what is longer is encoded data."""
_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u318f\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_HAS_UNSPACED = re.compile(f"[{_UNSPACED}]")
_RUNS = re.compile(rf"([{_UNSPACED}]+)")
_PLAIN = re.compile(r"[^\W_]+")
_PLAIN_ASCII = re.compile(r"[a-z0-9]+")
_ON_LATIN = re.compile("(?<=[a-z])[\u0300-\u036f]+")
_Part = tuple[str, int, int]
"""A word as it is compared, and where it stands."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that follow each other; of the last one only the beginning where it ``is_open``."""

    words: tuple[str, ...]
    is_open: bool = False

    def begins_at(self, parts: Sequence[str], at: int) -> bool:
        """Return True where the words stand in a text's from a place on."""
        *others, last = self.words
        end = at + len(others)
        if end >= len(parts) or any(parts[at + number] != word for number, word in enumerate(others)):
            return False
        return parts[end].startswith(last) if self.is_open else parts[end] == last


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the texts of a call must hold, and what they must not."""

    phrases: tuple[Phrase, ...] = ()
    excluded: tuple[Phrase, ...] = ()

    def is_in(self, *texts: str | None) -> bool:
        """Return True where the sides' texts are as wanted."""
        sides = [_Side(text) for text in texts if text]
        return all(any(side.holds(phrase) for side in sides) for phrase in self.phrases) and not any(
            side.holds(phrase) for phrase in self.excluded for side in sides
        )

    def written(self) -> str:
        """Return it as the text that ``read_wanted`` reads."""
        sides = [[[phrase.words, phrase.is_open] for phrase in side] for side in (self.phrases, self.excluded)]
        return orjson.dumps(sides).decode()


class _Side:
    """One text: cut into words only where the letters of what is looked for stand in it."""

    def __init__(self, text: str) -> None:
        self._folded = folded(text)
        self._words: list[str] | None = None

    def holds(self, phrase: Phrase) -> bool:
        if any(word not in self._folded for word in phrase.words):
            return False
        if len(phrase.words) == 1 and self._folded.isascii():
            return _stands_in(self._folded, phrase.words[0], is_open=phrase.is_open)
        if self._words is None:
            self._words = list(_cut(self._folded))
        words = self._words
        return any(phrase.begins_at(words, at) for at in range(len(words) - len(phrase.words) + 1))


def _stands_in(text: str, word: str, *, is_open: bool) -> bool:
    """Tell of most texts and words whether one stands in the other, at a tenth of what cutting the text takes."""
    at, is_open = text.find(word), is_open or len(word) == LONGEST_WORD
    while at >= 0:
        end = at + len(word)
        if not text[at - 1 : at].isalnum() and (is_open or not text[end : end + 1].isalnum()):
            return True
        at = text.find(word, at + 1)
    return False


@lru_cache(maxsize=64)
def read_wanted(text: str) -> Wanted:
    """Return what ``Wanted.written`` wrote."""
    phrases, excluded = ([Phrase(tuple(words), is_open) for words, is_open in side] for side in orjson.loads(text))
    return Wanted(tuple(phrases), tuple(excluded))


def wanted_of(terms: Iterable[Term | Word]) -> Wanted | None:
    """Return what the words among terms look for; None where there are none."""
    words = [term for term in terms if isinstance(term, Word)]
    found: dict[bool, list[Phrase]] = {False: [], True: []}
    for word in words:
        phrase = phrase_of(word.text, is_open=word.is_open)
        if phrase is not None:
            found[word.is_excluded].append(phrase)
    return Wanted(tuple(found[False]), tuple(found[True])) if words else None


def phrase_of(text: str, *, is_open: bool = False) -> Phrase | None:
    """Return the words that a text looks for; None where it has no letter and no digit."""
    runs = _runs(folded(text))
    if not runs:
        return None
    words: list[str] = []
    for number, run in enumerate(runs):
        if not _HAS_UNSPACED.match(run):
            words.append(run[:LONGEST_WORD])
        elif number < len(runs) - 1:
            # The run ends here in the text too.
            words += _pairs(run)
        else:
            words += _pairs(run)[:-1] or [run]
            is_open = is_open or len(run) == 1
    return Phrase(tuple(words), is_open)


def words_in(text: str) -> list[str]:
    """Return the words of a text as they are compared."""
    return list(_cut(folded(text)))


def has_unspaced(text: str | None) -> bool:
    """Return True for a text with signs of a script that is written without spaces."""
    return text is not None and not text.isascii() and _HAS_UNSPACED.search(text) is not None


def folded(text: str) -> str:
    """Return a text whose words are compared: in lower case, Latin letters without accents."""
    lowered = text.lower()
    if lowered.isascii():
        return lowered
    return unicodedata.normalize("NFC", _ON_LATIN.sub("", unicodedata.normalize("NFD", lowered)))


def places(text: str, phrases: Sequence[Phrase]) -> list[tuple[int, int]]:
    """Return where phrases stand in a text, from and to, in order and apart from each other."""
    parts = list(_placed(text))
    words = [word for word, _, _ in parts]
    found = [
        (parts[at][1], parts[at + len(phrase.words) - 1][2])
        for at in range(len(parts))
        for phrase in phrases
        if phrase.begins_at(words, at)
    ]
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _placed(text: str) -> Iterator[_Part]:
    """Yield words with where they stand in a text as it is: folding one may change its length."""
    for match in _PLAIN.finditer(_with_joined_accents(text)):
        start = match.start()
        for run in _RUNS.split(match[0]):
            if _HAS_UNSPACED.match(run):
                for number, pair in enumerate(_pairs(run)):
                    yield folded(pair), start + number, start + number + len(pair)
            elif run:
                yield folded(text[start : start + len(run)])[:LONGEST_WORD], start, start + len(run)
            start += len(run)


def _with_joined_accents(text: str) -> str:
    """Return a text of the same length in which an accent behind its letter does not end the word."""
    if text.isascii():
        return text
    return _accents().sub(lambda match: "\u02b0" * len(match[0]), text)


@lru_cache(maxsize=1)
def _accents() -> re.Pattern[str]:
    """Return the pattern of accents behind letters that are compared without them."""
    extended = map(chr, (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)))
    latin = [letter for letter in extended if unicodedata.normalize("NFD", letter)[0].isascii()]
    return re.compile(f"(?<=[A-Za-z{''.join(latin)}])[\u0300-\u036f]+")


def _cut(text: str) -> Iterator[str]:
    for run in _runs(text):
        if _HAS_UNSPACED.match(run):
            yield from _pairs(run)
        else:
            yield run[:LONGEST_WORD]


def _runs(text: str) -> list[str]:
    """Return words, and runs of signs, of a folded text."""
    if text.isascii():
        return _PLAIN_ASCII.findall(text)
    return [run for word in _PLAIN.findall(text) for run in _RUNS.split(word) if run]


def _pairs(run: str) -> list[str]:
    """Return the pairs of a run's signs, and its last sign."""
    return [run[at : at + 2] for at in range(len(run))]
