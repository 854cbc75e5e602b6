"""What is to be erased, redacted or made anonymous, as it is sent: by what calls have in common, or by their ids.

Nothing is done unless ``dry_run`` is false, and to every call only where ``everything`` says so: a field that was
forgotten, or a variable that was empty, must not cost a record.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from proxy.catalogue.fields import Document, Line, Tag
from proxy.errors import InvalidError, Problem

MOST_IDS = 1000
_ID = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]
_WHEN = Annotated[Line, Field(min_length=1, max_length=60)]
_NAME = Annotated[Line, Field(min_length=1)]


class Selection(Document):
    """Calls that began before now: all that is said must hold. q is of the search grammar; since and until as there.

    everything stands alone and is every call. With dry_run they are counted, and nothing is done.
    """

    q: Annotated[str, Field(max_length=2000)] = ""
    user: _NAME | None = None
    session: _NAME | None = None
    since: _WHEN | None = None
    until: _WHEN | None = None
    everything: bool = False
    dry_run: bool = True

    def check(self) -> None:
        """Raise ``InvalidError`` where it says nothing, or everything and something else."""
        is_narrowed = bool(self.q.strip()) or any((self.user, self.session, self.since, self.until))
        if not is_narrowed and not self.everything:
            raise InvalidError([Problem("q", "or user, session, since, until says which calls; or everything is true")])
        if is_narrowed and self.everything:
            raise InvalidError([Problem("everything", "stands alone: with something else said it is not everything")])


class Anonymising(Selection):
    """The same calls, without whoever it was. keep are tags and keys of properties that name nobody, and stay.

    pseudonyms: the same user is called the same afterwards, by a name that leads back to nobody.
    """

    keep: Annotated[list[Tag], Field(max_length=100)] = Field(default=[])
    pseudonyms: bool = False


class Pruning(Document):
    """What is due by the settings of retention. force: the clock is right, however far it is from the last look."""

    dry_run: bool = True
    force: bool = False


class Calls(Document):
    """Calls by their whole ids."""

    ids: Annotated[list[_ID], Field(min_length=1, max_length=MOST_IDS)]
