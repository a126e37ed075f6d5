"""The rule keeper: demotes a rule whose refusals people keep overturning, and says so where every change of the tuning is said.

It runs beside the verifier, which looks at the book all the time as well and decides nothing about orders; it needs no Kafka: a demotion is a
version of the tuning like a person's, in one transaction with the record the relay sends, so intake has it within seconds, `ordermend rules
history` lists it, and a person takes it back with `ordermend rules revert`. Two keepers at once: the second finds the rule demoted.
"""

import time
from collections.abc import Callable
from datetime import datetime
from threading import Event

import psycopg

from intake.rules import discover
from intake.rules.keeping import Bounds, Demotion, beyond, default_bounds, demoted, enforced_since, mode_in
from intake.rules.tuning import KIND, Tuning, TuningInvalid, parse, write
from ordermend import rulebook
from store import rulesets
from store.database import Connection
from telemetry.health import Health
from telemetry.logs import logger
from telemetry.metrics import INFRA_FAULTS, RULES_OVERTURNED

AUTHOR = "rule-keeper"
EVERY_SECONDS = 10.0
_SAID_AGAIN_SECONDS = 3600.0


class RuleKeeper:
    """Looks until told to stop."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        prefix: str,
        health: Health | None = None,
        bounds: Bounds | None = None,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """`prefix` begins the name of the topic that carries the tuning."""
        self._connect = connect
        self._prefix = prefix
        self._health = health
        self._bounds = bounds or default_bounds()
        self._every = every_seconds
        self._log = logger("rule-keeper")
        self._said: dict[tuple[str, str], float] = {}

    def run(self, stop: Event) -> None:
        """Look, demote, wait; wait out an outage."""
        while not stop.is_set():
            if self._health:
                self._health.tick()
            try:
                with self._connect() as connection:
                    self.round(connection)
            except psycopg.Error as error:
                INFRA_FAULTS.labels("postgresql").inc()
                self._log.warning("rule_keeper_waits", error=type(error).__name__)
            except TuningInvalid as error:
                # A tuning of another version of the rules: people have to put it right, and nothing is changed meanwhile.
                self._log.error("rule_keeper_cannot_read_the_tuning", error=error.message)
            stop.wait(self._every)

    def round(self, connection: Connection) -> list[tuple[Demotion, int]]:
        """Demote what is beyond the bounds; return each demotion with the version of the tuning it is."""
        done = []
        for demotion in self._beyond(connection):
            RULES_OVERTURNED.labels(demotion.rule, demotion.channel).set(demotion.overturned)
            if (version := self._demote(connection, demotion)) is not None:
                done.append((demotion, version))
                self._log.warning(
                    "rule_demoted",
                    rule=demotion.rule,
                    channel=demotion.channel,
                    version=version,
                    overturned=demotion.overturned,
                    decided=demotion.decided,
                )
        return done

    def _beyond(self, connection: Connection) -> list[Demotion]:
        rules = {rule.name: rule for rule in discover()}
        versions = _versions(connection)
        since: dict[tuple[str, str], datetime | None] = {}
        counted = []
        for one in rulebook.evidence(connection, self._bounds.days):
            if one.rule not in rules:
                continue
            if one[:2] not in since:
                since[one[:2]] = enforced_since(versions, rules[one.rule], one.channel)
            start = since[one[:2]]
            if start is None or one.at > start:
                counted.append(one)
        return beyond(counted, self._bounds)

    def _demote(self, connection: Connection, demotion: Demotion) -> int | None:
        """Put the demotion into force; None where the rule is not enforced any more, or must be."""
        rule = next(rule for rule in discover() if rule.name == demotion.rule)
        with connection.transaction(), connection.cursor() as cursor:
            rulesets.lock(cursor, KIND)
            standing = parse(rulebook.text_in_force(connection), discover())
            if mode_in(standing, rule, demotion.channel) != "enforce":
                return None
            if rule.by_law:
                self._say_once(demotion)
                return None
            if demotion[:2] not in {one[:2] for one in self._beyond(connection)}:
                return None  # somebody put the rule into force again since it was looked at: what was seen before that is no evidence now
            return rulebook.put(connection, self._prefix, write(demoted(standing, demotion)), AUTHOR, demotion.reason(self._bounds))

    def _say_once(self, demotion: Demotion) -> None:
        now = time.monotonic()
        if now - self._said.get(demotion[:2], -_SAID_AGAIN_SECONDS) >= _SAID_AGAIN_SECONDS:
            self._said[demotion[:2]] = now
            self._log.error(
                "rule_by_law_overturned",
                rule=demotion.rule,
                channel=demotion.channel,
                overturned=demotion.overturned,
                decided=demotion.decided,
            )


def _versions(connection: Connection) -> list[tuple[datetime, Tuning]]:
    """Return every version of the tuning that can still be read, oldest first."""
    found = []
    with connection.cursor() as cursor:
        for row in reversed(rulesets.versions(cursor, KIND)):
            try:
                found.append((row.at, parse(row.text, discover(), row.version)))
            except TuningInvalid:  # names a rule that is gone: it says nothing of those that are here
                continue
    return found
