"""In which language the user wrote: by script, then by common words; None when unsure.

A guess for grouping, never for decisions: short texts and mixtures give None. Words are the commonest ones of each
language; the best must lead the second clearly. No model, no network.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

MIN_LETTERS = 12
_SCRIPTS = {
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CJK": "zh",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "THAI": "th",
}
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
_LISTS = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_WORD = re.compile(r"[^\W\d_]+")


def language_of(text: str | None) -> str | None:
    """Return an ISO 639-1 code, or None when unsure."""
    sample = (text or "")[:2000]
    scripts = Counter(_script(letter) for letter in sample if letter.isalpha())
    letters = scripts.total()
    if "ja" in (found := {_SCRIPTS.get(name) for name in scripts}) and scripts.total() >= 4:
        return "ja"
    foreign = [(number, name) for name, number in scripts.items() if name in _SCRIPTS]
    if foreign and max(foreign)[0] * 2 > letters and letters >= 4 and found:
        return _SCRIPTS[max(foreign)[1]]
    return _by_words(sample) if letters >= MIN_LETTERS else None


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0] if letter > "\u024f" else "LATIN"


def _by_words(sample: str) -> str | None:
    words = [word.lower() for word in _WORD.findall(sample)]
    ranked = Counter({language: sum(word in known for word in words) for language, known in _LISTS.items()})
    (best, first), (_, second) = ranked.most_common(2)
    is_clear = first >= 2 and first >= second * 1.5 and first * 8 >= len(words)
    return best if is_clear else None
