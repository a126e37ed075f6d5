"""An interchange says itself what parts, releases and ends its segments, and in which characters it is written."""

from pathlib import Path

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedChange, StatedOrder, Unreadable
from normalizers.edifact_segments import read_messages
from schemas.failures import OrdermendError

FIXTURE = (Path(__file__).parents[1] / "fixtures" / "channels" / "edifact" / "two_orders.raw.edi").read_bytes()


def normalised(body: bytes) -> tuple[Result, ...]:
    return discover()["edifact"].normalize((Document(body),))


def order_of(body: bytes) -> StatedOrder:
    first = normalised(body)[0]
    assert isinstance(first, StatedOrder)
    return first


@pytest.mark.parametrize("services", [":+,? '", "|*,\\ ~", ">;,! \n", "\x1f\x1d,? \x1c", ":+,?*'"])
def test_other_service_characters_make_no_other_order(services: str) -> None:
    component, element, release, terminator = services[0], services[1], services[3], services[5]
    text = FIXTURE.decode().removeprefix("UNA:+,? '").replace("\n", "").replace("?", "\0")
    moved = text.translate({ord(":"): component, ord("+"): element, ord("'"): terminator})
    for one, other in ((":", component), ("+", element), ("'", terminator)):  # what was released is now an ordinary character, or is again
        moved = moved.replace(f"\0{other}", f"{release}{other}" if one == other else one)
    want, found = order_of(FIXTURE), order_of(f"UNA{services}{moved}".encode())
    assert want.order.totals == found.order.totals
    assert want.order.note == found.order.note
    assert want.order.ship_to == found.order.ship_to


@pytest.mark.parametrize("layout", ["joined", "wrapped", "indented", "crlf"])
def test_line_breaks_are_layout(layout: str) -> None:
    joined = FIXTURE.replace(b"\n", b"")
    body = {
        "joined": joined,
        "wrapped": b"\n".join(joined[index : index + 80] for index in range(0, len(joined), 80)),
        "indented": FIXTURE.replace(b"\n", b"\n   "),
        "crlf": FIXTURE.replace(b"\n", b"\r\n"),
    }[layout]
    assert order_of(FIXTURE).order == order_of(body).order


@pytest.mark.parametrize(
    ("declared", "coding", "verdict"),
    [
        ("UNOC", "iso8859-1", "accept"),
        ("UNOY", "utf-8", "accept"),
        ("UNOC", "utf-8", "accept"),
        ("UNOL", "iso8859-15", "accept"),
        ("UNOA", "iso8859-1", "accept_with_warning"),
        ("UNOY", "iso8859-1", "accept_with_warning"),
    ],
)
def test_characters_are_read_as_declared_and_what_is_not_so_is_said(declared: str, coding: str, verdict: str) -> None:
    text = FIXTURE.decode().replace("UNOC", declared).replace("Kajen 4", "Færøgade 4")
    found = order_of(text.encode(coding))
    assert found.order.ship_to is not None
    assert "Færøgade 4" == found.order.ship_to.lines[0]
    assert verdict == found.verdict


def test_several_orders_in_an_interchange_are_several_results() -> None:
    assert ["PO-3301", "PO-3302"] == [one.order.source.channel_order_id for one in normalised(FIXTURE) if isinstance(one, StatedOrder)]
    assert ["create", "cancel"] == [one.event for one in normalised(FIXTURE)]


def test_two_interchanges_on_end_are_read_each_by_its_own_characters() -> None:
    other = b"UNA:+.? 'UNB+UNOA:2+9:14+8:14+260302:0915+5'UNH+1+ORDERS:D:96A:UN'BGM+220+Z-1+9'LIN+1++A:SA'QTY+21:1.5'UNS+S'UNT+6+1'UNZ+1+5'"
    found = [one for one in normalised(FIXTURE + other) if isinstance(one, StatedOrder)]
    assert ["PO-3301", "PO-3302", "Z-1"] == [one.order.source.channel_order_id for one in found]
    assert [(15, 1)] == [(line.ordered, line.quantity_exponent) for line in found[2].order.lines]


def test_a_message_cut_short_is_never_applied_in_part() -> None:
    (found,) = normalised(FIXTURE[: FIXTURE.index(b"LIN+2")])
    assert isinstance(found, Unreadable)
    assert ("PO-3301", "dead_letter", "truncated") == (found.channel_order_id, found.verdict, found.findings[0].rule)


@pytest.mark.parametrize(
    ("change", "verdict", "rule"),
    [
        ((b"CNT+2:2", b"CNT+2:3"), "dead_letter", "line_count"),
        ((b"CNT+2:2", b"CNT+2:1"), "accept_with_warning", "line_count"),
        ((b"UNT+34+1", b"UNT+40+1"), "accept_with_warning", "segment_count"),  # CNT vouches for the lines
        ((b"CNT+2:2'\nUNT+34+1", b"UNT+40+1"), "dead_letter", "segment_count"),
        ((b"CNT+2:2'\nUNT+34+1", b"UNT+9+1"), "accept_with_warning", "segment_count"),
        ((b"UNT+34+1", b"UNT+34+7"), "accept_with_warning", "reference"),
    ],
)
def test_a_count_above_what_is_there_is_a_loss_and_one_below_is_a_warning(change: tuple[bytes, bytes], verdict: str, rule: str) -> None:
    first, _ = normalised(FIXTURE.replace(*change))
    assert isinstance(first, StatedOrder | Unreadable)
    assert verdict == first.verdict
    assert rule in {finding.rule for finding in first.findings}


