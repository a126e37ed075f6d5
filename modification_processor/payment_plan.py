"""Which money moves after an edit: worked out from the ledger, never from the difference of two totals. Pure.

    due = total - (captured + capture_pending - refunded - refund_pending) - usable authorisation

What was open before the edit (an order on invoice, a deposit) stays open as it was agreed: an edit collects only what
it adds to that, and gives back only what is covered beyond the new total. Steps that are planned and not yet sent are
cancelled before new ones are made, so adding a line and removing it before the charge was sent moves nothing. A payment
request that the customer has and has not met is taken back, whole or in part, before anything is refunded: adding and
removing before paying moves nothing either. A refund never passes its tender's rest; what no tender can take back, or no tender can pay, stays as a named open item.

Nothing here talks to anybody: the plan is recorded with the edit, and carried out after the commit (`settlement.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple
from uuid import UUID

from schemas.money import allocate
from schemas.order import Order, Payment

StepKind = Literal["charge", "raise_authorization", "lower_authorization", "refund", "request_payment", "take_back"]
StepState = Literal["planned", "sent"]
TenderRule = Literal["last_in_first_out", "pro_rata", "gift_card_first"]
COLLECTS: frozenset[str] = frozenset({"charge", "raise_authorization", "request_payment"})
CAPTURES: frozenset[str] = frozenset({"charge", "request_payment"})
ALREADY_PAID = "already_paid"
"""Why a gateway does not take a payment request back: the customer was faster."""
TAKEN_BACK = "taken_back"
"""Why a gateway does not deliver a payment request: it was taken back before it arrived."""
NOT_CHARGED_AGAIN = frozenset({"gift_card", "bank_transfer", "cash", "cash_on_delivery", "cheque", "invoice"})
"""Methods that nobody can collect from without the customer doing something."""


class Pending(NamedTuple):
    """A payment step of an earlier ticket whose outcome is not known yet."""

    action_id: UUID
    ticket_id: UUID
    kind: StepKind
    provider: str
    transaction: str
    method: str | None
    amount_minor: int
    state: StepState
    after_id: UUID | None = None

    @property
    def follows(self) -> UUID | None:
        """The step that it waits for; None where its tender is known, also where it is still to take that step back."""
        return None if self.transaction else self.after_id

    @property
    def gives_back(self) -> bool:
        """Whether it refunds its tender, or will where the customer has paid what it was to take back."""
        return self.kind in ("refund", "take_back")


class Step(NamedTuple):
    """One movement to ask the gateway for. `transaction` names the tender; empty where it is that of step `after_id`.

    A `take_back` asks the customer for so much less than the payment request `after_id` did; 0 left: not at all.
    """

    kind: StepKind
    provider: str
    transaction: str
    method: str | None
    amount_minor: int
    after_id: UUID | None = None


@dataclass(frozen=True)
class Plan:
    """What settles an edit. `open_minor` > 0: to be collected with the rest of the order; < 0: owed, and no tender takes it back."""

    steps: tuple[Step, ...] = ()
    cancels: tuple[Pending, ...] = ()
    channel_minor: int = 0
    """What the channel, which collects for this order, has to be told: > 0 to collect, < 0 to give back."""
    open_minor: int = 0


NOTHING = Plan()


@dataclass(slots=True)
class Tender:
    """What one payment brought, gave back, and may still: amounts in minor units, never negative."""

    provider: str
    transaction: str
    method: str | None
    nameless: bool = False
    """Whether it was captured without saying which authorisation that used up, if any."""
    authorized: int = 0
    voided: int = 0
    captured: int = 0
    refunded: int = 0
    lowering: int = 0
    refunding: int = 0

    @property
    def usable(self) -> int:
        """What is authorised and neither captured, released nor about to be."""
        return max(self.authorized - self.voided - self.captured - self.lowering, 0)

    @property
    def rest(self) -> int:
        """What can still be refunded."""
        return max(self.captured - self.refunded - self.refunding, 0)


@dataclass
class Ledger:
    """The tenders of an order in the order in which they came, with what is on its way."""

    tenders: list[Tender] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    unplaced_refunds: int = 0
    """Refunded without a tender that could have carried it."""

    @property
    def covered(self) -> int:
        """What the order's total is covered by, as if every pending step succeeds."""
        kept = sum(t.captured - t.refunded - t.refunding + t.usable for t in self.tenders) - self.unplaced_refunds
        following = sum(p.amount_minor for p in self.pending if p.follows is not None)
        return kept + sum(p.amount_minor for p in self.pending if p.kind in COLLECTS) - following


