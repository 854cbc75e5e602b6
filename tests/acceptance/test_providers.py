"""Providers without configuration: model servers that come and go, one list of models, routes; as a user meets them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import openai
import orjson
import pytest

from tests.acceptance.conftest import Starter
from tests.support.dashcam import RunningDashcam
from tests.support.model_server import ModelServer, an_ollama, listed, serving
from tests.support.processes import free_port, resident_kb
from tests.support.raw_http import exchange, request
from tests.support.waiting import wait_until

REAL_KEY = "sk-proj-a-real-key-of-the-client"


def answer(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"I am {model}"}
    choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    return {"id": "c", "object": "chat.completion", "model": model, "created": 1, "choices": choices, "usage": usage}


def ollama(*names: str) -> dict[str, object]:
    return {**an_ollama(*names), "/v1/chat/completions": answer(names[0]), f"/v1/models/{names[0]}": {"id": names[0]}}


def ask(dashcam: RunningDashcam, model: str, key: str = REAL_KEY) -> str | None:
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key=key, max_retries=0) as client:
        reply = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "who are you?"}])
        return reply.choices[0].message.content


def models(dashcam: RunningDashcam) -> list[str]:
    with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key=REAL_KEY, max_retries=0) as client:
        return [item.id for item in client.models.list()]


def start(
    starter: Starter, main: ModelServer, ollama_port: int, *arguments: str, first_look_seconds: float = 20.0
) -> RunningDashcam:
    # A machine that is busy with other tests may need longer than a start usually waits.
    environment = {
        "OLLAMA_HOST": f"127.0.0.1:{ollama_port}",
        "DASHCAM_DISCOVERY__LOCAL_SERVERS": "true",
        "DASHCAM_DISCOVERY__FIRST_LOOK_SECONDS": str(first_look_seconds),
    }
    return starter("--upstream", f"openai={main.root}/v1", *arguments, environment=environment)


def test_an_ollama_that_runs_is_found_before_the_first_call(start_dashcam: Starter) -> None:
    answers = {"/v1/models": listed("gpt-x", owner="openai"), "/v1/chat/completions": answer("gpt-x")}
    with serving(answers) as main, serving(ollama("llama3:latest", "gpt-x-local")) as server:
        dashcam = start(start_dashcam, main, server.port)
        assert ask(dashcam, "llama3") == "I am llama3:latest"
        assert ask(dashcam, "gpt-x") == "I am gpt-x"
        assert server.credentials == []
        assert main.credentials == [f"Bearer {REAL_KEY}"]
        row = dashcam.row(model_requested="llama3")
        assert (row["provider"], row["cost_status"], row["cost_pico_usd"]) == ("ollama", "local", 0)
        assert f"ollama ({server.root}/v1, 2 models)" in dashcam.log()
        wait_until(lambda: models(dashcam) == ["llama3:latest", "gpt-x-local", "gpt-x"], "the lists are one")
        with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key="x", max_retries=0) as client:
            assert client.models.retrieve("llama3:latest").id == "llama3:latest"
        assert {row["provider"] for row in dashcam.rows() if row["operation"] == "models"} == {"dashcam", "ollama"}
        said = dashcam.cli("doctor").stdout.decode()
        assert f"{server.root}/v1 (ollama); found on this machine with 2 models" in said


def test_an_ollama_comes_and_goes_and_its_models_go_nowhere_else(start_dashcam: Starter) -> None:
    port = free_port()
    with serving({"/v1/chat/completions": answer("default"), "/v1/models": listed("gpt-x")}) as main:
        dashcam = start(start_dashcam, main, port)
        assert ask(dashcam, "llama3") == "I am default"
        with serving(ollama("llama3"), port):
            wait_until(lambda: ask(dashcam, "llama3") == "I am llama3", "the model is found")
            wait_until(lambda: "llama3" in models(dashcam), "it is listed")
        before = len(main.asked)
        wait_until(lambda: "llama3" not in models(dashcam), "it is listed no more")
        with pytest.raises(openai.InternalServerError) as caught:
            ask(dashcam, "llama3")
        assert caught.value.code == "upstream_unreachable"
        assert "POST /v1/chat/completions" not in main.asked[before:]
        wait_until(lambda: f"ollama at http://127.0.0.1:{port} is gone" in dashcam.log(), "it is told")


def test_a_model_that_is_new_is_found_because_somebody_asked_for_it(start_dashcam: Starter) -> None:
    with serving({"/v1/chat/completions": answer("default")}) as main, serving(ollama("old")) as server:
        dashcam = start(start_dashcam, main, server.port)
        assert ask(dashcam, "pulled") == "I am default"
        server.answers = {**ollama("old", "pulled"), "/v1/chat/completions": answer("pulled")}
        wait_until(lambda: ask(dashcam, "pulled") == "I am pulled", "the new model is found")


def test_looking_can_be_turned_off(start_dashcam: Starter) -> None:
    with serving({"/v1/chat/completions": answer("default")}) as main, serving(ollama("llama3")) as server:
        environment = {"OLLAMA_HOST": f"127.0.0.1:{server.port}", "DASHCAM_DISCOVERY__LOCAL_SERVERS": "false"}
        dashcam = start_dashcam("--upstream", f"openai={main.root}/v1", environment=environment)
        assert ask(dashcam, "llama3") == "I am default"
        wait_until(lambda: "GET /v1/models" in main.asked, "control has looked around")
        assert server.asked == []


def test_a_key_in_the_environment_is_a_provider(start_dashcam: Starter, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-ant-of-the-server\n")
    dashcam = start_dashcam(environment={"ANTHROPIC_API_KEY_FILE": str(tmp_path / "key"), "XAI_API_KEY": "xai-1"})
    said = orjson.loads(dashcam.cli("doctor", "--offline", "--json").stdout)
    found = {item["subject"]: item["detail"] for item in said if item["subject"].startswith("provider")}
    assert list(found) == ["provider openai", "provider anthropic", "provider xai"]
    assert found["provider anthropic"] == "https://api.anthropic.com/v1 (anthropic); key from ANTHROPIC_API_KEY"


ROUTES = """
[providers.main]
url = "{main}/v1"
[providers.spare]
url = "{spare}/v1"
key_env = "SPARE_KEY"
[[routes]]
model = "fast"
targets = ["main/model-a"]
fallbacks = ["spare/model-b"]
"""


def test_a_route_is_followed_and_both_names_are_on_record(start_dashcam: Starter, tmp_path: Path) -> None:
    with serving({}) as main, serving({"/v1/chat/completions": answer("model-b-2026")}) as spare:
        (tmp_path / "c.toml").write_text(ROUTES.format(main=main.root, spare=spare.root))
        dashcam = start_dashcam("--config", str(tmp_path / "c.toml"), environment={"SPARE_KEY": "sk-spare"})
        main.answers["/v1/chat/completions"] = answer("model-a-2026")
        assert ask(dashcam, "fast") == "I am model-a-2026"
        main.shutdown()
        main.server_close()
        assert ask(dashcam, "fast") == "I am model-b-2026"
        assert orjson.loads(spare.bodies[0])["model"] == "model-b"
        assert spare.credentials == ["Bearer sk-spare"]
        first, second = dashcam.rows()
        assert (first["route"], first["model_requested"], first["model"]) == ("fast", "fast", "model-a-2026")
        assert (first["provider"], first["attempts"], first["request_modified"]) == ("main", 1, 1)
        assert (second["provider"], second["attempts"], second["outcome"]) == ("spare", 2, "completed")
        tries = dashcam.query(
            "select provider, error from attempt where interaction_id = ? order by number", second["id"]
        )
        assert [item["provider"] for item in tries] == ["main", "spare"]
        assert tries[0]["error"] is not None
        assert orjson.loads(dashcam.cli("show", "last", "--raw", "--sent").stdout)["model"] == "model-b"
        assert dashcam.samples()["dashcam_takeovers_total"][frozenset()] == 1
        with openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key=REAL_KEY, max_retries=0) as client:
            listed_names = [item.id for item in client.models.list()]
            assert listed_names[0] == "fast"
            assert client.models.retrieve("fast").owned_by == "dashcam"
            assert client.models.retrieve("dashcam/echo").id == "dashcam/echo"
        assert not [line for line in spare.asked if line.endswith("/fast")]


def test_mistakes_in_routes_are_told_before_a_port_is_bound(start_dashcam: Starter, tmp_path: Path) -> None:
    dashcam = start_dashcam()
    (tmp_path / "c.toml").write_text('[[routes]]\nmodel = "a*b*"\ntargets = ["nobody"]\n[discovery]\nlocal = 1\n')
    said = dashcam.cli("serve", "--config", str(tmp_path / "c.toml"))
    assert said.returncode == 4
    for word in (b"routes.0.model", b"discovery.local: is not a setting"):
        assert word in said.stderr


def test_an_address_that_hangs_delays_no_start_and_is_told(start_dashcam: Starter) -> None:
    with serving({"/v1/chat/completions": answer("default")}) as main, socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        dashcam = start(start_dashcam, main, port, first_look_seconds=0.5)
        assert ask(dashcam, "llama3") == "I am default"
        dashcam.settle()
        said = dashcam.cli("doctor", "--offline")
        assert f"something listens at http://127.0.0.1:{port} and does not answer" in said.stdout.decode()
        assert said.returncode == 0
        assert ask(dashcam, "llama3") == "I am default"


def test_a_list_of_ten_thousand_models_hurts_nobody(start_dashcam: Starter) -> None:
    names = [f"vendor/model-{number}" for number in range(10_000)]
    many = {"/v1/models": listed(*names), "/v1/chat/completions": answer("many")}
    with serving({"/v1/chat/completions": answer("one")}) as one, serving(many) as other:
        dashcam = start_dashcam("--upstream", f"openai={one.root}/v1", "--upstream", f"vllm={other.root}/v1")
        (gateway,) = dashcam.pids("proxy.gateway")
        before = resident_kb(gateway)
        wait_until(lambda: ask(dashcam, names[-1]) == "I am many", "the last name is known")
        assert len(models(dashcam)) == 10_000
        assert resident_kb(gateway) - before < 32 * 1024
        reply = exchange(dashcam.port, request(b'{"model":"x","messages":[]}'))
        assert orjson.loads(reply.body)["model"] == "one"
