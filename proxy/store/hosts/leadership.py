"""One host does the periodic work of all: whoever holds the lease, a row that the database's clock lets expire.

Why no session's advisory lock: a leader that is frozen keeps its connection, and so the lock, for as long as its kernel
answers for it; and behind PgBouncer in transaction mode there is no session. A lease ends by itself, whatever became of
its holder: killed, frozen or cut off are one case.

A leader that wakes up late may still believe in itself. So a piece of work takes an advisory lock of its *transaction*
(``Backend.be_only``) and then looks at the lease, in that same transaction: no two hosts ever do the same work at once,
and none begins any after its time. Who leads decides only who tries. All of this is for Postgres: a SQLite file has one
writer, which leads.
"""

from __future__ import annotations

from sqlalchemy import Connection

LEASE_SECONDS = 6.0
_NAME = "periodic"
_RENEW = (
    "INSERT INTO leader (name, instance, holder, since, until) VALUES (?, ?, ?, clock_timestamp(), "
    "clock_timestamp() + ? * interval '1 second') ON CONFLICT (name) DO UPDATE SET instance = excluded.instance, "
    "holder = excluded.holder, until = excluded.until, "
    "since = CASE WHEN leader.holder = excluded.holder THEN leader.since ELSE excluded.since END "
    "WHERE excluded.holder = leader.holder OR excluded.instance = leader.instance OR leader.until <= clock_timestamp() "
    # Nobody holds one for so long: the database's clock was ahead when it was written.
    "OR leader.until > clock_timestamp() + interval '60 seconds' RETURNING holder"
)
_LEADS = "SELECT count(*) FROM leader WHERE name = ? AND holder = ? AND until > clock_timestamp()"
_RESIGN = "UPDATE leader SET until = clock_timestamp() WHERE name = ? AND holder = ? AND until > clock_timestamp()"


def renew(connection: Connection, instance: str, holder: str, seconds: float = LEASE_SECONDS) -> bool:
    """Take the lease where it is free, prolong it where it is ours; True when we lead, once this is committed.

    For the holder of the instance's claim: what an earlier process of the same instance held is ours at once.
    """
    return connection.exec_driver_sql(_RENEW, (_NAME, instance, holder, seconds)).first() is not None


def leads(connection: Connection, holder: str) -> bool:
    """Tell whether the lease is ours now."""
    return bool(connection.exec_driver_sql(_LEADS, (_NAME, holder)).scalar_one())


def resign(connection: Connection, holder: str) -> None:
    """Give the lease up, so that nobody waits for its end."""
    connection.exec_driver_sql(_RESIGN, (_NAME, holder))
