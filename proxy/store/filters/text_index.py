"""Words in calls' texts as conditions, by the full-text index; what it lacks yet is looked through all the same.

Tables, made by revision 0014: ``text_index`` is the index, FTS5 without content on SQLite, rows of a tsvector on
Postgres; ``text_index_apart`` (SQLite) has the texts of scripts without spaces, whose signs are set apart
(``query/words``); ``text_unindexed`` names the calls that the index lacks. Triggers of ``interaction_text`` keep them
together: a new text is noted there, a changed one too, and what is deleted leaves the index in the same transaction.
``text_indexing`` fills the index.

An answer is complete whatever the index has. Of a word that few calls have, the index names them (``RARE``); one that
many have is found soon by looking from the newest call on. What is bound is made of letters and digits only, each word
in quotes: nothing that was typed is ever syntax of either index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from proxy.errors import StoreError
from proxy.query.terms import Word
from proxy.query.words import Phrase, Wanted, read_wanted, wanted_of
from proxy.store.filters.statements import Condition, Filters

REVISION = "0014"
"""The revision that has brought it."""
RARE = 20_000
"""Up to so many calls with some words are looked up by the index, and all of them before any is shown."""
SHORTEST_BEGINNING = 3
TAIL = 20_000
"""Of calls that the index lacks, so many are looked through by each question; more only in the order of time."""
SEPARATOR = "\u02b0\u02b0"
"""Between question and answer where both are one text: no phrase goes across it."""
HOLDS = "holds_words"
"""The name of ``holds_words`` in SQLite's statements."""
_MATCHES = (
    "SELECT rowid FROM text_index WHERE text_index MATCH ? "
    "UNION ALL SELECT rowid FROM text_index_apart WHERE text_index_apart MATCH ?"
)
_TAIL = (
    "SELECT t.interaction_id FROM text_unindexed AS u CROSS JOIN interaction_text AS t "  # noqa: S608 - ours
    f"ON t.interaction_id = u.interaction_id WHERE {HOLDS}(t.input_text, t.output_text, ?)"
)
_UNINDEXED_TEXTS = (
    "SELECT interaction_id, input_text, output_text FROM text_unindexed "
    "JOIN interaction_text USING (interaction_id) ORDER BY interaction_id DESC LIMIT ?"
)
_UNINDEXED_AMONG = (
    "SELECT interaction_id, input_text, output_text FROM text_unindexed "
    "JOIN interaction_text USING (interaction_id) WHERE interaction_id = ANY(CAST(? AS uuid[]))"
)
_WAITING = "SELECT count(*) AS calls FROM (SELECT interaction_id FROM text_unindexed LIMIT ?) AS waiting"
_UNINDEXED = "EXISTS (SELECT 1 FROM text_unindexed WHERE text_unindexed.interaction_id = id)"
_WITHOUT_ACCENTS = "regexp_replace(normalize(t.{0}, NFD), '[\u0300-\u036f]', '', 'g')"
_SIDES = [text for side in ("input_text", "output_text") for text in (f"t.{side}", _WITHOUT_ACCENTS.format(side))]
_LOOKS_LIKE = f"({' OR '.join(f'{text} LIKE ?' for text in _SIDES)})"
"""More than what holds a word: also what has it as a part of another one."""
Ask = Callable[[str, Sequence[Any]], list[dict[str, Any]]]


def resolved(
    filters: Filters,
    ask: Ask,
    *,
    is_postgres: bool,
    may_be_rare: bool = True,
    is_exact: bool = False,
    among: Sequence[str] | None = None,
) -> Filters:
    """Return filters whose words are a condition; ``ask`` runs a statement of ours. What has no words stays.

    While Postgres' index lacks many calls, their texts are looked through roughly: more may be found than has the
    words, never less. With ``is_exact`` that is ``StoreError``. What is asked of a few calls, ``among`` which all must
    be, is exact whatever the index has.
    """
    wanted = wanted_of(filters.terms)
    if wanted is None:
        return filters
    texts = _Postgres(ask, filters, is_exact=is_exact, among=among) if is_postgres else _Sqlite(ask)
    may_be_rare = may_be_rare and among is None
    rest = tuple(term for term in filters.terms if not isinstance(term, Word))
    found = texts.rare(wanted) if may_be_rare and wanted.phrases else None
    return replace(filters, terms=rest, texts=found or texts.each(wanted), has_rare_texts=found is not None)


