"""Looking for model servers on real sockets: who is believed, who comes and goes, who hangs."""

from __future__ import annotations

import socket
from pathlib import Path

import orjson
import pytest

from proxy.control import discovery as module
from proxy.control.discovery import Discovery, probe
from proxy.control.probing import Place, identify, knock, knock_now
from proxy.control.publishing import Publisher
from proxy.domain.provider import Provider
from proxy.settings.snapshot import load
from proxy.settings.values import Settings
from tests.support.certificates import Certificates
from tests.support.model_server import an_ollama, listed, serving
from tests.support.outgoing import Http2Server
from tests.support.processes import free_port

FIRST = Provider(name="openai", kind="openai", base_url="https://api.openai.com/v1", root_url="https://api.openai.com")


def discovery(
    folder: Path, *found_at: Place, providers: tuple[Provider, ...] = (FIRST,), **values: object
) -> Discovery:
    settings = Settings(data_dir=str(folder), run_dir=str(folder), providers=providers)
    return Discovery(Publisher(settings), 1, found_at, **values)  # type: ignore[arg-type]


LMSTUDIO = {"/v1/models": listed("qwen", owner="organization_owner")}
OLD_LMSTUDIO = {
    "/v1/models": listed("qwen", owner="?"),
    "/api/v0/models": {"data": [{"id": "qwen", "state": "loaded"}]},
}


@pytest.mark.parametrize(
    ("kind", "answers", "names"),
    [
        ("ollama", an_ollama("llama3:latest", "qwen3"), ("llama3:latest", "qwen3")),
        ("ollama", {"/api/tags": {"models": [{"name": "a"}]}}, ("a",)),
        ("lmstudio", LMSTUDIO, ("qwen",)),
        ("lmstudio", OLD_LMSTUDIO, ("qwen",)),
        ("vllm", {"/v1/models": listed("mistral", owner="vllm")}, ("mistral",)),
        ("llamacpp", {"/v1/models": listed("gguf", owner="llamacpp")}, ("gguf",)),
    ],
)
async def test_a_server_is_known_by_its_answers(kind: str, answers: dict[str, object], names: tuple[str, ...]) -> None:
    with serving(answers) as server:
        listing = await identify(Place(kind, server.root), probe)
        assert listing is not None
        assert listing.names == names
        assert server.credentials == []


FOREIGN: dict[str, dict[str, object]] = {
    "nothing": {},
    "garbage": {"/v1/models": b"<html>", "/api/tags": b"\xff" * 100},
    "another list": {"/v1/models": {"data": []}, "/api/tags": {"tags": ["a"]}},
    "somebody else's models": {"/v1/models": listed("gpt-4o", owner="openai")},
}


@pytest.mark.parametrize("kind", ["ollama", "lmstudio", "vllm", "llamacpp"])
@pytest.mark.parametrize("answers", FOREIGN.values(), ids=FOREIGN)
async def test_a_foreign_program_is_taken_for_none(kind: str, answers: dict[str, object]) -> None:
    with serving(answers) as server:
        assert await identify(Place(kind, server.root), probe) is None


async def test_another_dashcam_is_no_model_server() -> None:
    with serving({"/v1/models": listed("m", owner="vllm")}, headers={"x-dashcam-id": "x"}) as server:
        assert await identify(Place("vllm", server.root), probe) is None


async def test_a_server_comes_goes_and_comes_again(tmp_path: Path) -> None:
    port = free_port()
    told: list[str] = []
    looker = discovery(tmp_path, Place("ollama", f"http://127.0.0.1:{port}"), say=told.append)
    await looker.look()
    assert [item.name for item in looker.snapshot.providers] == ["openai"]
    with serving(an_ollama("llama3"), port):
        await looker.look()
        first, found = load(tmp_path / "snapshot.json").providers
        assert (first, found.name, found.models, found.is_away) == (FIRST, "ollama", ("llama3",), False)
    await looker.look()
    assert not looker.snapshot.providers[1].is_away
    await looker.look()
    away = load(tmp_path / "snapshot.json").providers[1]
    assert (away.is_away, away.models) == (True, ("llama3",))
    with serving(an_ollama("llama3", "new"), port):
        await looker.look()
    assert load(tmp_path / "snapshot.json").providers[1].models == ("llama3", "new")
    assert [line.split(" is ")[1] for line in told] == ["here, with 1 models", "gone", "here, with 2 models"]