def test_a_missing_terminator_is_mended_where_the_count_vouches_for_it() -> None:
    found = order_of(FIXTURE.replace(b"QTY+21:1250:PCE'\n", b"QTY+21:1250:PCE\n"))
    assert order_of(FIXTURE).order == found.order


def test_a_reserved_character_left_out_of_una_is_no_harm() -> None:
    found = order_of(FIXTURE.replace(b"UNA:+,? '", b"UNA:+,?'"))
    assert order_of(FIXTURE).order == found.order


def test_a_missing_end_of_the_interchange_is_a_warning() -> None:
    found = order_of(FIXTURE[: FIXTURE.index(b"UNZ")])
    assert "accept_with_warning" == found.verdict


@pytest.mark.parametrize(
    ("stated", "moment"),
    [
        ("20260302:102", "2026-03-02T00:00:00+00:00"),
        ("260302:101", "2026-03-02T00:00:00+00:00"),
        ("020326:2", "2026-03-02T00:00:00+00:00"),
        ("202603020915:203", "2026-03-02T09:15:00+00:00"),
        ("20260302091530:204", "2026-03-02T09:15:30+00:00"),
        ("202603020915?+0100:205", "2026-03-02T08:15:00+00:00"),
        ("202603020915?+02:303", "2026-03-02T07:15:00+00:00"),
        ("202603020915UTC:303", "2026-03-02T09:15:00+00:00"),
        ("20260302091500Z:304", "2026-03-02T09:15:00+00:00"),
        ("20260302", "2026-03-02T00:00:00+00:00"),
    ],
)
def test_dates_are_read_by_their_format_code(stated: str, moment: str) -> None:
    found = order_of(FIXTURE.replace(b"DTM+137:202603020915:203", f"DTM+137:{stated}".encode(), 1)).order.placed_at
    assert found is not None
    assert moment == found.isoformat()


@pytest.mark.parametrize(
    ("word", "event"), [("1", "cancel"), ("9", "create"), ("5", "update"), ("4", "update"), ("7", "create"), ("31", "create")]
)
def test_the_function_of_an_order_says_what_happened(word: str, event: str) -> None:
    assert event == order_of(FIXTURE.replace(b"BGM+220+PO-3301+9", f"BGM+220+PO-3301+{word}".encode())).event


def test_a_change_that_cancels_the_order_is_a_cancellation() -> None:
    body = b"UNH+1+ORDCHG:D:96A:UN'BGM+230+C-1+1'DTM+137:20260304:102'RFF+ON:PO-3301'UNS+S'UNT+6+1'"
    (found,) = normalised(body)
    assert isinstance(found, StatedChange)
    assert ("PO-3301", "cancel", "2026-03-04T00:00:00Z") == (found.channel_order_id, found.event, found.stated["cancelled_at"])


def test_a_wrong_component_anywhere_is_read_or_refused_and_nothing_else() -> None:
    text = FIXTURE.decode()
    pieces, outcomes = text.split("+"), set()
    for index in range(1, len(pieces)):
        for new in ("", "x", "-1", "0", "9" * 40, "1e9", "'", "\n", "1,2345678901234", "é", ":", "?"):
            outcomes.add(outcome("+".join([*pieces[:index], new, *pieces[index + 1 :]]).encode()))
            outcomes.add(outcome("+".join([*pieces[:index], f"{pieces[index][:4]}{new}", *pieces[index + 1 :]]).encode()))
    assert {"read", "refused"} == outcomes, "what is harmless is read, and what is not is refused"
    assert "refused" in {outcome(text[:end].encode()) for end in range(0, len(text), 3)}


def outcome(body: bytes) -> str:
    try:
        normalised(body)
    except OrdermendError as error:
        assert error.field is not None  # noqa: PT017  # either outcome is right, and a refusal names its place
        return "refused"
    return "read"


@pytest.mark.parametrize(
    ("flood", "rule"),
    [
        (b"'" * 5_000_000, "max_segments"),
        (b"A+1'" * 1_000_000, "max_segments"),
        (b"+" * 5_000_000, "max_components"),
        (b":" * 5_000_000, "max_components"),
        (b" " * 5_000_000, None),
        (b"\n" * 5_000_000, None),
        (b" \n" * 2_500_000, None),
        (b"?" * 5_000_000, None),
        (b"'UNA" * 1_250_000, "una"),
        (b"x" * 6_000_000, "max_bytes"),
    ],
)
def test_a_flood_of_anything_is_refused_or_read_and_never_explodes(flood: bytes, rule: str | None) -> None:
    try:
        found = read_messages(b"UNH+1+ORDERS:D:96A:UN'" + flood)
    except OrdermendError as error:
        assert rule == error.rule  # noqa: PT017  # a flood that bounds do not concern is read
        return
    assert rule is None
    assert 1 == len(found)


def test_segments_are_numbered_over_the_interchange() -> None:
    numbers = [segment.number for message in read_messages(FIXTURE) for segment in message.segments]
    assert sorted(numbers) == numbers
