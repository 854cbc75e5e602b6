"""What the source has taken away of calls that it keeps: texts, names, words of errors. It goes from the target, too.

Nothing says which calls those were. But what is taken away makes figures of a range differ: how many texts and names
there are, how long they are, how many users are pseudonyms. Ranges whose figures differ are halved, the rows of small
ones are compared, and carried once more where they differ. What an amendment has changed came with that before.
"""

from __future__ import annotations

from proxy.store.erasure.anonymising import ANONYMOUS
from proxy.store.moving.carrying import Carrier, beginning
from proxy.store.moving.comparing import differing
from proxy.store.moving.plan import AMENDMENT, INTERACTION, QUARANTINE, Growing, Key
from proxy.store.moving.side import Side

_SAID = {
    "interaction": (
        "input_preview", "output_preview", "prompt_variables", "error_message", "response_sha256", "user_id",
        "session_id", "client_request_id", "provider_request_id", "trace_id", "parent_id", "tags", "metadata",
        # As long as what they replace, perhaps.
        f"CASE WHEN user_id LIKE '{ANONYMOUS}%' THEN '' END", "CASE WHEN content_state = 'pruned' THEN '' END",
    ),
    "interaction_metadata": ("key", "value"),
    "interaction_text": ("interaction_id",),
    "interaction_body": ("side",),
    "attempt": ("error_message",),
    "amendment": ("before", "after"),
    "quarantine": ("CASE WHEN data IS NULL THEN NULL ELSE reason END",),
}  # fmt: skip
"""What may be taken away, or replaced by something that is shorter or a pseudonym, of each table."""
_KINDS = (QUARANTINE, AMENDMENT, INTERACTION)
_FEW = 1000
"""A range of so many rows is compared instead of halved further."""
_Figures = list[tuple[object, ...]]


class Renewal:
    """Carries calls once more of which something was taken away in the source."""

    def __init__(self, source: Side, target: Side, carrier: Carrier) -> None:
        self._source = source
        self._target = target
        self._carrier = carrier

    def run(self) -> int:
        """Carry what differs once more; return how many rows that were. Rows that are missing are not looked at."""
        return sum(self._renew(kind, kind.lowest, self._target.last(kind)) for kind in _KINDS)

    def _renew(self, kind: Growing, after: Key, last: Key) -> int:
        if last == kind.lowest or _figures(self._source, kind, after, last) == _figures(
            self._target, kind, after, last
        ):
            return 0
        after = beginning(self._source, self._target, kind, after)
        middle = kind.middle(after, last)
        if middle == after or self._target.count(kind, after, last) <= _FEW:
            return self._again(kind, after, last)
        return self._renew(kind, after, middle) + self._renew(kind, middle, last)

    def _again(self, kind: Growing, after: Key, last: Key) -> int:
        count = 0
        while after != max(after, last) and (page := self._target.page(kind, after)) is not None:
            changed = list(differing(kind, self._source.between(kind, after, page.last), page))
            self._carrier.again(kind, changed)
            count, after = count + len(changed), page.last
        return count


def _figures(side: Side, kind: Growing, after: Key, last: Key) -> _Figures:
    found = []
    for table in (kind.table, *kind.parts):
        key = kind.key if table is kind.table else "interaction_id"
        parts = ", ".join(f"count({name}), sum(length(CAST({name} AS text)))" for name in _SAID[str(table.name)])
        sql = f"SELECT count(*), {parts} FROM {table.name} WHERE {key} > ? AND {key} <= ?"  # noqa: S608 - our names
        found += side.ask(sql, (after, last))
    return found