def holds_words(question: str | None, answer: str | None, wanted: str) -> bool:
    """Return True where a call's texts are as a ``Wanted``, written, says."""
    return read_wanted(wanted).is_in(question, answer)


def counted(filters: Filters, ask: Ask, most: int, *, is_postgres: bool) -> int | None:
    """Return how many calls have the words of filters, up to ``most``; None where the index alone does not know."""
    wanted = wanted_of(filters.terms)
    words = tuple(term for term in filters.terms if isinstance(term, Word))
    if wanted is None or not wanted.phrases or filters != Filters(terms=words) or waiting(ask, TAIL + 1) > TAIL:
        return None
    texts = _Postgres(ask, filters, is_exact=False, among=None) if is_postgres else _Sqlite(ask)
    if texts.is_heavy(wanted):
        return None
    return min(texts.indexed(wanted, most) + texts.unindexed(wanted), most)


def waiting(ask: Ask, most: int = 2**62) -> int:
    """Return how many calls the index lacks yet."""
    return int(ask(_WAITING, (most,))[0]["calls"])


def match_of(wanted: Wanted) -> str:
    """Return what FTS5 matches; there must be something to find."""
    found = " AND ".join(map(_quoted, wanted.phrases))
    return f"({found}) NOT ({' OR '.join(map(_quoted, wanted.excluded))})" if wanted.excluded else found


def _quoted(phrase: Phrase) -> str:
    return f'"{" ".join(phrase.words)}"{" *" if phrase.is_open else ""}'


def tsquery_of(wanted: Wanted) -> str:
    """Return what Postgres' ``to_tsquery`` reads."""
    return " & ".join([*map(_followed, wanted.phrases), *(f"!({_followed(phrase)})" for phrase in wanted.excluded)])


def _followed(phrase: Phrase) -> str:
    words = " <-> ".join(f"'{word}'" for word in phrase.words)
    return f"({words}:*)" if phrase.is_open else f"({words})"


