"""What a key, a route and a stored prompt cost a call, against the plain call in the same run.

Two gateways on the same core, one of them idle at any time: a plain one, and one where a prompt is published that
nobody asks for, since that must cost nothing. Two gateways differ by chance, by as much as a prompt costs; so what key,
route and prompt cost is measured on the second alone, asked without them and with them in turn.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.generator import Plan
from bench.relaying import Cost, Figures, compare_plans
from bench.targets import Target
from tests.support.dashcam import RunningDashcam

_PROMPT = """
messages:
  - role: system
    content: |
      You answer for {{ company }}. Be {{ tone }}, and say so where you do not know.
  - {role: user, content: "My name is {{ name }}."}
parameters: {temperature: 0.2, top_p: 0.9}
variables:
  name: string
  company: {default: the Example Company}
  tone: {default: brief}
"""


def publish(running: RunningDashcam, folder: Path) -> None:
    """Publish a prompt that nobody asks for."""
    (folder / "bench.yaml").write_text(_PROMPT)
    _do(running, "prompts", "create", "bench", str(folder / "bench.yaml"), "--label", "production")


def _open_route(running: RunningDashcam) -> str:
    """Make a route that carries the prompt, and a key; return the key."""
    _do(running, "routes", "set", "bench", "--target", "openai/gpt-4o-mini", "--prompt", "bench@production")
    return _do(running, "keys", "create", "--owner", "bench", "--route", "bench").strip()


def measure(plain: Target, published: Target, running: RunningDashcam, seconds: float) -> Figures:
    """Measure both ratios, of calls a second: with a prompt that nobody asks for, then with key, route and prompt.

    The last is asked with other values each time, and with the same again and again.
    """
    base, unasked = _compare(plain, published, seconds)
    figures: Figures = {
        "prompts_unasked_ratio_to_plain": unasked.calls_per_second / base.calls_per_second,
        "prompts_unasked_cpu_ratio_to_plain": base.cpu_us_per_call / unasked.cpu_us_per_call,
        "prompts_unasked_failed": unasked.seen.failed,
    }
    key = _open_route(running)
    for shape in ("prompted", "prompted_again"):
        base, asked = _compare(published, published, seconds, shape=shape, key=key)
        figures |= {
            f"{shape}_calls_per_s": asked.calls_per_second,
            f"{shape}_cpu_us_per_call": asked.cpu_us_per_call,
            f"{shape}_ratio_to_plain": asked.calls_per_second / base.calls_per_second,
            f"{shape}_cpu_ratio_to_plain": base.cpu_us_per_call / asked.cpu_us_per_call,
            f"{shape}_failed": asked.seen.failed,
        }
    return figures


def _compare(plain: Target, other: Target, seconds: float, **changes: Any) -> list[Cost]:
    """Compare a target that is asked for nothing with one that is asked for something; they may be the same."""
    plans = [(plain, Plan(port=plain.port)), (other, Plan(port=other.port, **changes))]
    compare_plans([(target, replace(plan, seconds=0.3)) for target, plan in plans])
    return compare_plans([(target, replace(plan, seconds=seconds)) for target, plan in plans])


def _do(running: RunningDashcam, *arguments: str) -> str:
    said = running.cli(*arguments)
    if said.returncode:
        raise RuntimeError(said.stderr.decode())
    return said.stdout.decode()
