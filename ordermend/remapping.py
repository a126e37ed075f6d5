"""THE FLOW of a remap: read each order's statement again with today's mapping, compare, and put corrections into the outbox.

    page -> open -> check the hash -> normalise -> compare -> (the page's tickets into the outbox, once)

Stored bytes are read, never written: the application's role may not. A statement whose bytes do not have the hash they were kept with is
`damaged` and left alone. A correction is an ordinary signed ticket of user `mapping:<version>`: locks, approvals, merge and history are those of
any edit; its id follows from order, statement and mapping version, so a second run sends nothing again. A page's tickets are one transaction: a
commit for each of them took ten times as long as all the rest.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

from modification_processor import remap
from modification_processor.decide import accepted
from modification_processor.remap import Remapped
from schemas.assertion import HEADER, Signer, Unsigned
from schemas.codec import encode
from schemas.order import Order
from schemas.statement import IntakeFailed, OrderStated, RawDocument, Statement, unpacked
from schemas.ticket import ModificationTicket
from store import orders, outbox, statements, submissions
from store.database import Connection
from store.orders import Origin
from store.outbox import Outgoing
from store.sealing import KeyVault, OrderKey, Unsealable
from store.statements import Standing
from store.submissions import Submission

Normalise = Callable[[str, RawDocument], list[tuple[str, Statement]]]
"""(channel, raw document) -> what intake would say of it now."""
Outcome = Literal["same", "differs", "refused", "erased", "damaged", "not_kept"]
ROLES = ("Order_Modify",)


@dataclass(frozen=True)
class Read:
    """One order, read again. `reason` says why nothing could be compared; `sent` whether its ticket went into the outbox just now."""

    standing: Standing
    outcome: Outcome
    found: Remapped | None = None
    reason: str = ""
    sent: bool = False


@dataclass
class Summary:
    """What a whole remap came to."""

    outcomes: Counter[str] = field(default_factory=Counter)
    paths: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (path with row ids left out, fate)."""
    operations: Counter[str] = field(default_factory=Counter)
    sent: int = 0

    def add(self, read: Read) -> None:
        """Count one order."""
        self.outcomes[read.outcome] += 1
        self.sent += read.sent
        if read.found is not None:
            self.paths.update((shape_of(leaf.path), leaf.fate) for leaf in read.found.leaves)
            self.operations.update(each.operation.name for each in read.found.named)


def shape_of(path: str) -> str:
    """Return a path without the ids of rows: what many orders have in common."""
    parts = path.split("/")
    if parts[1] in ("lines", "adjustments", "taxes", "payments", "holds", "shipments") and len(parts) > 2:
        parts[2] = "*"
    return "/".join(parts[:5])


