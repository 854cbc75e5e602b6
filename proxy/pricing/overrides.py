"""A user's own prices, which win over the published ones: a TOML file, text in, rules out.

::

    [[price]]
    model = "my-model-*"          # a name, or the beginning of one with *
    provider = "my-vllm"          # a provider's name or kind; without: any
    tier = "priority"             # a service tier, "batch", or "*"; without: the standard one
    from = 2026-11-01             # the first day (UTC); without: always
    until = 2027-01-01            # the day it ends, exclusive
    extends = true                # lay these over the published prices instead of replacing them
    input_mtok = "0.40"           # USD per million input tokens, as decimal text or number
    "input_mtok>272000" = "0.80"  # for all tokens of a request with more input than that
    output_mtok = "1.60"

The most specific rule wins: a provider before none, a whole name before a beginning, a longer beginning before a
shorter one, a tier before ``*``. Every mistake is told at once, with file and key.
"""

from __future__ import annotations

import hashlib
import stat
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from proxy.errors import ConfigurationError
from proxy.pricing.units import UNITS

_KEYS = frozenset({"model", "provider", "tier", "from", "until", "extends"})
_MAX_RATE = Decimal(1_000_000_000)
_MAX_NAME = 200
STANDARD = "default"
ANY = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One rule; ``rates`` are decimal texts. ``since`` and ``until`` are ISO days, empty for none.

    ``source`` and ``version`` are what a price of it is pinned as.
    """

    number: int
    model: str
    provider: str
    tier: str
    since: str
    until: str
    extends: bool
    rates: tuple[tuple[str, str], ...]
    source: str = ""
    version: str = ""

    @property
    def stem(self) -> str:
        """The name, or its beginning."""
        return self.model.removesuffix("*")

    def applies(self, names: tuple[str, str], model: str, tier: str, day: str) -> bool:
        """Return True when the rule is for this call; ``names`` are the provider's name and kind."""
        if self.provider and self.provider not in names:
            return False
        if not (model.startswith(self.stem) if self.model.endswith("*") else model == self.model):
            return False
        return self.tier in (tier, ANY) and self.since <= day and (not self.until or day < self.until)

    @property
    def rank(self) -> tuple[bool, bool, int, bool, str]:
        """How specific the rule is; the highest wins."""
        return bool(self.provider), not self.model.endswith("*"), len(self.stem), self.tier != ANY, self.since


@dataclass(frozen=True, slots=True)
class Overrides:
    """All rules that count, the most specific first."""

    rules: tuple[Override, ...] = ()

    def over(self, others: Overrides) -> Overrides:
        """Return these rules and others: of two that are equally specific, ours wins."""
        return ranked((*self.rules, *others.rules))

    def find(self, names: tuple[str, str], model: str, tier: str, day: str) -> Override | None:
        """Return the rule that wins for a call, or None."""
        return next((rule for rule in self.rules if rule.applies(names, model.lower(), tier, day)), None)


NONE = Overrides()


def ranked(rules: Iterable[Override]) -> Overrides:
    """Return rules the most specific first; equals stay in their order."""
    return Overrides(tuple(sorted(rules, key=lambda rule: rule.rank, reverse=True)))


def load(path: Path) -> Overrides:
    """Read a file; ``ConfigurationError`` holds all that is wrong in it."""
    try:
        # To read a pipe or a device is to wait, perhaps for ever, and it cannot be looked at for changes.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigurationError(f"{path}: is no regular file")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    return parse(data, str(path))


def parse(data: bytes, origin: str) -> Overrides:
    """Return the rules of a file's bytes; ``origin`` is its name in messages."""
    try:
        values = tomllib.loads(data.decode("utf-8"), parse_float=_number)
    except (ValueError, RecursionError) as error:
        # Not only TOML's own mistakes: whole numbers of thousands of digits, and brackets in brackets without end.
        raise ConfigurationError(f"{origin}: is no valid TOML: {error}") from error
    problems = [f"{origin}: {name}: is not known; prices are [[price]] tables" for name in values if name != "price"]
    listed = values.get("price", [])
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise ConfigurationError([*problems, f"{origin}: price: is a list of tables, written [[price]]"])
    rules = [_rule(number, item, origin, problems) for number, item in enumerate(listed, 1)]
    problems += _overlaps([rule for rule in rules if rule is not None], origin)
    if problems:
        raise ConfigurationError(problems)
    source, version = f"file:{Path(origin).name}"[:50], hashlib.sha256(data).hexdigest()[:16]
    return ranked(replace(rule, source=source, version=version) for rule in rules if rule is not None)