async def test_a_stranger_is_not_asked_at_every_look(tmp_path: Path) -> None:
    with serving({}) as server:
        looker = discovery(tmp_path, Place("vllm", server.root))
        for _ in range(5):
            await looker.look()
        assert server.asked == ["GET /v1/models"]


async def test_a_server_that_is_there_is_only_knocked_at(tmp_path: Path) -> None:
    with serving(an_ollama("llama3")) as server:
        looker = discovery(tmp_path, Place("ollama", server.root))
        await looker.look()
        asked = len(server.asked)
        await looker.look()
        assert len(server.asked) == asked


async def test_a_probe_that_hangs_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = Place("ollama", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert knock_now(place)
        assert await knock(place)
        looker = discovery(tmp_path, place)
        await looker.look()
    assert looker.snapshot.providers == (FIRST,)


async def test_the_first_look_waits_for_nobody() -> None:
    with serving(an_ollama("llama3")) as server, socket.create_server(("127.0.0.1", 0)) as listener:
        hanging = Place("vllm", f"http://127.0.0.1:{listener.getsockname()[1]}")
        found, silent = await module.look_once([hanging, Place("ollama", server.root)], [], 0.3)
    assert [item.models for item in found] == [("llama3",)]
    assert silent == [hanging]


async def test_ten_thousand_models_are_published(tmp_path: Path) -> None:
    names = [f"model-{number}" for number in range(10_000)]
    with serving(an_ollama(*names)) as server:
        await discovery(tmp_path, Place("ollama", server.root)).look()
    found = load(tmp_path / "snapshot.json").providers[1]
    assert found.models == tuple(names)
    assert len(found.entries) == 10_000


async def test_only_who_is_near_is_asked_when_a_model_is_unknown(tmp_path: Path) -> None:
    with serving({"/v1/models": listed("a")}) as near, serving({"/v1/models": listed("b")}) as configured:
        providers = (
            FIRST,
            Provider(name="near", kind="custom", base_url=f"{near.root}/v1", root_url=near.root),
            Provider(name="own", kind="vllm", base_url=f"{configured.root}/v1", root_url=configured.root),
        )
        looker = discovery(tmp_path, providers=providers)
        assert await looker.ask_all(at_home_only=True)
    assert [item.models for item in looker.snapshot.providers] == [(), ("a",), ("b",)]


async def test_a_provider_that_speaks_nothing_but_http2_has_a_list(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    async with Http2Server(certificates.server_context()) as server:
        server.models = orjson.dumps(listed("a", "b"))
        provider = Provider(
            name="near", kind="vllm", base_url=f"{server.url}/v1", root_url=server.url, http2=True,
            ca_file=certificates.path("ca.pem"),
        )  # fmt: skip
        looker = discovery(tmp_path, providers=(provider,))
        assert await looker.ask_all()
    assert looker.snapshot.providers[0].models == ("a", "b")


async def test_a_list_that_is_no_answer_leaves_the_last_one(tmp_path: Path) -> None:
    with serving({"/v1/models": listed("a")}) as server:
        provider = Provider(name="near", kind="vllm", base_url=f"{server.root}/v1", root_url=server.root)
        looker = discovery(tmp_path, providers=(provider,))
        assert await looker.ask_all()
        server.answers["/v1/models"] = b"{"
        assert not await looker.ask_all()
    assert looker.snapshot.providers[0].models == ("a",)
