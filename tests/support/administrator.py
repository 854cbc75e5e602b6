"""An administrator at the command line of a running Dashcam, and an application that asks for what was set up."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import openai

from tests.support.dashcam import RunningDashcam

INWARD = {"DASHCAM_ADMIN__ALLOW_PRIVATE_UPSTREAMS": "127.0.0.1"}
OPENAI = ("--upstream", "openai=https://api.openai.com/v1")
ONE = """
messages: [{role: system, content: "Be {{ tone }}."}]
parameters: {temperature: 0.2}
variables: {tone: {default: brief}}
"""
TWO = ONE.replace("Be {{ tone }}.", "Always be {{ tone }}.")


def do(dashcam: RunningDashcam, *arguments: str) -> str:
    """Run a command on this instance's data; return what it prints."""
    said = dashcam.cli(*arguments)
    assert said.returncode == 0, said.stderr.decode()
    return said.stdout.decode()


def tell(
    dashcam: RunningDashcam, method: str, path: str, body: object = None, tag: str = ""
) -> tuple[int, dict[str, Any]]:
    """Ask the admin API for a change; return the status, and what it says. ``tag`` is what was changed from."""
    headers = {"Content-Type": "application/json", **({"If-Match": tag} if tag else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{dashcam.url}/api/v1/{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())


def set_up(dashcam: RunningDashcam, folder: Path, port: int) -> str:
    """Make a provider at a port of this machine, a model, a prompt, a route, a key; return the key."""
    (folder / "one.yaml").write_text(ONE)
    (folder / "two.yaml").write_text(TWO)
    do(dashcam, "providers", "add", "acme", "--url", f"http://127.0.0.1:{port}/v1")
    do(dashcam, "models", "add", "acme/m-1", "--set", 'defaults={"top_p":0.5}')
    do(dashcam, "prompts", "create", "short", str(folder / "one.yaml"), "--label", "production")
    do(dashcam, "routes", "set", "summarise", "--target", "acme/m-1", "--prompt", "short@production")
    return do(dashcam, "keys", "create", "--owner", "eu", "--route", "summarise").strip()


class Reply(NamedTuple):
    """What an application learns of a call."""

    prompt: str
    text: str | None


class Application:
    """Asks for a route with the OpenAI SDK, on a kept connection; close it after use."""

    def __init__(self, dashcam: RunningDashcam, key: str, route: str = "summarise") -> None:
        self._client = openai.OpenAI(base_url=f"{dashcam.url}/v1", api_key=key, max_retries=0)
        self._route = route

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def ask(self, text: str = "Hi", **variables: str) -> Reply:
        """Return which prompt the reply names, and the answer's text."""
        raw = self._client.chat.completions.with_raw_response.create(
            model=self._route,
            messages=[{"role": "user", "content": text}],
            extra_body={"prompt": {"variables": variables}} if variables else None,
        )
        return Reply(raw.headers.get("x-dashcam-prompt", ""), raw.parse().choices[0].message.content)
