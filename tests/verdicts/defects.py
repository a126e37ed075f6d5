"""What is done to a document, and the verdict that follows from it.

Each row says what it changes, which topic of the channel's documentation it stands on (`parties`, `lines`, `money`, `times`, `identity`, or the
wire format itself), and the verdict: a defect is harmless (accept, at most with a warning) where the documentation lets the value stand and the
order can be fulfilled as it is; it holds an order that a person has to look at before it can be fulfilled; it refuses what nobody could fulfil,
what the law forbids, and what is no document of the channel.

Sources: ISO 3166-1, ISO 4217, RFC 5322 and RFC 6531 (addresses), ITU-T E.164 and RFC 3966 (phones), RFC 8259 and RFC 7493 (JSON), XML 1.0,
         UN Security Council resolutions 1718 (2006), 2270 (2016), 2375 and 2397 (2017); 15 CFR part 746 (Cuba 746.2, Iran 746.7); read 2026-11-28.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from tests.verdicts.wires import JsonDocument, Wire

Label = Literal["accept", "accept_with_warning", "accept_with_hold", "quarantine", "reject", "dead_letter"]
Topic = Literal["parties", "lines", "money", "times", "identity", "wire"]


class Open:
    """A case's documents, open for changes, and the channel's places in them."""

    def __init__(self, documents: list[Wire], places: Mapping[str, list[str]]) -> None:
        self.documents = documents
        self.places = places
        self.bodies: dict[int, bytes] = {}
        """What a document is written as, where it is no longer what its wire would write."""

    def of(self, place: str) -> tuple[Wire, str]:
        """Return the document of a place, and the place in it."""
        head, colon, rest = place.partition(":")
        return (self.documents[int(head)], rest) if colon and head.isdecimal() else (self.documents[0], place)

    def change(self, name: str, to: Callable[[Any], Any]) -> None:
        """Change what the channel keeps under a name."""
        for place in self.places[name]:
            document, at = self.of(place)
            document.change(at, to)

    def put(self, name: str, value: Any) -> None:
        """Write a value."""
        self.change(name, lambda _: value)

    def remove(self, *names: str) -> None:
        """Take away what the channel keeps under these names."""
        for name in names:
            for place in self.places.get(name, []):
                document, at = self.of(place)
                document.remove(at)

    def written(self) -> list[bytes]:
        """Write the documents."""
        return [self.bodies.get(number, document.body()) for number, document in enumerate(self.documents)]


@dataclass(frozen=True)
class Defect:
    """A row of the table. `only` says which channels it makes sense for, from their facts."""

    name: str
    label: Label
    topic: Topic
    why: str
    needs: tuple[str, ...]
    apply: Callable[[Open, random.Random], None]
    only: Callable[[Mapping[str, Any]], bool] = lambda _: True


FIRST = ("Mara", "Oluwaseun", "Zoë", "Jörg", "Ana María", "Siobhán", "Bo", "Łukasz", "Nguyễn", "Þórdís", "Jean-Luc", "D'Arcy")
STREETS = (
    "Mill Lane 4",
    "12 Pier Road",
    "Rue de l'Église 3 bis",
    "Straße des 17. Juni 135",
    "Calle 8 #12-34",
    "1-2-3 Sakura",
    "Flat 5/2, 9 High St",
)
CITIES = ("Ulm", "St. John's", "Köln", "São Paulo", "s-Hertogenbosch", "Y", "Llanfairpwllgwyngyll", "A Coruña")
POSTCODES = ("00001", "SW1A 1AA", "sw1a1aa", "1011 AB", "D-10115", "100-0001", "K1A 0B1", "12345-6789")
EMOJI = ("🦔", "👩🏽\u200d🚒", "🇺🇳", "❤️", "🎁🎁🎁")
SCRIPTS = ("佐藤 花子", "Александр Пушкин", "محمد علي", "בנימין", "Παναγιώτης", "กานต์", "김민준")
PHONES = (
    "+1 218 555 0142 ext. 77",
    "(555) 555-5555 x12",
    "+44 20 7946 0018;ext=9",
    "0800 FLOWERS",
    "555",
    "+49 (0) 30 / 901820",
    "1-555-0100#42",
)
NO_PHONES = ("n/a", "none", "-", "00000000", "+", "call me")
EMAILS = (
    '"quill and co"@example.org',
    "mara+orders@example.org",
    "o'neil@example.ie",
    "jörg@bücher.example",
    "x@sub.sub.example.museum",
    "UPPER.CASE@EXAMPLE.COM",
)
NO_EMAILS = ("not given", "nobody@", "a b@example.org", "@example.org", "mara.example.org")
NOTES = (
    "Ring twice — the dog is 🐕 friendly",
    "line one\nline two\r\nline three",
    '<b>bold</b> & "quoted"',
    "=1+1",
    "  blanks around  ",
    "ב" * 60,
)
UNKNOWN: tuple[Any, ...] = (None, True, 7, "text", [], {}, [1, {"deep": [None]}], {"a": {"b": {"c": "d"}}}, 12345678901234567890, "")
UNKNOWN_NAMES = ("loyaltyTier", "x_custom", "newFieldOf2027", "giftWrapColour", "_internal", "carbonOffset")
NO_CURRENCIES = ("ABC", "QQQ", "BTC", "ZZZ", "EURO", "US$", "12", "XXX")
NO_COUNTRIES = ("QQ", "ZZ", "Atlantis", "Narnia", "Moonbase 1")
FORMS = {"KP": ("KP", "PRK"), "CU": ("CU", "CUB"), "IR": ("IR", "IRN")}


def _times(factor: int | str) -> Callable[[Any], Any]:
    """Return the amount times a factor, written as it was."""

    def change(value: Any) -> Any:
        if isinstance(value, int):
            return int(value * Decimal(factor))
        number = Decimal(str(value)) * Decimal(factor)
        return number if isinstance(value, Decimal) else format(number.quantize(Decimal(str(value))), "f")

    return change


def _more(minor: int) -> Callable[[Any], Any]:
    """Return the amount with some minor units more, written as it was: texts and decimals are in major units."""

    def change(value: Any) -> Any:
        if isinstance(value, int):
            return value + minor
        number = Decimal(str(value)) + Decimal(minor).scaleb(-2)
        return number if isinstance(value, Decimal) else format(number, "f")

    return change


def _total(to: Callable[[Any], Any]) -> Callable[[Open, random.Random], None]:
    """Return a change of the total, which a document may write as a text of minor units."""
    return lambda case, _: case.change("total", (lambda value: str(to(int(value)))) if "total_in_minor" in case.places else to)


def _like(value: Any, new: str) -> Any:
    """Return a number as the document writes that one: a text where it was a text."""
    if isinstance(value, str):
        return new
    return int(new) if new.lstrip("-").isdecimal() else Decimal(new)


def _written_like(new: str) -> Callable[[Any], Any]:
    return lambda value: _like(value, new)


def _choice(name: str, values: tuple[Any, ...]) -> Callable[[Open, random.Random], None]:
    return lambda case, chance: case.put(name, chance.choice(values))


def _reference(case: Open, chance: random.Random) -> None:
    case.put("reference", "PO-" + "".join(chance.choice("0123456789ABCDEF-/ ") for _ in range(41)) + "9")


def _item_name(case: Open, chance: random.Random) -> None:
    case.put("item_name", ("Lamp, oak, " * 24)[: chance.randint(100, 255)] + chance.choice(("", *EMOJI)))


def _unknown(case: Open, chance: random.Random) -> None:
    for place in chance.sample(case.places["extra"], k=chance.randint(1, len(case.places["extra"]))):
        document, at = case.of(place)
        document.add_unknown(at, chance.choice(UNKNOWN_NAMES), chance.choice(UNKNOWN))


def _address_moved(case: Open, chance: random.Random) -> None:
    for name, values in (("street", STREETS), ("city", CITIES), ("postal_code", POSTCODES)):
        if name in case.places:
            case.put(name, chance.choice(values))


def _country_lower(case: Open, _: random.Random) -> None:
    case.change("country", lambda value: str(value).lower())


def _blanks(case: Open, chance: random.Random) -> None:
    for name in ("name", "city", "street"):
        if name in case.places:
            case.change(name, lambda value: f"{' ' * chance.randint(1, 3)}{value or 'Ulm'} ")


def _reordered(case: Open, chance: random.Random) -> None:
    for number, document in enumerate(case.documents):
        if isinstance(document, JsonDocument):
            case.bodies[number] = document.shuffled(chance.shuffle, chance.choice(("\t", "  ", "\r\n")))


def _byte_order_mark(case: Open, _: random.Random) -> None:
    case.bodies[0] = b"\xef\xbb\xbf" + case.documents[0].body()


def _country(code: str) -> Callable[[Open, random.Random], None]:
    return lambda case, _: case.put("country", code)


def _cut(case: Open, chance: random.Random) -> None:
    body = case.documents[0].body()
    marks = case.places.get("cut")
    end = body.index(marks[0].encode()) if marks else int(len(body) * chance.uniform(0.2, 0.9))
    case.bodies[0] = body[:end]


def _twice(case: Open, _: random.Random) -> None:
    body = case.documents[0].body()
    case.bodies[0] = body.replace(b"{", b'{"twice":1,"twice":2,', 1)


def _no_number(name: bytes) -> Callable[[Open, random.Random], None]:
    def apply(case: Open, _: random.Random) -> None:
        case.put("price", "\x02")
        for number, document in enumerate(case.documents):
            case.bodies[number] = document.body().replace(b'"\\u0002"', name)

    return apply


def _nul(case: Open, _: random.Random) -> None:
    case.put("name", "Ma\0ra")
    case.bodies[0] = case.documents[0].body()


def _far(case: Open, chance: random.Random) -> None:
    def change(value: Any) -> Any:
        year = chance.randint(2110, 2900)
        if isinstance(value, int):
            return value + (year - 2026) * 31_556_952 * (1000 if value > 10**11 else 1)
        return str(value).replace("2026", str(year))

    case.change("placed_at", change)


def _files(channel: Mapping[str, Any]) -> list[str]:
    return list(channel["files"])


def _is_json(channel: Mapping[str, Any]) -> bool:
    return all(file.endswith(".json") for file in _files(channel))


def _needs_address(channel: Mapping[str, Any]) -> bool:
    return bool(channel["ships"]) and not channel["withheld"]


def _codes(channel: Mapping[str, Any]) -> bool:
    return bool(channel["country"] == "alpha2")


HARMLESS: tuple[Defect, ...] = (
    Defect("another_name", "accept", "parties", "a name is free text", ("name",), _choice("name", FIRST)),
    Defect("single_word_name", "accept", "parties", "people may have one name", ("name",), _choice("name", ("Cher", "Suharto", "O", "X Æ A-12"))),
    Defect("emoji_in_a_name", "accept", "parties", "a name is free text", ("name",), _choice("name", EMOJI)),
    Defect("another_script", "accept", "parties", "a name is free text in any script", ("name",), _choice("name", SCRIPTS)),
    Defect("another_address", "accept", "parties", "streets, towns and postcodes are free texts", ("city",), _address_moved),
    Defect("phone_with_extension", "accept", "parties", "a phone is free text; it may have an extension (RFC 3966, section 3)", ("phone",), _choice("phone", PHONES)),
    Defect("no_phone_number", "accept", "parties", "a phone is free text, and no part of what is fulfilled", ("phone",), _choice("phone", NO_PHONES)),
    Defect("no_phone", "accept", "parties", "the phone may be absent", ("phone",), _choice("phone", (None, ""))),
    Defect("rare_email", "accept", "parties", "it is an address by RFC 5322 or RFC 6531", ("email",), _choice("email", EMAILS)),
    Defect("no_email_address", "accept", "parties", "an e-mail is no part of what is fulfilled", ("email",), _choice("email", NO_EMAILS)),
    Defect("no_email", "accept", "parties", "the e-mail may be absent", ("email",), _choice("email", (None, ""))),
    Defect("no_second_line", "accept", "parties", "the second line is optional", ("second_line",), lambda case, _: case.remove("second_line")),
    Defect("empty_second_line", "accept", "parties", "the second line is optional", ("second_line",), _choice("second_line", ("", " ", "Apt 4", "c/o Quill"))),
    Defect("no_street", "accept", "parties", "a channel that withholds addresses may leave out the street", ("street",), lambda case, _: case.remove("street"), lambda channel: bool(channel["withheld"])),
    Defect("no_address_yet", "accept", "parties", "a channel that withholds addresses states them later", ("address",), lambda case, _: case.remove("address"), lambda channel: bool(channel["withheld"])),
    Defect("country_in_lower_case", "accept", "parties", "a code is the same country in either case", ("country",), _country_lower),
    Defect("blanks_around", "accept", "parties", "blanks around a text say nothing", ("city",), _blanks),
    Defect("long_reference", "accept", "identity", "a buyer's reference is the buyer's own text", ("reference",), _reference),
    Defect("note", "accept", "identity", "a note is free text", ("note",), _choice("note", NOTES)),
    Defect("long_item_name", "accept", "lines", "what an item is called is free text", ("item_name",), _item_name),
    Defect("rare_sku", "accept", "lines", "a sku is the seller's own text", ("sku",), _choice("sku", ("ß/ü 1", "a" * 64, "000", "🧦-M", "N/A"))),
    Defect("unknown_fields", "accept", "wire", "a reader passes over what it does not know", ("extra",), _unknown),
    Defect("total_a_cent_off", "accept", "money", "a difference of rounding stands beside the order as a row of its own", ("total",), lambda case, chance: _total(_more(chance.choice((-2, -1, 1, 2))))(case, chance)),
    Defect("keys_in_another_order", "accept", "wire", "an object's members have no order (RFC 8259, section 4)", (), _reordered, lambda channel: any(file.endswith(".json") for file in _files(channel))),
    Defect("byte_order_mark", "accept", "wire", "a reader may pass over a byte order mark (RFC 8259, section 8.1)", (), _byte_order_mark, _is_json),
    Defect("currency_left_out", "accept", "money", "where the currency is optional, the partners have agreed on one", ("currency",), lambda case, _: case.remove("currency"), lambda channel: bool(channel.get("currency_optional"))),
)  # fmt: skip
"""What must not stop an order: taken, at most with a warning."""

HOLDING: tuple[Defect, ...] = (
    Defect("total_far_off", "accept_with_hold", "money", "the total is the contract, and it is not what the lines come to", ("total",), lambda case, chance: _total(_times(chance.choice((2, 3, 10))))(case, chance)),
    Defect("no_such_currency", "accept_with_hold", "money", "the code is none of ISO 4217: nobody knows what is owed", ("currency",), _choice("currency", NO_CURRENCIES)),
    Defect("no_such_country", "accept_with_hold", "parties", "the country is none of ISO 3166-1: no carrier takes it as it stands", ("country",), _choice("country", NO_COUNTRIES)),
    Defect("sanctioned_country", "accept_with_hold", "parties", "lawful or not by who sells (15 CFR 746.2 and 746.7): a person has to say", ("country",), lambda case, chance: case.put("country", chance.choice(("CU", "IR"))), _codes),
    Defect("sanctioned_country_alpha3", "accept_with_hold", "parties", "lawful or not by who sells (15 CFR 746.2 and 746.7): a person has to say", ("country",), lambda case, chance: case.put("country", chance.choice(("CUB", "IRN"))), lambda channel: channel["country"] == "alpha3"),
    Defect("placed_in_the_far_future", "accept_with_hold", "times", "an order cannot have been placed after it arrived: its clock or its unit is wrong, and edit windows and rates hang on it", ("placed_at",), _far),
)  # fmt: skip
"""What a person has to look at before anything is fulfilled."""

FATAL: tuple[Defect, ...] = (
    Defect("no_lines", "quarantine", "lines", "nothing was ordered", ("lines",), lambda case, _: case.remove("lines")),
    Defect("nothing_of_anything", "quarantine", "lines", "each line is of zero units: nothing was ordered", ("quantities",), lambda case, _: case.change("quantities", _written_like("0"))),
    Defect("negative_quantity", "dead_letter", "lines", "nobody can be sent a negative number of units", ("quantity",), lambda case, chance: case.change("quantity", _written_like(str(-chance.randint(1, 9))))),
    Defect("quantity_no_number", "dead_letter", "lines", "a quantity is a number", ("quantity",), _choice("quantity", ("two", "1-2", "??", "1e99"))),
    Defect("part_of_a_piece", "quarantine", "lines", "what is counted in pieces cannot be divided", ("quantity",), lambda case, chance: case.change("quantity", _written_like(chance.choice(("1.5", "0.25", "2.75")))), lambda channel: bool(channel["counted"])),
    Defect("no_order_id", "dead_letter", "identity", "the order has no name of its own", ("order_id",), lambda case, _: case.put("order_id", "")),
    Defect("price_no_number", "dead_letter", "money", "a price is a number", ("price",), _choice("price", ("twelve", "12.30 each", "1..2", "FREE"))),
    Defect("price_not_finite", "dead_letter", "money", "JSON has no such number (RFC 8259, section 6)", ("price",), lambda case, chance: _no_number(chance.choice((b"NaN", b"Infinity", b"-Infinity")))(case, chance), _is_json),
    Defect("negative_total", "reject", "money", "a seller who pays for delivering is no order; it is a credit note", ("total",), _total(_times(-1))),
    Defect("embargoed_country", "reject", "parties", "UN Security Council resolutions 2270, 2375 and 2397: no supplier may deliver", ("country",), lambda case, _: case.put("country", "KP"), _codes),
    Defect("embargoed_country_alpha3", "reject", "parties", "UN Security Council resolutions 2270, 2375 and 2397: no supplier may deliver", ("country",), lambda case, _: case.put("country", "PRK"), lambda channel: channel["country"] == "alpha3"),
    Defect("no_address", "quarantine", "parties", "the goods travel, and nowhere is said where to", ("address",), lambda case, _: case.remove("address"), _needs_address),
    Defect("address_without_a_place", "quarantine", "parties", "the goods travel, and the address names neither street nor town nor postcode", ("street", "city", "postal_code", "address"), lambda case, _: case.remove("second_line", "street", "house", "city", "postal_code"), _needs_address),
    Defect("cut_off", "dead_letter", "wire", "the document ends before it is whole", (), _cut),
    Defect("key_twice", "dead_letter", "wire", "what a member that stands twice means is not defined (RFC 7493, section 2.3)", (), _twice, _is_json),
    Defect("nul_in_a_text", "dead_letter", "wire", "U+0000 is no character of a text that is kept", ("name",), _nul, _is_json),
)  # fmt: skip
"""What nobody may take: the order cannot be fulfilled, must not be, or is no document of the channel."""

TABLE = (*HARMLESS, *HOLDING, *FATAL)
