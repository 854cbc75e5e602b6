"""Catalogues to try things with: strategies for hypothesis, whose references lead somewhere."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from proxy.catalogue.access import LimitsDocument
from proxy.catalogue.catalogue import Catalogue
from proxy.catalogue.model import ModelDocument
from proxy.catalogue.price import PriceDocument
from proxy.catalogue.prompt import PromptDocument, VersionHead
from proxy.catalogue.provider import ProviderDocument
from proxy.catalogue.route import FallbackDocument, RouteDocument, TargetDocument
from proxy.prompting.checking import read_version

LINES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=30).filter(
    str.isprintable
)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=60)
COUNTS = st.integers(1, 10**9)
PARAMETERS = st.fixed_dictionaries(
    {}, optional={"temperature": st.floats(0, 1), "max_tokens": COUNTS.filter(lambda n: n < 10**6), "stop": LINES}
)
RATES = st.decimals(0, 1000, places=6).map(lambda amount: format(Decimal(amount), "f"))


def content_of(text: str) -> dict[str, Any]:
    """Return the content of a version that says one text, and nothing of a template."""
    version, problems = read_version({"messages": [{"role": "system", "content": text}]})
    assert problems == []
    return version.to_mapping()


def sha256_of(content: dict[str, Any]) -> str:
    """Return the hash of a content."""
    return read_version(content)[0].sha256


def providers(name: str) -> st.SearchStrategy[ProviderDocument]:
    """Return providers of a name."""
    return st.builds(
        ProviderDocument,
        name=st.just(name),
        kind=st.sampled_from(["custom", "openai", "vllm", "anthropic"]),
        base_url=st.sampled_from(["https://models.example/v1", "https://93.184.216.34:8443/api"]),
        description=TEXTS,
        key_env=st.none() | st.just("PROVIDER_KEY_ONE"),
        headers=st.dictionaries(st.sampled_from(["x-team", "x-place"]), st.just("eu")),
        connect_timeout=st.none() | st.floats(0.5, 100),
        limits=st.none() | st.builds(LimitsDocument, requests_per_minute=COUNTS, concurrent=st.none() | COUNTS),
        stream_usage=st.sampled_from([None, "inject", "passive"]),
        max_tokens=st.none() | COUNTS,
        active=st.booleans(),
    )


def prices(model: str) -> st.SearchStrategy[PriceDocument]:
    """Return prices of a model."""
    return st.builds(
        PriceDocument,
        model=st.just(model),
        provider=st.sampled_from(["", "openai"]),
        tier=st.sampled_from(["default", "batch"]),
        valid_from=st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1)),
        rates=st.fixed_dictionaries({"input_mtok": RATES}, optional={"output_mtok": RATES, "input_mtok>1000": RATES}),
        note=TEXTS,
    )


def prompts(name: str, texts: list[str]) -> PromptDocument:
    """Return a prompt with a version for each text."""
    made_at = datetime(2026, 11, 1, tzinfo=UTC)
    versions = [
        VersionHead(
            number=number,
            name=f"1.{number}",
            sha256=sha256_of(content_of(text)),
            author="ana",
            made_at=made_at + timedelta(days=number),
        )
        for number, text in enumerate(texts, 1)
    ]
    return PromptDocument(name=name, goal="to try", labels={"production": 1}, versions=versions)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Draw a catalogue that can be used."""
    names = draw(st.lists(st.sampled_from(["acme", "bolt", "coil"]), min_size=1, unique=True))
    catalogue = Catalogue().put(*(draw(providers(name)) for name in names))
    for name in names:
        model = st.builds(ModelDocument, provider=st.just(name), name=st.just("big/m-1"), display_name=LINES,
                          context_window=st.none() | COUNTS, defaults=PARAMETERS, active=st.booleans())  # fmt: skip
        catalogue = catalogue.put(draw(model))
    for name in draw(st.lists(st.sampled_from(["m-1", "m-*"]), unique=True)):
        catalogue = catalogue.put(draw(prices(name)))
    if draw(st.booleans()):
        catalogue = catalogue.put(prompts("greeting", ["Hello.", "Good day."]))
    reference = st.sampled_from(
        [None, "greeting", "greeting@production", "greeting@2"] if catalogue.prompts else [None]
    )
    for name in draw(st.lists(st.sampled_from(["fast", "slow/*"]), unique=True)):
        route = st.builds(RouteDocument, name=st.just(name), targets=st.just([TargetDocument(provider=names[0])]),
                          fallbacks=st.just([FallbackDocument(provider=item) for item in names[1:]]),
                          forced=PARAMETERS, prompt=reference, recording=st.sampled_from([None, "meta"]))  # fmt: skip
        catalogue = catalogue.put(draw(route))
    return catalogue
