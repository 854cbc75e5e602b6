"""The command line's entry: commands, help, and the one place where errors become words and exit codes."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer

from proxy.errors import (
    ConfigurationError,
    DashcamError,
    NotAllowedError,
    NotFoundError,
    UnreachableError,
    UsageError,
)

EXIT = {UsageError: 2, NotFoundError: 3, ConfigurationError: 4, UnreachableError: 5, NotAllowedError: 6}
EXAMPLES = """
Examples:

\b
  dashcam serve                    record at http://127.0.0.1:8484
  dashcam run -- python app.py     record one program
  dashcam logs --since 7d          list the calls of a week
  dashcam show last                read the newest one back
"""

app = typer.Typer(
    help="Dashcam records LLM calls: set OPENAI_BASE_URL, work as before, read every call back.",
    epilog=EXAMPLES,
    no_args_is_help=False,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
db = typer.Typer(help="Say where and how large the database is.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(db, name="db")

Config = Annotated[str | None, typer.Option("--config", metavar="FILE", help="Settings file (TOML).")]
DataDir = Annotated[str | None, typer.Option("--data-dir", metavar="DIR", help="Where the data is.")]
EnvFile = Annotated[str | None, typer.Option("--env-file", metavar="FILE", help="Variables to read (default: .env).")]
Upstreams = Annotated[
    list[str] | None, typer.Option("--upstream", metavar="[NAME=]URL", help="Where calls go; repeatable.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document.")]
Since = Annotated[str | None, typer.Option("--since", metavar="WHEN", help="7d, 3h, 2026-11-01, or an id.")]
Until = Annotated[str | None, typer.Option("--until", metavar="WHEN", help="The same, exclusive.")]


def settings_from(
    config: str | None, data_dir: str | None, env_file: str | None, upstreams: list[str] | None = None, **server: Any
) -> Any:
    """Resolve the settings for a command."""
    from proxy.resources import config_folder
    from proxy.settings.loading import load

    flags: dict[str, Any] = {"data_dir": data_dir} if data_dir else {}
    given = {name: value for name, value in server.items() if value is not None}
    if given:
        flags["server"] = given
    defaults = config_folder() / "dashcam.toml"
    return load(defaults=defaults, config=config, flags=flags, upstreams=upstreams, env_file=env_file)


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    is_version_wanted: Annotated[bool, typer.Option("--version", help="Say which Dashcam this is.")] = False,
) -> None:
    """Start the server when no command is given."""
    if is_version_wanted:
        version()
        raise typer.Exit
    if context.invoked_subcommand is None:
        serve()


@app.command()
def serve(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen at (default: 127.0.0.1).")
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen at (default: 8484).")] = None,
    workers: Annotated[int | None, typer.Option(metavar="N", help="Gateway processes (default: 1).")] = None,
    upstream: Upstreams = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Start recording, until Ctrl+C."""
    from proxy.cli.serve import serve as start

    start(settings_from(config, data_dir, env_file, upstream, host=host, port=port, workers=workers))


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="The program and its arguments.")],
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen at, if none runs.")] = None,
    upstream: Upstreams = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Run a program with its calls recorded.

    Starts the proxy if none runs, sets OPENAI_BASE_URL, and sums up at the end: dashcam run -- python app.py
    """
    from proxy.cli.run import run as start

    raise typer.Exit(start(settings_from(config, data_dir, env_file, upstream, port=port), command))


@app.command("try")
def try_it(data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None) -> None:
    """Prove the whole chain without a key.

    Makes one streamed call to the built-in echo model, which needs no network, and shows that it is on record.
    """
    from proxy.cli.trying import try_it as go

    go(settings_from(config, data_dir, env_file))


@app.command()
def logs(
    since: Since = None,
    until: Until = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="A model; may end in *.")] = None,
    outcome: Annotated[
        str | None, typer.Option(metavar="OUTCOME", help="completed, upstream_error, client_gone, …")
    ] = None,
    provider: Annotated[str | None, typer.Option(metavar="NAME", help="A provider.")] = None,
    user: Annotated[str | None, typer.Option(metavar="ID", help="A user.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="A session.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="With this tag; repeatable.")] = None,
    meta: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="With this pair; repeatable.")] = None,
    of_app: Annotated[str | None, typer.Option("--app", metavar="NAME", help="An application.")] = None,
    environment: Annotated[str | None, typer.Option(metavar="NAME", help="An environment.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, max=100_000, help="At most so many.")] = 20,
    fields: Annotated[str | None, typer.Option(metavar="A,B,…", help="Columns; a wrong one lists all.")] = None,
    json: Json = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
    no_headers: Annotated[bool, typer.Option("--no-headers", help="Leave the heading out.")] = False,
    utc: Annotated[bool, typer.Option("--utc", help="Times in UTC.")] = False,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new calls.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """List recorded calls, the newest last."""
    from proxy.cli.logs import Listing, list_calls

    if json and jsonl:
        raise UsageError("--json is one document and --jsonl is many; choose one")
    listing = Listing(
        since=since, until=until, model=model, outcome=outcome, provider=provider, user=user, session=session,
        app=of_app, environment=environment, tags=tuple(tag or ()), metadata=tuple(meta or ()), limit=limit,
        fields=fields,
        form="json" if json else "jsonl" if jsonl else "table", has_headers=not no_headers, is_utc=utc, follow=follow,
    )  # fmt: skip
    list_calls(settings_from(config, data_dir, env_file), listing)


app.command("list", hidden=True)(logs)


@app.command()
def tail(
    model: Annotated[str | None, typer.Option(metavar="NAME", help="A model; may end in *.")] = None,
    outcome: Annotated[
        str | None, typer.Option(metavar="OUTCOME", help="completed, upstream_error, client_gone, …")
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="One JSON object a line.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Show calls as they are recorded, until Ctrl+C."""
    from proxy.cli.logs import Listing, list_calls

    listing = Listing(model=model, outcome=outcome, limit=10, form="jsonl" if jsonl else "table", follow=True)
    list_calls(settings_from(config, data_dir, env_file), listing)


