"""Who serves a model, at one snapshot: made once when the snapshot is swapped in, one look-up for a call.

A route of that name comes first; then a provider that lists the model: configured ones but the first and those of the
catalogue, those found on this machine, the rest, the first. A found one that is away keeps its names, behind all
others: what was meant for this machine is not sent elsewhere because a server was stopped. A pattern is tried for names
that nobody has, and what it gives is remembered. Who is left serves whatever nobody lists: the first provider.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from proxy.domain.provider import Provider
from proxy.domain.route import WILDCARD, Route, Target
from proxy.domain.snapshot import Snapshot
from proxy.gateway.authentication import Caller
from proxy.gateway.parameters import ParameterBook
from proxy.protocol.listing import bare_entry, list_of
from proxy.settings.access import is_private

ECHO_MODEL = "dashcam/echo"
ECHO = Provider(
    name="dashcam",
    kind="dashcam",
    base_url="dashcam:/v1",
    root_url="dashcam:",
    models=(ECHO_MODEL,),
    stream_usage="inject",
)
_MAX_REMEMBERED = 4096


class Choice:
    """Who may serve a call, in order: (provider, the model's name there or None for the client's own).

    ``route`` is the route's own name, None where no route decides; ``weights`` are those of the first candidates, or
    None where their order is fixed. ``rule`` is the route itself.
    """

    __slots__ = ("candidates", "is_known", "route", "rule", "weights")

    def __init__(
        self,
        candidates: tuple[tuple[Provider, str | None], ...],
        route: str | None = None,
        weights: tuple[int, ...] | None = None,
        *,
        is_known: bool = True,
        rule: Route | None = None,
    ) -> None:
        self.rule = rule
        self.candidates = candidates
        self.route = route
        self.weights = weights
        self.is_known = is_known

    @property
    def only_name(self) -> str | None:
        """The name that the model will be sent by, where that is known whoever is asked."""
        return self.candidates[0][1] if len(self.candidates) == 1 else None

    @property
    def provider(self) -> Provider:
        """The first one in order."""
        return self.candidates[0][0]


class Routing:
    """Looks up models. ``keyed`` are the names of providers that have a configured key."""

    def __init__(self, snapshot: Snapshot, keyed: Collection[str] = ()) -> None:
        self.snapshot = snapshot
        self.parameters = ParameterBook(snapshot)
        self._index: dict[str | None, Choice] = {}
        self._patterns = tuple(route for route in snapshot.routes if route.is_pattern)
        self._remembered: dict[str, Choice | None] = {}
        first = snapshot.providers[0]
        self._unknown = Choice(((first, None),), is_known=False)
        self._first_lists_openly = first.name in keyed or first.is_local or is_private(first.host)
        self._listing: bytes | None = None
        self._fill()

    def __repr__(self) -> str:
        return f"<Routing revision={self.snapshot.revision} models={len(self._index)}>"

    def _fill(self) -> None:
        self._index = {None: Choice(((self.snapshot.providers[0], None),)), ECHO_MODEL: Choice(((ECHO, None),))}
        for route in self.snapshot.routes:
            if not route.is_pattern:
                self._index.setdefault(route.model, self._choice_of(route, ""))
        ordered = sorted(enumerate(self.snapshot.providers), key=lambda item: _rank(*item))
        for _, provider in ordered:
            choice = Choice(((provider, None),))
            for name in provider.models:
                self._index.setdefault(name, choice)
        for _, provider in ordered:
            choice = Choice(((provider, None),))
            for name in _short_names(provider):
                self._index.setdefault(name, choice)

    def choose(self, model: str | None) -> Choice:
        """Return who serves a model; None: of a call that names none."""
        choice = self._index.get(model)
        if choice is None:
            if self._patterns and model is not None:
                return self._of_pattern(model) or self._unknown
            return self._unknown
        return choice

    def _of_pattern(self, model: str) -> Choice | None:
        if model in self._remembered:
            return self._remembered[model]
        found = None
        for route in self._patterns:
            matched = route.match(model)
            if matched is not None:
                found = self._choice_of(route, matched)
                break
        if len(self._remembered) < _MAX_REMEMBERED:
            self._remembered[model] = found
        return found

    def _choice_of(self, route: Route, matched: str) -> Choice:
        candidates = tuple(self._candidates(route.targets + route.fallbacks, matched))
        weights = tuple(item.weight or 0 for item in route.targets)
        return Choice(candidates, route.model, weights if any(weights) else None, rule=route)

    def _candidates(self, targets: Iterable[Target], matched: str) -> Iterable[tuple[Provider, str | None]]:
        for target in targets:
            provider = ECHO if target.provider == ECHO.name else self.snapshot.provider(target.provider)
            if provider is not None:
                name = target.model
                yield provider, name.replace(WILDCARD, matched) if name is not None else None

    # -- the list of models ---------------------------------------------------------------------------------

    def merges_lists(self, caller: Caller) -> bool:
        """Return True when ``GET /v1/models`` is ours to answer.

        With one provider it is not; nor when the first provider's list needs a key that only the client has: without
        it, what the client is used to would vanish because another server has come up.
        """
        if len(self.snapshot.providers) == 1 and not self.snapshot.routes:
            return False
        return self._first_lists_openly or not caller.has_own_key

    def is_listed(self, model: str) -> bool:
        """Return True for a name that a provider lists or a route has, letter by letter."""
        return model in self._index

    def is_route(self, model: str) -> bool:
        """Return True for a public name that a route gives, which no provider knows."""
        choice = self._index.get(model)
        return choice is not None and choice.route is not None

    def listing(self) -> bytes:
        """Return all models as one list, each entry as its provider gave it; of one name the one that serves it."""
        if self._listing is None:
            named = (route.model for route in self.snapshot.routes if not route.is_pattern)
            entries = {name: bare_entry(name, ECHO.name) for name in named}
            for _, provider in sorted(enumerate(self.snapshot.providers), key=lambda item: _rank(*item)):
                if not provider.is_away:
                    for name, entry in _entries_of(provider):
                        entries.setdefault(name, entry)
            self._listing = list_of(entries.values())
        return self._listing


def _rank(position: int, provider: Provider) -> int:
    """Return whose word about a name comes first; the order of the snapshot decides between equals."""
    if provider.is_away:
        return 4
    if provider.source == "found":
        return 1
    if position == 0:
        return 3
    return 0 if provider.source in ("configured", "catalogue") else 2


def _short_names(provider: Provider) -> Iterable[str]:
    """Yield names that a provider takes for longer ones it lists."""
    if provider.kind == "ollama":
        return (name.removesuffix(":latest") for name in provider.models if name.endswith(":latest"))
    if provider.kind == "google":
        return (name.removeprefix("models/") for name in provider.models if name.startswith("models/"))
    return ()


def _entries_of(provider: Provider) -> Iterable[tuple[str, str]]:
    if len(provider.entries) == len(provider.models):
        return zip(provider.models, provider.entries, strict=True)
    return ((name, bare_entry(name, provider.name)) for name in provider.models)
