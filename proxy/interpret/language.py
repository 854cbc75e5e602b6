"""In which language the user wrote: by script, then by common words; None when unsure.

A guess for grouping, never for decisions: short texts and mixtures give None. Words are the commonest ones of each
language; the best must lead the second clearly. Scripts that several languages share are told apart by letters that
only one of them has. No model, no network; a text of any length costs some 20 µs, since only its beginning is read.
"""

from __future__ import annotations

import re
from collections import Counter

MIN_LETTERS = 12
_SAMPLE = 300
_SCRIPTS = {
    "kana": "\u3040-\u30ff",
    "ko": "\uac00-\ud7af\u1100-\u11ff",
    "zh": "\u4e00-\u9fff\u3400-\u4dbf",
    "cyrillic": "\u0400-\u04ff",
    "el": "\u0370-\u03ff",
    "arabic": "\u0600-\u06ff",
    "he": "\u0590-\u05ff",
    "hi": "\u0900-\u097f",
    "th": "\u0e00-\u0e7f",
}
_FOREIGN = re.compile("|".join(f"(?P<{name}>[{letters}]+)" for name, letters in _SCRIPTS.items()))
_OWN_LETTERS = {
    "cyrillic": (("uk", "іїєґІЇЄҐ"), ("sr", "ђјљњћџЂЈЉЊЋЏ"), ("ru", "ыэёЫЭЁ")),
    "arabic": (("ur", "ٹڈڑے"), ("fa", "پچژگ")),
}
_SHARED = {"cyrillic": None, "arabic": "ar", "kana": "ja"}
_WORDS = {
    "en": "the and is of to in that it you for what with are this how can please write was not be on my",
    "de": "der die das und ist nicht ich zu ein eine mit auf für den wie von es sie auch wir bitte was kann",
    "fr": "le la les et est un une des que pour dans pas vous je ce qui avec sur comment sont nous au du",
    "es": "el los las y es un una que para en con por no como está qué del se lo más mi puedes",
    "it": "il lo gli e è un una che per di con non come sono questo della nel mi puoi del più",
    "pt": "o os as e é um uma que para em com não como está você do da se mais por meu isso",
    "nl": "de het een en is van ik niet dat met voor op zijn wat hoe je te aan maar ook",
    "pl": "i w nie na to jest się że z do jak co czy dla jestem są ale po tak",
    "tr": "ve bir bu için ne ile da de mi gibi çok var daha ben sen olarak",
    "sv": "och att det är en som jag på för inte med den till av hur om kan ett",
}
_NAMES = tuple(_WORDS)
_MARKS: dict[str, int] = {}
"""A word → one number with a digit (of base 256) for each language, 1 where it is one of its words: to add such numbers
counts for all languages at once. No sample has 256 words."""
for _at, _text in enumerate(_WORDS.values()):
    for _known in _text.split():
        _MARKS[_known] = _MARKS.get(_known, 0) + (1 << 8 * _at)
_MARKED = frozenset(_MARKS)
_WORD = re.compile(r"[^\W\d_]+")
_ASCII_WORDS = {code: " " for code in range(128) if not chr(code).isalpha()}


def language_of(text: str | None) -> str | None:
    """Return an ISO 639-1 code, or None when unsure."""
    sample = (text or "")[:_SAMPLE]
    words = _words_of(sample)
    letters = len("".join(words))
    if letters >= 4 and not sample.isascii():
        scripts: Counter[str] = Counter()
        for match in _FOREIGN.finditer(sample):
            scripts[match.lastgroup or ""] += match.end() - match.start()
        if scripts.total() * 2 > letters:
            return _by_script(scripts, sample)
    return _by_words(words) if letters >= MIN_LETTERS else None


def _words_of(sample: str) -> list[str]:
    if sample.isascii():
        # The common case, several times as fast as the expression.
        return sample.lower().translate(_ASCII_WORDS).split()
    return _WORD.findall(sample.lower())


def _by_script(scripts: Counter[str], sample: str) -> str | None:
    script, number = scripts.most_common(1)[0]
    if script == "zh" and scripts["kana"]:
        # Japanese is written with both; Chinese has no kana.
        return "ja"
    if number * 4 < scripts.total() * 3 and not scripts["kana"]:
        return None
    for language, own in _OWN_LETTERS.get(script, ()):
        if any(letter in sample for letter in own):
            return language
    return _SHARED.get(script, script)


def _by_words(words: list[str]) -> str | None:
    distinct = set(words)
    counts = sum(map(_MARKS.__getitem__, distinct & _MARKED)).to_bytes(len(_NAMES), "little")
    second, first = sorted(counts)[-2:]
    is_clear = first >= 2 and first >= second * 1.5 and first * 8 >= len(distinct)
    return _NAMES[counts.index(first)] if is_clear else None