@dataclass(frozen=True)
class Remapping:
    """A remap of one channel. `version` is its mapping's of today."""

    connect: Callable[[], Connection]
    vault: KeyVault
    normalise: Normalise
    channel: str
    version: int
    signer: Signer
    topic: str

    def count(self, since: datetime, until: datetime | None) -> int:
        """Return how many orders are looked at."""
        with self.connect() as connection:
            return statements.count(connection, self.channel, since, until)

    def run(self, since: datetime, until: datetime | None, *, dry: bool) -> Iterator[Read]:
        """Yield each order as it was read again; unless dry, after its ticket was put into the outbox."""
        with self.connect() as reading, self.connect() as writing:
            for page in statements.standing(reading, self.channel, since, until):
                reads = [self._read(standing) for standing in page]
                yield from reads if dry else self._sent(writing, reads)

    def _read(self, standing: Standing) -> Read:
        if standing.wrapped is None:
            return Read(standing, "erased")
        try:
            key = self.vault.unwrap(standing.order_id, bytes(standing.wrapped))
            body, headers = unpacked(key.open(bytes(standing.raw_sealed), f"statement:{standing.message_id}"))
            was = _was(standing, key)
        except Unsealable as error:
            return Read(standing, "damaged", reason=f"{error} cannot be opened")
        digest = sha256(body).hexdigest()
        if digest != standing.raw_sha256:
            return Read(standing, "damaged", reason=f"the bytes hash to {digest[:16]}, they were kept as {standing.raw_sha256[:16]}")
        if was is None:
            return Read(standing, "not_kept", reason="an earlier release kept no reading of this restatement")
        now = self._now(standing, body, headers)
        if isinstance(now, str):
            return Read(standing, "refused", reason=now)
        found = remap.compare(Order.model_validate_json(standing.doc), was, now, datetime.now(UTC))
        return Read(standing, "differs" if found.leaves else "same", found)

    def _now(self, standing: Standing, body: bytes, headers: dict[str, str]) -> Order | str:
        """Return what today's mapping reads, or why it takes no order from these bytes any more."""
        raw = RawDocument(
            body=body, sha256=standing.raw_sha256, topic=standing.raw_topic, partition=standing.raw_part, offset=standing.raw_offset,
            content_type=headers.get("content-type"), headers=headers,
        )  # fmt: skip
        said = dict(self.normalise(self.channel, raw)).get(str(standing.order_id))
        if isinstance(said, OrderStated):
            return accepted(said)
        if isinstance(said, IntakeFailed):
            return f"today's mapping refuses it: {said.code}"
        return "today's mapping reads no order of that id" if said is None else f"today's mapping reads {type(said).__name__}"

    def _sent(self, connection: Connection, reads: list[Read]) -> list[Read]:
        """Put the page's tickets into the outbox, but for those that went there before."""
        told = [self._unraised(read) for read in reads]
        tickets = [self._ticket(read) for read in told if read.found is not None and read.found.named and read.outcome == "differs"]
        if not tickets:
            return told
        messages = [Unsigned(encode(ticket), f"ticket:{ticket.ticket_id}", str(ticket.order_id)) for ticket in tickets]
        user = f"mapping:{self.version}"
        with connection.transaction(), connection.cursor() as cursor:
            new = submissions.add_new(
                cursor,
                [
                    Submission(ticket.order_id, message.message_id, user, sha256(message.value).digest(), ticket.opened_at)
                    for ticket, message in zip(tickets, messages, strict=True)
                ],
            )
            fresh = [pair for pair in zip(tickets, messages, strict=True) if pair[0].order_id in new]
            tokens = self.signer.sign_batch([message for _, message in fresh], sub=user, roles=ROLES)
            outbox.add(
                cursor,
                [
                    Outgoing(
                        ticket.order_id,
                        None,
                        ticket.ticket_id,
                        self.topic,
                        message.order_id.encode(),
                        message.value,
                        {HEADER: token.decode()},
                    )
                    for (ticket, message), token in zip(fresh, tokens, strict=True)
                ],
            )
        return [replace(read, sent=True) if read.standing.order_id in new else read for read in told]

    def _unraised(self, read: Read) -> Read:
        """Return it refused, where the mapping says otherwise under the version that read it before."""
        if read.found is None or not read.found.named or read.standing.mapping_version < self.version:
            return read
        reason = f"the mapping says otherwise and is still version {self.version}: raise it first"
        return replace(read, outcome="refused", reason=reason)

    def _ticket(self, read: Read) -> ModificationTicket:
        assert read.found is not None
        standing = read.standing
        return remap.ticket_of(read.found, self.channel, standing.message_id, self.version, standing.version, datetime.now(UTC))


def _was(standing: Standing, key: OrderKey) -> Order | None:
    """Return what the mapping of its time read; None where nobody kept it."""
    if standing.said_sealed is not None:
        return Order.model_validate_json(key.open(bytes(standing.said_sealed), f"said:{standing.message_id}"))
    if standing.outcome != "accepted":
        return None
    origin = Origin(
        standing.order_id, standing.origin_doc, bytes(standing.origin_sealed), bytes(standing.origin_sha256), standing.accepted_at
    )
    return orders.first_version(origin, key)
