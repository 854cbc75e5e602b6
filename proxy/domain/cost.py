"""Money: exact decimals, stored as integer pico-dollars (1e-12 USD).

The smallest real charge is some 2e-7 USD; a 64-bit integer of pico-dollars holds about nine million dollars
a call. Floats never appear; what is stored as ``cost_usd`` for tools that sum is derived from the integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from proxy.domain.outcome import CostStatus

PICO = Decimal(10) ** 12
MAX_PICO = 2**63 - 1


def to_pico(amount_usd: Decimal) -> int:
    """Return the amount as integer pico-dollars, rounded half to even; ``OverflowError`` beyond 64 bit."""
    pico = int((amount_usd * PICO).to_integral_value(rounding=ROUND_HALF_EVEN))
    if not 0 <= pico <= MAX_PICO:
        raise OverflowError(f"cost {amount_usd} USD does not fit into 64-bit pico-dollars")
    return pico


def from_pico(pico: int) -> Decimal:
    """Return pico-dollars as an exact decimal amount of USD."""
    return Decimal(pico) / PICO


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Unit prices that applied to a call, pinned: USD per million tokens as exact decimal text.

    ``id`` is a digest of the content, so equal prices are one row; ``tier`` is the billed tier
    (``default``, ``flex``, ``priority`` …); ``source`` names the data and ``source_version`` its release.
    """

    id: str
    provider: str
    model: str
    tier: str
    rates: Mapping[str, str]
    source: str
    source_version: str
    valid_from: str | None = None


@dataclass(slots=True, kw_only=True)
class Cost:
    """What a call cost; all amounts None when unknown. ``lines`` explain it: (what, count, rate, amount in USD).

    Made for each call, so not frozen; nobody changes one all the same.
    """

    status: CostStatus
    pico_usd: int | None = None
    input_pico_usd: int | None = None
    output_pico_usd: int | None = None
    price: Price | None = None
    lines: tuple[tuple[str, int, Decimal, Decimal], ...] = ()
