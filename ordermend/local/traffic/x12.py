"""ANSI X12 850 purchase orders (release 004010), invented: one interchange, one group, one set each.

Order:   three retail partners send to us; US addresses in upper-case ASCII; SKU in the pair VN, the partner's own in BP.
Sums:    PO102 * PO104 per line; header SAC rows (A = allowance, C = charge; SAC05 in cents, implied decimals);
         AMT*TT = Σ lines - allowances + charges; CTT01 = lines, CTT02 = Σ quantities. No tax: bought for resale.
Restated: BEG01 05 (replace) instead of 00, newer ISA and GS stamps (whole minutes), another control number.
Source:  X12 004010 850 as partners' published guides draw it, read 2026-11-23.
"""

import random
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache

from ordermend.local.traffic.basket import Basket, BasketLine, Storefront, fill
from ordermend.local.traffic.sketch import ChannelDocument, LineSketch, OrderSketch
from schemas.money import to_text

CHANNEL = "x12"
STOREFRONTS = (
    Storefront("BIRCHLANEMART", "USD", ("US",), tax_included=False),
    Storefront("5550017320044", "USD", ("US",), tax_included=False),
    Storefront("GRANARYCOOP", "USD", ("US",), tax_included=False),
)
_RECEIVER = "ORDERMENDDEMO"


def order_document(rng: random.Random, number: int, at: datetime) -> ChannelDocument:
    """Make the interchange of purchase order `number`, dated `at`."""
    return _document(rng, number, at, at, purpose="00", note=None)


def update_document(rng: random.Random, number: int, placed_at: datetime, at: datetime) -> ChannelDocument:
    """Restate that purchase order as of `at`, with a note. `rng` is seeded as it was for the order."""
    note = f"DELIVER TO DOCK {1 + int(at.timestamp()) // 60 % 40}"
    return _document(rng, number, placed_at, at, purpose="05", note=note)


def _document(rng: random.Random, number: int, placed_at: datetime, at: datetime, *, purpose: str, note: str | None) -> ChannelDocument:
    basket = fill(rng, rng.choice(STOREFRONTS), taxed=False)
    order_id = f"PO{7_300_000 + number}"
    segments = [
        "ST*850*0001",
        f"BEG*{purpose}*SA*{order_id}**{placed_at:%Y%m%d}",
        "CUR*BY*USD",
        f"REF*DP*{10 + number % 80:03d}",
        *_contact(basket),
        *_charges(basket),
        "ITD*01*3*****30",
        f"DTM*002*{placed_at + timedelta(days=10):%Y%m%d}",
        "TD5**2*UPSN*M*GROUND",
        *((f"N9*ZZ*{order_id}", f"MSG*{note}") if note else ()),
        *_parties(basket, number),
        *(segment for position, line in enumerate(basket.lines, 1) for segment in _line(line, position)),
        f"CTT*{len(basket.lines)}*{sum(line.quantity for line in basket.lines)}",
        f"AMT*TT*{to_text(basket.total, 'USD')}",
    ]
    segments.append(f"SE*{len(segments) + 1}*0001")
    control = (number * 977 + int(at.timestamp()) // 60) % 1_000_000_000
    account = basket.storefront.account
    whole = (*_envelope(account, control, at), *segments, f"GE*1*{control}", f"IEA*1*{control:09d}", "")
    headers = {"content-type": "application/edi-x12", "account": account}
    return ChannelDocument(order_id.encode(), headers, "~\n".join(whole).encode("ascii"), _sketch(basket, order_id, placed_at))


def _envelope(sender: str, control: int, at: datetime) -> tuple[str, str]:
    day, time = at.strftime("%y%m%d"), at.strftime("%H%M")
    isa = f"ISA*00*{'':10}*00*{'':10}*ZZ*{sender:15}*ZZ*{_RECEIVER:15}*{day}*{time}*U*00401*{control:09d}*0*P*>"
    return isa, f"GS*PO*{sender}*{_RECEIVER}*20{day}*{time}*{control}*X*004010"


def _sketch(basket: Basket, order_id: str, at: datetime) -> OrderSketch:
    return OrderSketch(
        channel=CHANNEL,
        account=basket.storefront.account,
        channel_order_id=order_id,
        country=basket.recipient.country,
        currency=basket.storefront.currency,
        total_minor=basket.total,
        placed_at=at,
        lines=tuple(LineSketch(str(position), line.product.sku, line.quantity, line.unit) for position, line in enumerate(basket.lines, 1)),
    )


@lru_cache(maxsize=1024)
def _basic(text: str, limit: int) -> str:
    """Return `text` in X12's basic set: upper-case ASCII, none of our delimiters, cut to `limit`."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().upper()
    return " ".join(ascii_only.translate(str.maketrans("*~>", "   ")).split())[:limit].strip()


def _contact(basket: Basket) -> Iterator[str]:
    who = basket.recipient
    if who.phone:
        yield f"PER*BD*{_basic(who.name, 60)}*TE*{''.join(filter(str.isdigit, who.phone))}*EM*{who.email.upper()}"


def _charges(basket: Basket) -> Iterator[str]:
    if basket.discount:
        yield f"SAC*A*C310***{basket.discount.amount}*******02***{_basic(basket.discount.code, 80)}"
    if basket.shipping:
        yield f"SAC*C*D240***{basket.shipping}*******06***FREIGHT"


def _parties(basket: Basket, number: int) -> Iterator[str]:
    who = basket.recipient
    store = f"{1000 + number % 640:04d}"
    yield f"N1*ST*{_basic(who.company or who.name, 60)}*92*{store}"
    if who.extra:
        yield f"N2*{_basic(who.extra, 60)}"
    yield f"N3*{_basic(who.street, 55)}"
    yield f"N4*{_basic(who.town.name, 30)}*{who.town.region_code}*{who.postal_code}*US"
    yield "N1*BT*ACCOUNTS PAYABLE*92*0001"
    yield "N3*1 LEDGER PLAZA"
    yield "N4*PRAIRIE LANTERN*IL*60601*US"


def _line(line: BasketLine, position: int) -> Iterator[str]:
    product = line.product
    buyer_part = 4_400_000 + product.number
    yield f"PO1*{position}*{line.quantity}*EA*{to_text(line.unit, 'USD')}**VN*{product.sku}*BP*{buyer_part}*EN*{product.ean}"
    yield f"PID*F****{_basic(product.title, 80)}"
