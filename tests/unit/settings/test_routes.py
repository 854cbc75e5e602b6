"""Routes in a settings file: what is understood, and every mistake at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxy.domain.route import Route, Target
from proxy.errors import ConfigurationError
from proxy.resources import config_folder
from proxy.settings.loading import load
from proxy.settings.values import Settings, settings_from_mapping

PROVIDERS = """
[providers.main]
url = "http://127.0.0.1:1"
[providers.other]
url = "http://127.0.0.1:2"
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    monkeypatch.chdir(tmp_path)


def loaded(toml: str) -> Settings:
    Path("c.toml").write_text(toml)
    return load(defaults=config_folder() / "dashcam.toml", config="c.toml")


def mistakes(toml: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(toml)
    return caught.value.problems


def test_a_route_is_read_in_its_long_and_its_short_form() -> None:
    toml = (
        PROVIDERS
        + """
    [[routes]]
    model = "fast"
    targets = [{ provider = "main", model = "a", weight = 3 }, "other/vendor/b"]
    fallbacks = ["main"]
    [[routes]]
    model = "x/*"
    targets = [{ provider = "other", model = "*" }]
    """
    )
    wanted = (
        Route(
            model="fast",
            targets=(Target(provider="main", model="a", weight=3), Target(provider="other", model="vendor/b")),
            fallbacks=(Target(provider="main"),),
        ),
        Route(model="x/*", targets=(Target(provider="other", model="*"),)),
    )
    found = loaded(toml)
    assert found.routes == wanted
    assert settings_from_mapping(found.to_mapping()).routes == wanted


def test_every_mistake_is_told_with_its_place() -> None:
    toml = (
        PROVIDERS
        + """
    [[routes]]
    model = "a"
    targets = ["nobody", "main"]
    fallbacks = ["nowhere/x"]
    [[routes]]
    model = "a"
    targets = ["main"]
    """
    )
    assert mistakes(toml) == [
        "routes.1.model: 'a' has a route already",
        "routes.0.targets.0.provider: there is no provider 'nobody'; there are: dashcam, main, other",
        "routes.0.fallbacks.0.provider: there is no provider 'nowhere'; there are: dashcam, main, other",
    ]


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ('model = "a"', "routes.0.targets: Field required"),
        ('model = "a"\ntargets = []', "routes.0.targets: List should have at least 1 item"),
        ('model = "a**"\ntargets = ["main"]', "routes.0.model: a model's name is one line"),
        ('model = ""\ntargets = ["main"]', "routes.0.model: a model's name is one line"),
        ('model = "a"\ntargets = ["main/x*"]', "routes.0: 'x*' has a '*'"),
        ('model = "a"\ntargets = [{provider = "main", weight = -1}]', "routes.0.targets.0.weight: Input should be"),
        ('model = "a"\ntargets = [{provider = "main", wieght = 1}]', "routes.0.targets.0.wieght: is not a setting"),
        ('model = "a"\ntargets = ["main"]\nfallbacks = [{provider = "main", weight = 1}]', "routes.0: fallbacks are"),
        ('model = "a"\ntargets = [7]', "routes.0.targets.0: "),
    ],
)
def test_what_is_wrong_inside_a_route(route: str, told: str) -> None:
    (found,) = mistakes(f"{PROVIDERS}[[routes]]\n{route}")
    assert found.startswith(f"c.toml: {told}")


def test_a_route_waits_for_a_server_of_this_machine_that_is_not_there_yet() -> None:
    found = loaded(PROVIDERS + '[[routes]]\nmodel = "private"\ntargets = ["ollama/llama3"]')
    ollama = found.providers[-1]
    assert (ollama.name, ollama.source, ollama.is_away) == ("ollama", "found", True)
    assert ollama.base_url == "http://127.0.0.1:11434/v1"


def test_it_does_not_wait_for_what_is_not_looked_for() -> None:
    toml = PROVIDERS + '[[routes]]\nmodel = "private"\ntargets = ["ollama"]\n[discovery]\nlocal_servers = false'
    assert any("there is no provider 'ollama'" in line for line in mistakes(toml))


def test_a_route_says_how_much_is_kept_and_what_is_taken_out() -> None:
    route = '[[routes]]\nmodel = "a"\ntargets = ["main"]\nrecording = "meta"\nredaction = ["phone"]\n'
    (found,) = loaded(PROVIDERS + route).routes
    assert (found.recording, found.redaction) == ("meta", ("phone",))
    assert settings_from_mapping(loaded(PROVIDERS + route).to_mapping()).routes == (found,)
    (told,) = mistakes(PROVIDERS + route.replace("phone", "phones"))
    assert "routes.0.redaction.0: there is no pattern 'phones'; there are: api_key" in told
    assert "routes.0.recording" in mistakes(PROVIDERS + route.replace("meta", "some"))[0]
