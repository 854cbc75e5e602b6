"""``dashcam env``: what to paste so that a program's calls come here, for each shell and a few languages.

Standard output carries nothing else, so that ``eval "$(dashcam env)"`` works; remarks go to standard error. Keys are
never shown: where callers must have one, the line says where it comes from.
"""

from __future__ import annotations

import os
import sys

from proxy.cli.instance import find
from proxy.errors import UsageError
from proxy.settings.values import Settings
from proxy.supervisor.banner import public_url

_SHELLS = {
    "sh": "export OPENAI_BASE_URL={url}/v1",
    "fish": "set -gx OPENAI_BASE_URL {url}/v1",
    "powershell": '$env:OPENAI_BASE_URL = "{url}/v1"',
    "cmd": "set OPENAI_BASE_URL={url}/v1",
    "dotenv": "OPENAI_BASE_URL={url}/v1",
}
_PYTHON = """\
# pip install openai
import os
from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key=os.getenv("OPENAI_API_KEY", "none"))
answer = client.chat.completions.create(
    model="dashcam/echo",  # built in, needs no key; put your model here
    messages=[{{"role": "user", "content": "Hello"}}],
)
print(answer.choices[0].message.content)
"""
_JAVASCRIPT = """\
// npm install openai; save as hello.mjs
import OpenAI from "openai";

const client = new OpenAI({{ baseURL: "{url}/v1", apiKey: process.env.OPENAI_API_KEY ?? "none" }});
const answer = await client.chat.completions.create({{
  model: "dashcam/echo", // built in, needs no key; put your model here
  messages: [{{ role: "user", content: "Hello" }}],
}});
console.log(answer.choices[0].message.content);
"""
_CURL = """\
curl -sS {url}/v1/chat/completions \\
  -H "content-type: application/json" -H "authorization: Bearer ${{OPENAI_API_KEY:-none}}" \\
  -d '{{"model": "dashcam/echo", "messages": [{{"role": "user", "content": "Hello"}}]}}'
"""
_LANGUAGES = {"python": _PYTHON, "javascript": _JAVASCRIPT, "curl": _CURL}
_OTHER_NAMES = {
    "bash": "sh",
    "zsh": "sh",
    "dash": "sh",
    "ksh": "sh",
    "pwsh": "powershell",
    "env": "dotenv",
    "js": "javascript",
}
KINDS = (*_SHELLS, *_LANGUAGES)


def print_snippet(settings: Settings, kind: str | None) -> None:
    """Print what makes a program's calls come here; ``UsageError`` for a kind that there is none of."""
    running = find(settings)
    print(
        snippet(kind or shell_of(os.getenv("SHELL")), running or public_url(settings.server.host, settings.server.port))
    )
    sys.stdout.flush()
    if running is None:
        print("dashcam: not running yet; start it with: dashcam serve", file=sys.stderr)
    if settings.proxy_keys:
        print("dashcam: callers show one of the proxy keys as their OPENAI_API_KEY", file=sys.stderr)
    elif not os.getenv("OPENAI_API_KEY"):
        print(
            "dashcam: OpenAI's clients want some OPENAI_API_KEY; without one of your own any word will do",
            file=sys.stderr,
        )


def snippet(kind: str, url: str) -> str:
    """Return the text for a shell or a language, without a last line end."""
    name = _OTHER_NAMES.get(kind, kind)
    template = {**_SHELLS, **_LANGUAGES}.get(name)
    if template is None:
        raise UsageError(f"there is no snippet for {kind[:40]!r}; there is one for {', '.join(KINDS)}")
    return template.format(url=url).rstrip("\n")


def shell_of(path: str | None) -> str:
    """Return the kind of the shell that a path names; most are like sh."""
    return "fish" if os.path.basename(path or "") == "fish" else "sh"
