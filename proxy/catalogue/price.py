"""A price as it is edited: what a model costs from a day on, unit by unit, as exact decimals in USD.

The rules are those of the user's own price file (``proxy.pricing.overrides``): the same names of units, the same steps,
the same question of which price wins. What a price is for does not change; another one of that is another price.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from proxy.catalogue.fields import Document, Line, LongText
from proxy.pricing.overrides import STANDARD, Override
from proxy.pricing.units import UNITS
from proxy.settings.fields import ModelName

_MAX_RATE = Decimal(1_000_000_000)
_SMALLEST = -15
_MOST_RATES = 200
_AMOUNT = re.compile(r"[-+]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][-+]?[0-9]{1,3})?")


def _rate(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError('this is an amount in USD, such as "0.15"')
    # A float is what was written, not what a machine made of it.
    text = str(value).strip()
    if not _AMOUNT.fullmatch(text):
        raise ValueError('this is no amount in USD; write it such as "0.15"')
    amount = Decimal(text)
    if not 0 <= amount < _MAX_RATE:
        raise ValueError("this is no amount that a unit can cost")
    if amount and amount.adjusted() < _SMALLEST:
        raise ValueError("this is below what can be stored")
    if len(amount.as_tuple().digits) > 40:
        raise ValueError("an amount has at most 40 digits")
    return format(amount, "f")


def _unit(name: str) -> str:
    unit, mark, step = name.partition(">")
    if unit not in UNITS or (mark and not (step.isascii() and step.isdigit() and len(step) < 12)):
        raise ValueError(f"this is no unit price; use one of {', '.join(UNITS)}")
    return name


def _model(name: str) -> str:
    if "*" in name[:-1]:
        raise ValueError(f"{name!r} has a * that is not at its end")
    return name.lower()


def _tier(name: str) -> str:
    return name.lower() or STANDARD


Rate = Annotated[str, BeforeValidator(_rate)]
Unit = Annotated[str, AfterValidator(_unit)]


class PriceDocument(Document):
    """One price; ``provider`` is a provider's name or kind, empty for any; ``model`` may end in ``*``.

    It holds from ``valid_from`` (a day, UTC; None: always) until ``valid_until``, exclusive. With ``extends`` it is
    laid over the published price, else it is all of it. ``source`` says where the numbers are from.
    """

    model: Annotated[ModelName, AfterValidator(_model)]
    provider: Annotated[str, StringConstraints(max_length=200, pattern=r"^[a-z0-9_-]*$")] = ""
    tier: Annotated[str, StringConstraints(max_length=50, pattern=r"^[A-Za-z0-9_*-]*$"), AfterValidator(_tier)] = (
        STANDARD
    )
    valid_from: date | None = None
    valid_until: date | None = None
    extends: bool = False
    rates: Annotated[dict[Unit, Rate], Field(min_length=1, max_length=_MOST_RATES)]
    source: Line = ""
    note: LongText = ""

    @model_validator(mode="after")
    def _check_whole(self) -> PriceDocument:
        if self.valid_from and self.valid_until and self.valid_from >= self.valid_until:
            raise ValueError(f"valid_until: {self.valid_until} is not after valid_from ({self.valid_from})")
        if self.extends:
            return self
        stepped = {name.partition(">")[0] for name in self.rates if ">" in name}
        if missing := sorted(stepped - set(self.rates)):
            raise ValueError(f"rates: {', '.join(missing)} is missing; a step needs the price below it")
        if "output_mtok" in self.rates and "input_mtok" not in self.rates:
            raise ValueError("rates: input_mtok is missing; without it the input would cost nothing")
        return self

    @property
    def key(self) -> str:
        """What it is found by: a digest of what it is for."""
        since = self.valid_from.isoformat() if self.valid_from else ""
        content = json.dumps([self.provider, self.model, self.tier, since])
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @property
    def title(self) -> str:
        """What it is for, in words: "openai/gpt-x, batch tier, from 2026-11-01"."""
        tier = "" if self.tier == STANDARD else f", {self.tier} tier"
        since = f", from {self.valid_from.isoformat()}" if self.valid_from else ""
        return f"{self.provider or 'any'}/{self.model}{tier}{since}"

    def to_override(self, number: int) -> Override:
        """Return the rule that pricing works with; ``number`` tells equals apart in messages."""
        return Override(
            number=number,
            model=self.model,
            provider=self.provider,
            tier=self.tier,
            since=self.valid_from.isoformat() if self.valid_from else "",
            until=self.valid_until.isoformat() if self.valid_until else "",
            extends=self.extends,
            rates=tuple(sorted(self.rates.items())),
        )
