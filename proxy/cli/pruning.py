"""``dashcam prune``: what is too old by the settings of retention, shown or deleted now; and how the record grows."""

from __future__ import annotations

from typing import Any

import orjson

from proxy.cli.admin import Admin
from proxy.cli.bar import Bar
from proxy.cli.database import calls, size
from proxy.cli.opened import check_record
from proxy.cli.terminal import json_text
from proxy.loader.errands import Errands
from proxy.settings.values import Settings
from proxy.store.care.maintenance import SWEEP


def prune(settings: Settings, *, is_dry: bool, is_forced: bool, as_json: bool) -> None:
    """Say what is due, or delete it, to the end."""
    check_record(settings)
    admin = Admin(settings)
    done: list[str] = []
    if is_dry:
        state = admin.ask("POST", "prune", {"dry_run": True})
    else:
        with Bar("prune") as bar:
            state = admin.ask("POST", "prune", {"dry_run": False, "force": is_forced})
            done += state["done"]
            while not state["is_finished"]:
                bar.tell("due", sum(state["due"].values()), 0)
                state = admin.ask("POST", "prune", {"dry_run": False})
                done += state["done"]
            Errands(settings).do(SWEEP, bar.look)
    if as_json:
        print(json_text({**state, "done": done}, orjson.OPT_INDENT_2))
        return
    for line in done if not is_dry else _due(state):
        print(line)
    if not is_dry and not done:
        print("Nothing was due.")
    print(_growth(state))


def _due(state: dict[str, Any]) -> list[str]:
    lines = [f"{calls(count)} due: {name}" for name, count in state["due"].items() if count]
    if not lines and len(state["due"]) == 1 and state["max_bytes"] is None:
        return ["Nothing is ever due: calls are kept for ever. Set a span, such as DASHCAM_RETENTION__TEXT=30d"]
    if state["paused_since"]:
        lines.append(
            f"Paused: the clock has jumped since {state['paused_since']}. If it is right: dashcam prune --force"
        )
    return lines or ["Nothing is due."]


def _growth(state: dict[str, Any]) -> str:
    told = f"{size(state['bytes'])} in use, {size(state['bytes_per_day'])} more a day in the last week"
    if state["full_in_days"] is not None:
        told += f"; {size(state['max_bytes'])} are reached in {state['full_in_days']:,.0f} days"
    return f"{told}."
