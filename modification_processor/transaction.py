"""What a transaction of the writer works with: its time, the rules in force, the rows it collects.

`Means` is what a process has for all of its transactions, `Transaction` one of them. Both either lock (the live path, the
retry worker) or only look (a rehearsal): then nothing is locked, nothing is written early and nothing counts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from modification_processor import catalogue_facts
from modification_processor.approvals import ApprovalRules
from modification_processor.breakers import Breaking, Tally
from modification_processor.catalogue_facts import Catalogue
from modification_processor.edit_rules import EditRules
from modification_processor.incoming import Read
from modification_processor.operations.operation import Context
from modification_processor.rules_in_force import InForce, approval_rules, narrowing_rules
from modification_processor.settle import Settler, Topics
from modification_processor.work import OrderWork, Writes
from store import breakers, heads, rulesets
from store.catalogue import BookCatalogue
from store.database import Cursor
from store.heads import Head
from store.sealing import KeyVault
from telemetry import failpoints

Faultpoint = Callable[[str], None]


def looking_only(cursor: Cursor) -> Catalogue:
    """Return the book's catalogue, read without locks."""
    return BookCatalogue(cursor, locks=False)


@dataclass(frozen=True)
class Means:
    """What each transaction of a process works with."""

    vault: KeyVault
    topics: Topics
    faultpoint: Faultpoint = failpoints.hit
    catalogue: Callable[[Cursor], Catalogue] = BookCatalogue
    only_looks: bool = False
    """Nothing is locked, written early or counted."""
    approvals: InForce[ApprovalRules] = field(default_factory=approval_rules)
    narrowing: InForce[EditRules] = field(default_factory=narrowing_rules)
    tallies: dict[str, Tally] = field(default_factory=dict)
    """How the newest messages of each channel and operation fared, as of the last commit."""

    def heads(self, cursor: Cursor, order_ids: Sequence[UUID]) -> dict[UUID, Head]:
        """Return these orders' heads, locked in the order of their ids unless we only look."""
        return heads.peek(cursor, order_ids) if self.only_looks else heads.lock(cursor, order_ids)


@dataclass(frozen=True)
class Handled:
    """What a batch did: outcome words by message name, and how many orders it touched."""

    words: tuple[tuple[str, str], ...]
    orders: int
    breaking: Breaking | None = None


@dataclass
class Transaction:
    """One transaction: begun after the heads are locked, so that its rules are not older than its orders."""

    cursor: Cursor
    means: Means
    writes: Writes
    settler: Settler
    context: Context
    """What the catalogue says of the batch."""

    @classmethod
    def begin(cls, cursor: Cursor, means: Means, settler: Callable[[Writes, Topics], Settler] = Settler) -> "Transaction":
        """Read the transaction's time and the rules in force; nothing is decided yet."""
        at, versions = rulesets.moments(cursor, means.approvals.kind, means.narrowing.kind)
        rules, narrowing = means.approvals.at(cursor, versions[0]), means.narrowing.at(cursor, versions[1])
        breaking = None if means.only_looks else Breaking(breakers.standing(cursor), at, means.tallies)
        writes = Writes(means.vault, at, rules, narrowing, breaking=breaking)
        return cls(cursor, means, writes, settler(writes, means.topics), Context(at, ""))

    @property
    def at(self) -> datetime:
        """The transaction's time, by the database's clock."""
        return self.writes.at

    def look_up(self, batch: Sequence[Read], works: Iterable[OrderWork]) -> None:
        """Load what the catalogue says of the batch, for its decisions."""
        self.context = self.facts_for(batch, works)

    def facts_for(self, batch: Sequence[Read], works: Iterable[OrderWork]) -> Context:
        """Return what the catalogue says of these messages: each kind of entry with one statement, where there is need of it."""
        wanted = catalogue_facts.wanted_by(batch, {work.head.order_id: work.order for work in works})
        return catalogue_facts.load(self.means.catalogue(self.cursor), wanted, self.at, self.writes.uses, self.writes.stock)

    def flush_past(self) -> None:
        """Let what this transaction did to an order be read from its history; who only looks reads it as stored."""
        if not self.means.only_looks:
            self.writes.flush_past(self.cursor)