def ledger_of(payments: Sequence[Payment], pending: Sequence[Pending]) -> Ledger:
    """Return the tenders of a ledger.

    A movement belongs to the tender its `parent` names, or else to that of its own transaction; a capture whose parent
    is itself is a tender of its own. Captures and refunds that name none are counted against their provider's: better to
    hold too little as covered than too much twice.
    """
    found: dict[tuple[str, str], Tender] = {}
    for row in payments:
        tender = _tender(found, row.provider, row.parent or row.transaction, row.method)
        if row.kind == "authorization":
            tender.authorized += row.amount_minor
        elif row.kind == "capture":
            tender.captured += row.amount_minor
            tender.nameless = row.parent is None
        elif row.kind == "refund":
            tender.refunded += row.amount_minor
        else:
            tender.voided += row.amount_minor or tender.authorized
    ledger = Ledger([t for t in found.values() if t.authorized or t.captured], list(pending))
    _place_captures(ledger)
    _place_refunds(ledger, [t for t in found.values() if not (t.authorized or t.captured)])
    for step in pending:
        goes_to = found.get((step.provider, step.transaction))
        if goes_to is None or step.follows is not None:
            continue
        if step.kind == "lower_authorization":
            goes_to.lowering += step.amount_minor
        elif step.gives_back:
            goes_to.refunding += step.amount_minor
    return ledger


def _tender(found: dict[tuple[str, str], Tender], provider: str, transaction: str, method: str | None) -> Tender:
    tender = found.setdefault((provider, transaction), Tender(provider, transaction, method))
    tender.method = tender.method or method
    return tender


def _place_captures(ledger: Ledger) -> None:
    """Let captures without an authorisation of their own use up open ones of their provider that came before them."""
    for place, capture in enumerate(ledger.tenders):
        left = capture.captured if capture.nameless and not capture.authorized else 0
        for other in ledger.tenders[:place]:
            if left and other.provider == capture.provider and other.usable:
                taken = min(left, other.usable)
                other.voided += taken
                left -= taken


def _place_refunds(ledger: Ledger, orphans: Sequence[Tender]) -> None:
    """Count refunds that name no tender of ours against the newest of their provider, then against any."""
    for orphan in orphans:
        left = orphan.refunded
        same = [t for t in reversed(ledger.tenders) if t.provider == orphan.provider]
        for tender in (*same, *(t for t in reversed(ledger.tenders) if t.provider != orphan.provider)):
            taken = min(left, tender.rest)
            tender.refunded += taken
            left -= taken
        ledger.unplaced_refunds += left


def plan_payments(
    before: Order,
    after: Order,
    pending: Sequence[Pending] = (),
    *,
    channel_collects: bool = False,
    rule: TenderRule = "last_in_first_out",
) -> Plan:
    """Return what settles the change from `before` to `after`: an edit that leaves the total leaves the money."""
    delta = after.totals.grand_total_minor - before.totals.grand_total_minor
    if not delta:
        return NOTHING
    if channel_collects:
        return Plan(channel_minor=delta)
    ledger = ledger_of(after.payments, pending)
    due = after.totals.grand_total_minor - ledger.covered
    open_before = max(before.totals.grand_total_minor - ledger.covered, 0)
    if due > open_before:
        return _collect(ledger, due - open_before)
    return _give_back(ledger, -due, rule) if due < 0 else NOTHING


def _collect(ledger: Ledger, amount: int) -> Plan:
    cancels, left = _cancel(ledger, amount, collecting=False)
    if left < 0:
        back = _give_back(_without(ledger, cancels), -left, "last_in_first_out")
        return replace(back, cancels=(*cancels, *back.cancels))
    if not left:
        return Plan(cancels=cancels)
    ledger = _without(ledger, cancels)
    if not ledger.tenders and not ledger.pending:
        return Plan(cancels=cancels, open_minor=left)
    return Plan((_collecting_step(ledger, left),), cancels)