class _Sqlite:
    """On SQLite: what the index lacks, and what is common, a function of ours looks at."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def is_heavy(self, wanted: Wanted) -> bool:
        """Tell of words that begin with a letter or two: FTS5 first puts all calls of all of them together.

        That takes seconds, and 100 MB, at a million calls, of which the newest soon have such a word.
        """
        words = [phrase.words[-1] for phrase in (*wanted.phrases, *wanted.excluded) if phrase.is_open]
        return any(word.isascii() and len(word) < SHORTEST_BEGINNING for word in words)

    def indexed(self, wanted: Wanted, most: int) -> int:
        match = match_of(wanted)
        sql = f"SELECT count(*) AS calls FROM (SELECT rowid FROM ({_MATCHES}) AS matched LIMIT ?) AS found"  # noqa: S608 - ours
        return int(self._ask(sql, (match, match, most))[0]["calls"])

    def unindexed(self, wanted: Wanted) -> int:
        return int(self._ask(f"SELECT count(*) AS calls FROM ({_TAIL}) AS tail", (wanted.written(),))[0]["calls"])  # noqa: S608

    def rare(self, wanted: Wanted) -> Condition | None:
        if self.is_heavy(wanted) or self.indexed(wanted, RARE + 1) > RARE or waiting(self._ask, TAIL + 1) > TAIL:
            return None
        match = match_of(wanted)
        indexed = f"SELECT interaction_id FROM interaction_text WHERE rowid IN ({_MATCHES})"  # noqa: S608
        return Condition(f"id IN ({indexed} UNION ALL {_TAIL})", (match, match, wanted.written()))

    def each(self, wanted: Wanted) -> Condition:
        holds = (
            "EXISTS (SELECT 1 FROM interaction_text AS t WHERE t.interaction_id = id "  # noqa: S608
            f"AND {HOLDS}(t.input_text, t.output_text, ?))"
        )
        return _each(wanted, lambda part: Condition(holds, (part.written(),)))


class _Postgres:
    """On Postgres: the rows of the index say it; what it lacks is read here, or is ILIKE's where it is long."""

    def __init__(self, ask: Ask, filters: Filters, *, is_exact: bool, among: Sequence[str] | None) -> None:
        self._ask = ask
        bounds = (("interaction_id >= ?", filters.from_id), ("interaction_id < ?", filters.to_id))
        self._within = [(sql, bound) for sql, bound in bounds if bound is not None]
        self._tail: list[dict[str, Any]] | None = None
        if among is not None:
            self._tail = ask(_UNINDEXED_AMONG, (list(among),))
        elif waiting(ask, TAIL + 1) <= TAIL:
            self._tail = ask(_UNINDEXED_TEXTS, (TAIL,))
        elif is_exact:
            raise StoreError(
                f"the full-text index lacks more than {TAIL} calls yet, and some words cannot be told from others",
                hint="wait until it is made (dashcam db info), or ask by filters alone",
            )

    def is_heavy(self, _wanted: Wanted) -> bool:
        """Of a GIN index beginnings are asked as quickly as words."""
        return False

    def indexed(self, wanted: Wanted, most: int) -> int:
        found = self._matches(wanted)
        sql = f"SELECT count(*) AS calls FROM ({found.sql} LIMIT ?) AS found"  # noqa: S608 - ours
        return int(self._ask(sql, (*found.values, most))[0]["calls"])

    def unindexed(self, wanted: Wanted) -> int:
        return len(self._in_tail(wanted))

    def _matches(self, wanted: Wanted) -> Condition:
        conditions = ["words @@ to_tsquery('simple', ?)", *(sql for sql, _ in self._within)]
        sql = f"SELECT interaction_id FROM text_index WHERE {' AND '.join(conditions)}"  # noqa: S608 - ours
        return Condition(sql, (tsquery_of(wanted), *(bound for _, bound in self._within)))

    def rare(self, wanted: Wanted) -> Condition | None:
        if self._tail is None or self.indexed(wanted, RARE + 1) > RARE:
            return None
        # As an array, whose ids are looked up whatever the planner believes of how many there are: of a word that is
        # rare it would believe that many calls have it, and look for it from the newest call on.
        indexed, values = self._matches(wanted).sql, self._matches(wanted).values
        more = self._in_tail(wanted)
        if not more:
            return Condition(f"id = ANY(ARRAY({indexed}))", values)
        return Condition(f"id = ANY(ARRAY({indexed}) || CAST(? AS uuid[]))", (*values, more))

    def each(self, wanted: Wanted) -> Condition:
        return _each(wanted, self._of_row if wanted.phrases or self._tail is not None else self._of_index)

    def _of_index(self, wanted: Wanted) -> Condition:
        # A value, not EXISTS: of that the planner makes one list of all calls that have the words, whatever the limit.
        holds = "SELECT w.words @@ to_tsquery('simple', ?) FROM text_index AS w WHERE w.interaction_id = id"
        return Condition(f"coalesce(({holds}), FALSE)", (tsquery_of(wanted),))

    def _of_row(self, wanted: Wanted) -> Condition:
        indexed, tail = self._of_index(wanted), self._looked_through(wanted)
        return Condition(f"({indexed.sql} OR {tail.sql})", (*indexed.values, *tail.values))

    def _looked_through(self, wanted: Wanted) -> Condition:
        if self._tail is not None:
            return Condition("id = ANY(CAST(? AS uuid[]))", (self._in_tail(wanted),))
        words = [word for phrase in wanted.phrases for word in phrase.words]
        sql = " AND ".join([_LOOKS_LIKE] * len(words))
        values = tuple(f"%{word}%" for word in words for _ in range(_LOOKS_LIKE.count("?")))
        inside = f"EXISTS (SELECT 1 FROM interaction_text AS t WHERE t.interaction_id = id AND {sql})"  # noqa: S608
        return Condition(f"({_UNINDEXED} AND {inside})", values)

    def _in_tail(self, wanted: Wanted) -> list[str]:
        return [
            str(row["interaction_id"])
            for row in self._tail or ()
            if wanted.is_in(row["input_text"], row["output_text"])
        ]


def _each(wanted: Wanted, of_row: Callable[[Wanted], Condition]) -> Condition:
    """Return a condition for one call at a time; where only words are excluded, a call without texts is in order."""
    if wanted.phrases:
        return of_row(wanted)
    without = [of_row(Wanted((phrase,))) for phrase in wanted.excluded]
    sql = " AND ".join(f"CASE WHEN {one.sql} THEN 0 ELSE 1 END = 1" for one in without)
    return Condition(f"({sql})", tuple(value for one in without for value in one.values))
