"""What the shell offers after TAB, and the script that teaches it to.

Names come from the record, the catalogue and the settings, read-only and a few at a time. Whatever fails offers
nothing: a message in the middle of somebody's line helps nobody.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from proxy.cli.resolution import settings_from
from proxy.errors import DashcamError, UsageError

if TYPE_CHECKING:
    from proxy.store.reading.reader import Reader

SHELLS = ("bash", "zsh", "fish", "powershell")
VARIABLE = "_DASHCAM_COMPLETE"
_OFFERED = 20
_SUBJECTS = (
    "SELECT name FROM v_daily_use WHERE subject = ? AND substr(name, 1, ?) = ? "
    "GROUP BY name ORDER BY max(day) DESC, sum(calls) DESC, name LIMIT ?"
)
"""Those of late before others, and the busiest first."""
T = TypeVar("T")


def prepare() -> None:
    """Teach the parser the shells; only needed where a shell asks."""
    from typer.completion import completion_init  # type: ignore[attr-defined]  # not in its __all__

    completion_init()


def script(shell: str) -> str:
    """Return the script for a shell; ``UsageError`` when it is none that we know."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # not in its __all__

    name = "powershell" if shell == "pwsh" else shell
    if name not in SHELLS:
        raise UsageError(f"{shell[:40]!r} is no shell that can be taught; use one of {', '.join(SHELLS)}")
    return get_completion_script(prog_name="dashcam", complete_var=VARIABLE, shell=name)


def shells() -> list[str]:
    """Offer the shells."""
    return list(SHELLS)


def colours() -> list[str]:
    """Offer the words of ``--color``."""
    from proxy.cli.terminal import COLOURS_WHEN

    return list(COLOURS_WHEN)


def snippets() -> list[str]:
    """Offer what there is a snippet for."""
    from proxy.cli.snippets import KINDS

    return list(KINDS)


def starters() -> list[str]:
    """Offer the prompts to begin with."""
    from proxy.cli.starters import starter_names

    return starter_names()


def outcomes() -> list[str]:
    """Offer the ways in which a call can end."""
    from proxy.domain.outcome import Outcome

    return [item.value for item in Outcome]


def depths() -> list[str]:
    """Offer how much of calls can be kept."""
    return ["full", "meta", "none"]


def counted() -> list[str]:
    """Offer what calls are counted by."""
    from proxy.store.reading.analytics import BY_HOUR, BY_SUBJECT

    return [*BY_HOUR, *BY_SUBJECT]


def export_forms() -> list[str]:
    """Offer the forms of an export."""
    from proxy.cli.exporting import FORMS, PARQUET

    return [*FORMS, PARQUET]


def opinions() -> list[str]:
    """Offer the shortest values of feedback."""
    return ["yes", "no"]


def columns() -> list[str]:
    """Offer the columns of a call."""
    from proxy.store.schema.rows import COLUMNS

    return list(map(str, COLUMNS))


def column_lists(incomplete: str) -> list[str]:
    """Offer the columns of a call behind those that are named, with commas between them."""
    named = incomplete.rpartition(",")[0]
    before = f"{named}," if named else ""
    return [f"{before}{name}" for name in columns() if name not in named.split(",")]


def patterns(ctx: typer.Context) -> list[str]:
    """Offer the patterns of what can be kept off the record."""
    from proxy.redaction.trial import known_patterns

    try:
        return list(known_patterns(_settings(ctx).redaction))
    except DashcamError:
        return []


def users(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the users on record."""
    return _subjects(ctx, "user", incomplete)


def sessions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the sessions on record."""
    return _subjects(ctx, "session", incomplete)


def models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the models on record."""
    return _ask(ctx, lambda reader: reader.models(incomplete, _OFFERED))


def providers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the providers of the settings, and those of the catalogue."""
    try:
        found = [item.name for item in _settings(ctx).providers if item.name.startswith(incomplete)]
    except DashcamError:
        found = []
    return list(dict.fromkeys([*found, *_names(ctx, "providers", incomplete)]))


def catalogue_models(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the models that are described, as PROVIDER/NAME."""
    return _names(ctx, "models", incomplete)


def routes(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the routes of the catalogue."""
    return _names(ctx, "routes", incomplete)


def views(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the saved views."""
    return _names(ctx, "views", incomplete)


def keys(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the keys that open something."""
    return _names(ctx, "keys", incomplete)


def prompts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the prompts."""
    return _names(ctx, "prompts", incomplete)


def labels(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the labels of the prompt that is named before."""
    # Behind an option that waits for its value the parser leaves what it has read so far where it was.
    prompt = ctx.params.get("name") or next(iter(ctx.args), "")
    found = _names(ctx, "labels", f"{prompt}@{incomplete}")
    return [name.partition("@")[2] for name in found]


def versions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer what a version can be called by; numbers are nobody's to guess."""
    return [name for name in (*labels(ctx, incomplete), "latest") if name.startswith(incomplete)]


def references_to_prompts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer NAME@LABEL, and names alone."""
    return sorted({*_names(ctx, "prompts", incomplete), *_names(ctx, "labels", incomplete)})


def references(ctx: typer.Context) -> list[tuple[str, str]]:
    """Offer the newest calls by their ids, with the model and the outcome beside them."""
    from proxy.cli.terminal import on_one_line, short_id
    from proxy.store.filters.statements import Filters

    def newest(reader: Reader) -> list[tuple[str, str]]:
        rows = reader.list_interactions(Filters(), _OFFERED)
        return [
            (short_id(row["id"]), on_one_line(f"{row['model'] or row['operation']} {row['outcome']}")) for row in rows
        ]

    return [("last", "the newest call"), *_ask(ctx, newest)]


def _subjects(ctx: typer.Context, subject: str, incomplete: str) -> list[str]:
    question = (_SUBJECTS, (subject, len(incomplete), incomplete, _OFFERED))
    return _ask(ctx, lambda reader: [str(row["name"]) for row in reader.answer(question)])


def _names(ctx: typer.Context, noun: str, incomplete: str) -> list[str]:
    return _ask(ctx, lambda reader: reader.catalogue_names(noun, incomplete, _OFFERED))


def _settings(ctx: typer.Context) -> Any:
    given = {name: ctx.params.get(name) for name in ("config", "data_dir", "env_file")}
    return settings_from(**given)


def _ask(ctx: typer.Context, question: Callable[[Reader], list[T]]) -> list[T]:
    try:
        with _reader(ctx) as reader:
            return question(reader)
    except DashcamError:
        return []


@contextlib.contextmanager
def _reader(ctx: typer.Context) -> Iterator[Reader]:
    from proxy.store.reading.reader import Reader

    with contextlib.closing(Reader(_settings(ctx).database)) as reader:
        yield reader
