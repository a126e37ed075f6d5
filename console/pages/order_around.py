"""The order page's tabs beside the order itself: where its units are, what was asked for it, what its channel sent. Pure."""

from console.around import Around
from console.pages import show
from schemas.order import Order, Shipment

_COUNTED = ("ordered", "cancelled", "allocated", "released", "packed", "shipped", "returned")
_TONES = {"done": "good", "failed": "bad", "given_up": "bad", "open": "wait", "planned": "wait", "sent": "wait"}


def fulfilment(order: Order, around: Around) -> show.Markup:
    """Return where the units are, what travels on its own, what was asked of others, and what waits for a person."""
    units = [
        (
            line.sku or line.name or line.line_id,
            *(show.right(show.scaled(getattr(line, name), line.quantity_exponent)) for name in _COUNTED),
        )
        for line in order.lines
    ]
    head = ("SKU", *(show.right(name.capitalize()) for name in _COUNTED))
    apart = [
        (_carries(order, s), show.moment(s.delivery_window.latest if s.delivery_window else None), s.ship_method or "-")
        for s in order.shipments
    ]
    asked = [
        (
            show.moment(x.at), show.words(x.port), show.words(x.kind), show.right(show.amount(x.amount_minor, x.currency) if x.amount_minor else "-"),
            show.chip(show.words(x.state), _TONES.get(x.state, "calm")), show.words(x.result or "-"), show.moment(x.ended_at),
        )
        for x in around.asked
    ]  # fmt: skip
    items = [(show.moment(x.at), show.words(x.kind), x.detail, show.chip(x.status, _TONES.get(x.status, "calm"))) for x in around.items]
    asked_head = ("Asked at", "Of", "For", show.right("Amount"), "State", "Answer", "Ended")
    return show.Markup(
        '<div class="om-stack">'
        + show.section("Units", show.table("Units", head, units, "No lines."))
        + show.section("Sent apart", show.table("Shipments", ("Carries", "Until", "Method"), apart, "Everything travels together."))
        + show.section(
            "Asked of gateways, the warehouse and the channel",
            show.table("Asked of others", asked_head, asked, "Nothing was asked of anybody."),
        )
        + show.section("Work items", show.table("Work items", ("Since", "Kind", "What", "State"), items, "Nobody has to look at anything."))
        + "</div>"
    )


def _carries(order: Order, shipment: Shipment) -> str:
    found = []
    for part in shipment.parts:
        line = order.line(part.line_id)
        found.append(
            f"{show.scaled(part.quantity, line.quantity_exponent if line else 0)} x {(line and (line.sku or line.name)) or part.line_id}"
        )
    return ", ".join(found)


def messages(around: Around) -> show.Markup:
    """Return what the channel sent, without a word of it."""
    rows = [
        (
            show.moment(x.received_at), show.words(x.event or x.kind), show.words(x.outcome), f"{x.raw_topic}[{x.raw_part}]@{x.raw_offset}",
            str(x.mapping_version), x.raw_sha256[:16],
        )
        for x in around.sent
    ]  # fmt: skip
    head = ("Received", "Message", "What became of it", "Lies at", "Mapping", "SHA-256 begins")
    return show.section("What the channel sent", show.table("Channel messages", head, rows, "Nothing is kept of what the channel sent."))
