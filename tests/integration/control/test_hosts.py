"""A host's thread among the others: whatever goes wrong in a round, there is another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from proxy.control.configuration import Follower
from proxy.control.hosts import Hosts
from proxy.settings.database import DatabaseSettings
from proxy.store.writing.writer import StoreWriter
from tests.support.hosts import a_host
from tests.support.postgres import Databases
from tests.support.waiting import wait_until


def test_an_account_that_cannot_be_given_ends_nothing(postgres: Databases) -> None:
    database: DatabaseSettings = postgres.cleared()
    who, told = a_host(), list[int]()
    writer = StoreWriter(database)
    writer.claim(who)
    writer.close()

    def report() -> Mapping[str, Any]:
        told.append(1)
        if len(told) == 1:
            raise OSError(5, "Input/output error")
        return {"pending": 7}

    hosts = Hosts(database, who, Follower({}), report, lambda: None)
    hosts.start()
    wait_until(lambda: hosts.account()["hosts"], "it takes part all the same")
    hosts.stop(5)
    assert len(told) >= 1
    assert not hosts.is_leader