def _collecting_step(ledger: Ledger, amount: int) -> Step:
    newest = list(reversed(ledger.tenders))
    for tender in newest:
        if tender.usable and not tender.captured and tender.method not in NOT_CHARGED_AGAIN:
            return Step("raise_authorization", tender.provider, tender.transaction, tender.method, amount)
    for tender in newest:
        if tender.captured and tender.method not in NOT_CHARGED_AGAIN:
            return Step("charge", tender.provider, tender.transaction, tender.method, amount)
    known = newest[0] if newest else ledger.pending[-1]
    return Step("request_payment", known.provider, "", None, amount)


def _give_back(ledger: Ledger, amount: int, rule: TenderRule) -> Plan:
    cancels, left = _cancel(ledger, amount, collecting=True)
    if left < 0:
        more = _collect(_without(ledger, cancels), -left)
        return replace(more, cancels=(*cancels, *more.cancels))
    ledger = _without(ledger, cancels)
    steps: list[Step] = []
    for request in reversed(ledger.pending):
        taken = min(left, _unclaimed(ledger, request)) if request.kind == "request_payment" else 0
        if taken:
            steps.append(Step("take_back", request.provider, "", request.method, taken, request.action_id))
            left -= taken
    for tender in reversed(ledger.tenders):
        taken = min(left, tender.usable)
        if taken:
            steps.append(Step("lower_authorization", tender.provider, tender.transaction, tender.method, taken))
            left -= taken
    for tender, taken in _shares(ledger.tenders, left, rule):
        steps.append(Step("refund", tender.provider, tender.transaction, tender.method, taken))
        left -= taken
    for flying in reversed(ledger.pending):
        taken = min(left, _unclaimed(ledger, flying)) if flying.kind != "request_payment" else 0
        if taken:
            steps.append(Step(_opposite(flying), flying.provider, "", flying.method, taken, flying.action_id))
            left -= taken
    return Plan(tuple(steps), cancels, open_minor=-left)


def _opposite(flying: Pending) -> StepKind:
    return "lower_authorization" if flying.kind == "raise_authorization" else "refund"


def _unclaimed(ledger: Ledger, flying: Pending) -> int:
    """What a step on its way will bring that no step after it takes back again."""
    if flying.kind not in COLLECTS or flying.state != "sent":
        return 0
    return flying.amount_minor - sum(p.amount_minor for p in ledger.pending if p.after_id == flying.action_id)


def _shares(tenders: Sequence[Tender], amount: int, rule: TenderRule) -> list[tuple[Tender, int]]:
    """Spread a refund over what each tender has left."""
    able = [tender for tender in reversed(tenders) if tender.rest]
    whole = min(amount, sum(tender.rest for tender in able))
    if rule == "pro_rata":
        parts = allocate(whole, [tender.rest for tender in able])
        return [(tender, part) for tender, part in zip(able, parts, strict=True) if part]
    if rule == "gift_card_first":
        able.sort(key=lambda tender: tender.method != "gift_card")
    found = []
    for tender in able:
        part = min(whole, tender.rest)
        if part:
            found.append((tender, part))
            whole -= part
    return found


def _cancel(ledger: Ledger, amount: int, *, collecting: bool) -> tuple[tuple[Pending, ...], int]:
    """Cancel steps that were not sent, newest first, until `amount` is met; what is left is < 0 where it is more than met."""
    cancelled: list[Pending] = []
    for step in reversed(ledger.pending):
        if amount <= 0:
            break
        if step.state == "planned" and (step.kind in COLLECTS) == collecting:
            cancelled.append(step)
            amount -= step.amount_minor
    return tuple(cancelled), amount


def _without(ledger: Ledger, cancels: Sequence[Pending]) -> Ledger:
    """Return the ledger without the steps that are cancelled."""
    gone = {step.action_id for step in cancels}
    tenders = [replace(tender) for tender in ledger.tenders]
    by_name = {(tender.provider, tender.transaction): tender for tender in tenders}
    for step in cancels:
        tender = by_name.get((step.provider, step.transaction))
        if tender is not None and step.kind == "lower_authorization":
            tender.lowering -= step.amount_minor
        elif tender is not None and step.gives_back and step.follows is None:
            tender.refunding -= step.amount_minor
    kept = [step for step in ledger.pending if step.action_id not in gone]
    return Ledger(tenders, kept, ledger.unplaced_refunds)
