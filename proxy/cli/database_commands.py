"""The commands about the database, ``dashcam db …``, and about what is counted: ``metrics``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from proxy.cli import copy_commands
from proxy.cli.former import settings_from as settings_to_read
from proxy.cli.options import Color, Config, DatabaseUrl, DataDir, EnvFile, Json, Since
from proxy.cli.resolution import settings_from
from proxy.errors import UsageError

if TYPE_CHECKING:
    from proxy.settings.values import Settings

db = typer.Typer(
    help="Look at the database, look after it, copy it.", no_args_is_help=True, rich_markup_mode=None
)  # fmt: skip


@db.command("path")
def path(
    database_url: DatabaseUrl = None, data_dir: DataDir = None, config: Config = None, env_file: EnvFile = None
) -> None:
    """Print where the database is."""
    print(settings_to_read(config, data_dir, env_file, database_url=database_url).database.shown)


@db.command("info")
def info(
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Say how large the database is and which revision it has."""
    from proxy.cli.database import info as tell

    tell(settings_to_read(config, data_dir, env_file, database_url=database_url), as_json=json)


@db.command("check")
@db.command("integrity-check", hidden=True)
def check(
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Check place, tables, rows and pages.

    Exits with 7 when something is wrong.
    """
    from proxy.cli.database import check as look

    raise typer.Exit(look(settings_to_read(config, data_dir, env_file, database_url=database_url), as_json=json))


@db.command("stats")
def stats(
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Print rows and bytes of every table."""
    from proxy.cli.database import stats as tell

    tell(settings_to_read(config, data_dir, env_file, database_url=database_url), as_json=json)


@db.command("performance")
def performance(
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Measure how long the usual questions take here."""
    from proxy.cli.database import performance as measure

    measure(settings_to_read(config, data_dir, env_file, database_url=database_url), as_json=json)


@db.command("analyze")
def analyze(
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Renew the statistics that queries are planned with.

    From every row; on Postgres it is ANALYZE, which takes samples.
    """
    _care(settings_from(config, data_dir, env_file, database_url=database_url), "analyze", as_json=json)


@db.command("optimize")
def optimize(
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Renew statistics from samples and give back free space.

    What a running server does by itself every few hours (maintenance.every_hours). On Postgres this is VACUUM with
    ANALYZE; there its autovacuum makes free space usable again, and the server renews statistics only.
    """
    _care(settings_from(config, data_dir, env_file, database_url=database_url), "optimize", as_json=json)


@db.command("compact")
def compact(
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Rewrite the file as small as it can be.

    Needs its size twice for the time being. A running server stores nothing meanwhile, and its calls wait in the spool.
    On Postgres this is VACUUM FULL of one table after the other, which is locked for others meanwhile.
    """
    _care(settings_from(config, data_dir, env_file, database_url=database_url), "compact", as_json=json)


@db.command("rebuild-rollups")
def rebuild_rollups(
    since: Since = None,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Count all calls anew for the sums behind views.

    A day at a time, while a server runs; what is broken off can be given again, with --since from where it was. Needed
    after an older Dashcam has written into the same database, and where db check says so.
    """
    from proxy.cli.rollups import rebuild

    rebuild(settings_from(config, data_dir, env_file, database_url=database_url), since, as_json=json)


@db.command("reseal")
def reseal(
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Seal the whole record with the first master key.

    What was stored before database.seal was switched on, and what another key of DASHCAM_MASTER_KEY has sealed. In
    short steps, while a server runs; what is broken off goes on with the same command. Then an older key may go.
    """
    from proxy.cli.resealing import reseal as go

    go(settings_from(config, data_dir, env_file, database_url=database_url), as_json=json)


def _care(settings: Settings, task: str, *, as_json: bool) -> None:
    from proxy.cli.database_care import do

    do(settings, task, as_json=as_json)


@db.command("migrate")
def migrate(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL, do nothing.")] = False,
    batch_size: Annotated[
        int, typer.Option("--batch-size", metavar="N", min=1, max=1_000_000, help="Rows a batch of a data step.")
    ] = 1000,
    force: Annotated[bool, typer.Option("--force", help="Without a copy before and without checks after.")] = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Bring the database up to date with this release.

    A copy is made first (kept in backups/), the result is checked before it counts, and a failure leaves the database
    as it was. What is interrupted goes on with the same command. The start of a server does all that by itself. Views
    of ours that somebody has dropped are made anew, here only.
    """
    from proxy.cli.database_care import dry_run as show
    from proxy.cli.database_care import migrate as go

    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    if dry_run:
        show(settings)
    else:
        go(settings, batch_rows=batch_size, is_forced=force, as_json=json)


@db.command("backup")
def backup(
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Where to (default: backups/ in the data folder).")
    ] = None,
    sealed: Annotated[
        bool | None,
        typer.Option(
            "--sealed/--plain", help="Seal it with DASHCAM_MASTER_KEY, or do not (default: maintenance.seal_backups)."
        ),
    ] = None,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Copy the database while all goes on.

    Prints where the copy is, which is one file, of one instant, and checked. A sealed one (AES-256-GCM) can be read
    with the key only.
    While one of a SQLite file is made, a plain copy lies in backups/ in the data folder.
    """
    from proxy.cli.database_copies import backup as copy

    copy(settings_from(config, data_dir, env_file, database_url=database_url), file, is_sealed=sealed, as_json=json)


@db.command("restore")
def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A copy.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Put a copy in the database's place, while no server runs.

    The copy is checked first, and what was there is set aside beside it. A sealed copy needs its DASHCAM_MASTER_KEY.
    """
    from proxy.cli.database_copies import bring_back

    bring_back(settings_from(config, data_dir, env_file, database_url=database_url), file, is_sure=yes, as_json=json)


def metrics(
    database: Annotated[bool, typer.Option("--database", help="Totals of all that is on record instead.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="As Prometheus gets it.")] = False,
    json: Json = False,
    color: Color = "auto",
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
    config: Config = None,
    env_file: EnvFile = None,
) -> None:
    """Print what the running instance counts."""
    from proxy.cli.metrics import recorded, running

    if raw and (json or database):
        raise UsageError("--raw is what /metrics says; choose one")
    settings = settings_from(config, data_dir, env_file, database_url=database_url)
    if database:
        recorded(settings, as_json=json)
    else:
        running(settings, "raw" if raw else "json" if json else "table")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command()(metrics)
    copy_commands.add_to(db)
    app.add_typer(db, name="db")