@app.command()
def show(
    reference: Annotated[str, typer.Argument(metavar="ID|last|last-1", help="6 characters of an id suffice.")] = "last",
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they were: request, then answer.")] = False,
    request: Annotated[bool, typer.Option("--request", help="Only the request (with --raw).")] = False,
    response: Annotated[bool, typer.Option("--response", help="Only the answer (with --raw).")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="The request as it left for the provider (with --raw).")] = False,
    json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Read one call back: messages, tool calls, timings, cost."""
    from proxy.cli.show import Wanted
    from proxy.cli.show import show as display

    if raw and json:
        raise UsageError("--raw is bytes and --json is a document; choose one")
    if (request or response or sent) and not raw:
        raise UsageError("--request, --response and --sent choose between bytes; use them with --raw")
    sides = tuple(side for side, chosen in (("request", request or sent), ("response", response)) if chosen)
    wanted = Wanted(reference, sides or ("request", "response"), "raw" if raw else "json" if json else "text", sent)
    display(settings_from(config, data_dir, env_file), wanted)


@app.command()
def doctor(json: Json = False, data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None) -> None:
    """Say what is wrong and what to type next.

    Exits with 7 when something is wrong.
    """
    from proxy.cli.doctor import examine

    raise typer.Exit(examine(lambda: settings_from(config, data_dir, env_file), as_json=json))


@app.command()
def version(json: Json = False) -> None:
    """Say which Dashcam this is."""
    from proxy.cli.doctor import versions

    versions(as_json=json)


@db.command("path")
def db_path(data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None) -> None:
    """Print where the database is."""
    print(settings_from(config, data_dir, env_file).database_path)


@db.command("info")
def db_info(json: Json = False, data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None) -> None:
    """Say how large the database is and which revision it has."""
    from proxy.cli.database import info

    info(settings_from(config, data_dir, env_file), as_json=json)


def run_app() -> int:
    """Run the command line; return the exit code."""
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has seen enough; what is left must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _run() -> int:
    try:
        app(standalone_mode=True)
    except DashcamError as error:
        return complain(error)
    except KeyboardInterrupt:
        return 130
    except SystemExit as leaving:
        # Typer makes a failure of a broken pipe.
        if isinstance(leaving.__context__, BrokenPipeError):
            raise leaving.__context__ from None
        return leaving.code if isinstance(leaving.code, int) else 1
    return 0


def complain(error: DashcamError) -> int:
    """Say what went wrong and what to do; return the exit code."""
    if isinstance(error, ConfigurationError):
        print("dashcam: the configuration is not valid:", file=sys.stderr)
        for item in error.problems:
            print(f"  {item}", file=sys.stderr)
    else:
        print(f"dashcam: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"  next: {error.hint}", file=sys.stderr)
    return next((code for kind, code in EXIT.items() if isinstance(error, kind)), 1)


def run_main() -> None:
    """Refuse what cannot work, then run."""
    if sys.platform == "win32":
        print("dashcam: Windows is not supported; use WSL or Docker.", file=sys.stderr)
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 gets a question mark instead of a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run_app())
