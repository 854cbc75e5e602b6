"""The commands of the keys of those who call: ``keys list``, ``create``, ``update``, ``rotate``, ``revoke``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from proxy.cli import completion
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json
from proxy.cli.resolution import admin_from

keys = typer.Typer(help="Make keys for those who call.", no_args_is_help=True, rich_markup_mode=None)

KeyId = Annotated[
    str, typer.Argument(metavar="ID", help="The key's id: dashcam keys list.", autocompletion=completion.keys)
]
Owner = Annotated[str | None, typer.Option("--owner", metavar="NAME", help="Whose it is.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="What it is for.")]
Routes = Annotated[
    list[str] | None,
    typer.Option("--route", metavar="NAME", help="What it may ask for; repeatable.", autocompletion=completion.routes),
]
PerMinute = Annotated[int | None, typer.Option("--rpm", metavar="N", help="Requests a minute.")]
TokensPerMinute = Annotated[int | None, typer.Option("--tpm", metavar="N", help="Tokens a minute.")]
Concurrent = Annotated[int | None, typer.Option("--concurrent", metavar="N", help="Calls at once.")]
Expires = Annotated[str | None, typer.Option("--expires", metavar="TIME", help="90d, 12h or 2027-01-31.")]
Recording = Annotated[
    str | None,
    typer.Option(
        "--record", metavar="DEPTH", help="Keep of its calls: full, meta or none.", autocompletion=completion.depths
    ),
]
Redact = Annotated[
    list[str] | None,
    typer.Option(
        "--redact",
        metavar="PATTERN",
        help="Take out of their record: dashcam redaction list; repeatable.",
        autocompletion=completion.patterns,
    ),
]
Retention = Annotated[
    list[str] | None,
    typer.Option(
        "--retention", metavar="WHAT=SPAN", help="Keep them so long: text=7d, metadata=90d, errors=1y; repeatable."
    ),
]


@keys.command("list")
def list_keys(
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """List keys; their texts are known to nobody."""
    from proxy.cli.catalogue import print_list
    from proxy.cli.keys import state_of

    found = admin_from(config, data_dir, env_file, database_url).all("keys")
    print_list("keys", found if json else [{**item, "state": state_of(item)} for item in found], as_json=json)


@keys.command("create")
def create_key(
    owner: Owner = None, note: Note = None, route: Routes = None, rpm: PerMinute = None, tpm: TokensPerMinute = None,
    concurrent: Concurrent = None, expires: Expires = None, recording: Recording = None, redact: Redact = None,
    retention: Retention = None, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None,
    data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Make a key; it is shown this once.

    As in: dashcam keys create --owner app --rpm 60 --record meta --retention metadata=90d
    """
    from proxy.cli.keys import KeyWish

    wish = KeyWish(
        owner=owner, note=note, routes=route, limits={"rpm": rpm, "tpm": tpm, "concurrent": concurrent},
        expires=expires, recording=recording, redaction=redact, retention=retention,
    )  # fmt: skip
    body = wish.new()
    _show_key(admin_from(config, data_dir, env_file, database_url).ask("POST", "keys", body), as_json=json)


@keys.command("update")
def update_key(
    name: KeyId, owner: Owner = None, note: Note = None, route: Routes = None, rpm: PerMinute = None,
    tpm: TokensPerMinute = None, concurrent: Concurrent = None, expires: Expires = None, recording: Recording = None,
    redact: Redact = None, retention: Retention = None, json: Json = False, color: Color = "auto",
    database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Change what is said of a key; its text stays.

    What is not named stays as it is; an empty value, or 0, takes away: --record '' --rpm 0 --retention '' (one span:
    --retention text=)
    """
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change
    from proxy.cli.keys import KeyWish

    wish = KeyWish(
        owner=owner, note=note, routes=route, limits={"rpm": rpm, "tpm": tpm, "concurrent": concurrent},
        expires=expires, recording=recording, redaction=redact, retention=retention,
    )  # fmt: skip
    admin = admin_from(config, data_dir, env_file, database_url)
    told = admin.ask("PATCH", place("keys", name), wish.changing(admin.ask("GET", place("keys", name))))
    print_change(told, f"key {name}", as_json=json)


@keys.command("rotate")
def rotate_key(
    name: KeyId,
    hours: Annotated[float, typer.Option("--overlap", metavar="HOURS", help="How long the old one goes on.")] = 24.0,
    json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Make a key in place of another, which goes on for a while."""
    from proxy.cli.admin import place

    told = admin_from(config, data_dir, env_file, database_url).ask(
        "POST", place("keys", name, "rotate"), {"overlap_hours": hours}
    )
    _show_key(told, as_json=json)


@keys.command("revoke")
def revoke_key(
    name: KeyId, json: Json = False, color: Color = "auto", database_url: DatabaseUrl = None, data_dir: DataDir = None,
    config: Config = None, env_file: EnvFile = None,
) -> None:  # fmt: skip
    """Let a key open nothing any more, for ever."""
    from proxy.cli.admin import place
    from proxy.cli.catalogue import print_change

    told = admin_from(config, data_dir, env_file, database_url).ask("POST", place("keys", name, "revoke"))
    print_change(told, f"key {name} revoked", as_json=json)


def _show_key(told: dict[str, Any], *, as_json: bool) -> None:
    from proxy.cli.catalogue import print_document

    if as_json:
        print_document(told)
        return
    print(told["key"])
    print(f"{told['id']}: shown this once; callers send it as their OPENAI_API_KEY", file=sys.stderr)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(keys, name="keys")
