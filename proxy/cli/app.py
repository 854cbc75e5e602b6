"""The command line's entry: help, what starts a recording, and the one place where errors become words and exit codes.

The other commands are declared beside it, in ``…_commands``: for reading, prices, the database, and setting up.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer

from proxy.cli import (
    catalogue_commands,
    completion,
    database_commands,
    erasing_commands,
    feedback_commands,
    figure_commands,
    key_commands,
    outward_commands,
    price_commands,
    prompt_commands,
    prompt_figure_commands,
    prompt_file_commands,
    provider_commands,
    reading_commands,
    redaction_commands,
    route_commands,
    setup_commands,
    view_commands,
)
from proxy.cli.help_page import HelpPage
from proxy.cli.options import Config, DatabaseUrl, DataDir, EnvFile, Upstreams
from proxy.cli.parsing import parser_of
from proxy.cli.resolution import settings_from
from proxy.cli.terminal import harmless
from proxy.errors import (
    ConfigurationError,
    DashcamError,
    InvalidError,
    NotAllowedError,
    NotFoundError,
    UnreachableError,
    UsageError,
)

EXIT = {
    UsageError: 2, InvalidError: 2, NotFoundError: 3, ConfigurationError: 4, UnreachableError: 5, NotAllowedError: 6,
}  # fmt: skip
ABOUT = """Dashcam records LLM calls: set OPENAI_BASE_URL, work as before, read every call back.

\b
  dashcam serve                    record at http://127.0.0.1:8484
  dashcam run -- python app.py     record one program
  dashcam logs status:error        list the calls that failed
  dashcam show last                read the newest one back

Without a command it is: dashcam serve. Something is wrong? dashcam doctor
"""

app = typer.Typer(
    cls=HelpPage,
    help=ABOUT,
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def default(
    context: typer.Context,
    is_version_wanted: Annotated[bool, typer.Option("--version", help="Say which Dashcam this is.")] = False,
) -> None:
    """Start the server when no command is given."""
    if is_version_wanted:
        setup_commands.version()
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
    first_start_keys: Annotated[
        bool, typer.Option("--first-start-keys", help="Make the keys that are missing, and show them once.")
    ] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Start recording, until Ctrl+C."""
    from proxy.cli.serve import serve as start

    flags: dict[str, Any] = {"host": host, "port": port, "workers": workers, "database_url": database_url}
    start(settings_from(config, data_dir, env_file, upstream, makes_keys=first_start_keys, **flags))


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def run(
    command: Annotated[list[str], typer.Argument(metavar="CMD", help="The program and its arguments.")],
    port: Annotated[int | None, typer.Option(metavar="N", help="Port to listen at, if none runs.")] = None,
    upstream: Upstreams = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Run a program with its calls recorded.

    Starts the proxy if none runs, sets OPENAI_BASE_URL, and sums up at the end: dashcam run -- python app.py
    """
    from proxy.cli.run import run as start

    raise typer.Exit(
        start(settings_from(config, data_dir, env_file, upstream, database_url=database_url, port=port), command)
    )


@app.command("try")
def try_it(data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None) -> None:
    """Prove the whole chain without a key.

    Makes one streamed call to the built-in echo model, which needs no network, and shows that it is on record.
    """
    from proxy.cli.trying import try_it as go

    go(settings_from(config, data_dir, env_file))


reading_commands.add_to(app)
figure_commands.add_to(app)
feedback_commands.add_to(app)
view_commands.add_to(app)
erasing_commands.add_to(app)
outward_commands.add_to(app)
price_commands.add_to(app)
redaction_commands.add_to(app)
database_commands.add_to(app)
provider_commands.add_to(app)
route_commands.add_to(app)
catalogue_commands.add_to(app, setup_commands.config_app)
key_commands.add_to(app)
prompt_file_commands.add_to(prompt_commands.prompts)
prompt_figure_commands.add_to(prompt_commands.prompts)
prompt_commands.add_to(app)
setup_commands.add_to(app)


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
    word = sys.argv[1] if len(sys.argv) > 1 else None
    if os.getenv(completion.VARIABLE):
        completion.prepare()
        word = None
    try:
        if failpoints := os.getenv("DASHCAM_FAILPOINTS"):
            from proxy.failpoints import arm

            arm(failpoints, "control")
        # The name also says which variable a shell asks by; started as a module we would be called otherwise.
        parser_of(app, word)(prog_name="dashcam", standalone_mode=True)
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
            print(f"  {harmless(item)}", file=sys.stderr)
    else:
        # What is wrong may name a file or a field that somebody else has named.
        print(f"dashcam: {harmless(error.message)}", file=sys.stderr)
    if error.hint:
        print(f"  next: {harmless(error.hint)}", file=sys.stderr)
    return next((code for kind, code in EXIT.items() if isinstance(error, kind)), 1)


def refusal_of(platform: str) -> str | None:
    """Return why Dashcam does not run on a platform, None where it does."""
    if platform not in ("win32", "cygwin"):
        return None
    return (
        "dashcam: Windows itself is not supported: Dashcam hands sockets and locks over as Unix does.\n"
        "  next: run it in WSL (wsl --install) or in Docker; programs on Windows reach it at http://localhost:8484/v1"
    )


def run_main() -> None:
    """Refuse what cannot work, then run."""
    refusal = refusal_of(sys.platform)
    if refusal:
        print(refusal, file=sys.stderr)
        sys.exit(1)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that is not UTF-8 gets a question mark instead of a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    sys.exit(run_app())