def _number(text: str) -> Decimal | str:
    """Return a number as written; one beyond what decimals reach as its text, to be told with its key."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text


def _rule(number: int, item: dict[str, Any], origin: str, problems: list[str]) -> Override | None:
    place = f"{origin}: price[{number}]"
    before = len(problems)
    model = _word(item, "model", place, problems)
    if not model:
        problems.append(f"{place}.model: is missing; say a model's name, or its beginning with *")
    elif "*" in model[:-1]:
        problems.append(f"{place}.model: {model!r} has a * that is not at its end")
    since, until = _day(item, "from", place, problems), _day(item, "until", place, problems)
    if since and until and since >= until:
        problems.append(f"{place}.until: {until} is not after from ({since})")
    extends = item.get("extends", False)
    if not isinstance(extends, bool):
        problems.append(f"{place}.extends: is true or false")
    rates = _rates(item, place, problems, is_whole=extends is not True)
    if len(problems) > before:
        return None
    return Override(
        number=number, model=model, provider=_word(item, "provider", place, problems),
        tier=_word(item, "tier", place, problems) or STANDARD, since=since, until=until, extends=extends, rates=rates,
    )  # fmt: skip


def _word(item: dict[str, Any], key: str, place: str, problems: list[str]) -> str:
    value = item.get(key, "")
    if not isinstance(value, str) or len(value) > _MAX_NAME:
        problems.append(f"{place}.{key}: is a text of at most {_MAX_NAME} characters")
        return ""
    return value.lower() if key in ("model", "tier") else value


def _day(item: dict[str, Any], key: str, place: str, problems: list[str]) -> str:
    value = item.get(key)
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            value = None
    if isinstance(value, datetime) or not isinstance(value, date):
        problems.append(f"{place}.{key}: is a day, such as 2026-11-01")
        return ""
    return value.isoformat()


def _rates(item: dict[str, Any], place: str, problems: list[str], *, is_whole: bool) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for key, value in item.items():
        if key in _KEYS:
            continue
        name, mark, step = key.partition(">")
        if name not in UNITS or (mark and not (step.isascii() and step.isdigit() and len(step) < 12)):
            problems.append(f"{place}.{key}: is no unit price; use one of {', '.join(UNITS)}")
            continue
        rate = _rate(value, f"{place}.{key}", problems)
        if rate is not None:
            found[key] = rate
    if not any(key not in _KEYS for key in item):
        problems.append(f"{place}: has no unit price; say input_mtok and output_mtok, or another unit")
    if is_whole:
        problems += _missing(item, place)
    return tuple(sorted(found.items()))


def _missing(item: dict[str, Any], place: str) -> list[str]:
    """Return what a whole price lacks: a step's base, or the input to an output."""
    stepped = {key.partition(">")[0] for key in item if ">" in key}
    problems = [f"{place}.{name}: is missing; a step needs the price below it" for name in sorted(stepped - set(item))]
    if "output_mtok" in item and "input_mtok" not in item and "input_mtok" not in stepped:
        problems.append(f"{place}.input_mtok: is missing; without it the input would cost nothing")
    return problems


def _rate(value: object, place: str, problems: list[str]) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        problems.append(f'{place}: is an amount in USD, such as "0.15"')
        return None
    try:
        amount = Decimal(value)
    except InvalidOperation:
        problems.append(f"{place}: {str(value)[:40]!r} is no amount in USD")
        return None
    if not amount.is_finite() or not 0 <= amount < _MAX_RATE:
        said = "is negative" if amount.is_finite() and amount < 0 else "is no amount a unit can cost"
        problems.append(f"{place}: {str(value)[:40]} {said}")
        return None
    if amount and amount.adjusted() < -15:
        problems.append(f"{place}: {str(value)[:40]} is below what can be stored")
        return None
    return format(amount, "f")


def _overlaps(rules: list[Override], origin: str) -> list[str]:
    """Return the pairs of rules of which neither is more specific, and which hold on the same day."""
    problems = []
    for position, rule in enumerate(rules):
        for other in rules[position + 1 :]:
            is_same = (rule.model, rule.provider, rule.tier) == (other.model, other.provider, other.tier)
            if is_same and _meet(rule, other):
                what = f"{rule.model!r}, tier {rule.tier}" + (f", provider {rule.provider}" if rule.provider else "")
                problems.append(f"{origin}: price[{other.number}]: overlaps price[{rule.number}] ({what}); "
                                "let one end with until where the other begins")  # fmt: skip
    return problems


def _meet(rule: Override, other: Override) -> bool:
    return (not other.until or rule.since < other.until) and (not rule.until or other.since < rule.until)
