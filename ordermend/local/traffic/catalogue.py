"""The invented world: products, people, streets and towns. Nothing in it belongs to anybody.

Phone numbers come from the ranges that regulators keep free for fiction (Ofcom 020 7946 0xxx, Bundesnetzagentur
030 23125 xxx, ARCEP 01 99 00 xx xx, NANPA 555-01xx, read 2026-11-23), mail addresses from RFC 2606. Postal codes
have the form and the region's prefix of real ones; towns and streets do not exist.
"""

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Product:
    """Something for sale. Price in euro cents, weight in grams."""

    number: int
    sku: str
    title: str
    eur_cents: int
    grams: int
    ean: str
    prices: dict[str, int] = field(compare=False)
    """Minor units by currency."""


@dataclass(frozen=True, slots=True)
class Town:
    """A place to deliver to; postal codes start with `postal_prefix`, US phones with `area`."""

    name: str
    region: str
    region_code: str
    postal_prefix: str
    area: str = ""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets it, and where."""

    first_name: str
    last_name: str
    company: str | None
    street: str
    extra: str | None
    town: Town
    postal_code: str
    country: str
    phone: str | None
    email: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


LOCALES = {"GB": "en-GB", "DE": "de", "FR": "fr", "US": "en", "JP": "ja"}
COUNTRY_NAMES = {"GB": "United Kingdom", "DE": "Germany", "FR": "France", "US": "United States", "JP": "Japan"}

_GOODS = """
TRL-TENT-2P|Fjordlys Trekking Tent, 2 Person|18990|2350
TRL-TENT-4P|Fjordlys Trekking Tent, 4 Person|27990|4100
TRL-MAT-REG|Wolkenmoos Sleeping Mat|6495|640
TRL-BAG-DN5|Kaltfeder Down Sleeping Bag -5 °C|21950|980
TRL-STOVE-S|Glimmer Camp Stove|4290|310
TRL-POT-12|Titanium Pot 1.2 l with Lid|3795|165
TRL-CUP-SET|Emaillebecher „Waldrand“, Set of 2|1890|260
TRL-LAMP-H|Lumenora Head Torch 400 lm|3450|88
TRL-FLSK-1L|Eisvogel Vacuum Flask 1.0 l|2990|520
TRL-PACK-38|Gratwanderer Backpack 38 l|12900|1180
TRL-PACK-60|Gratwanderer Backpack 60 l|16900|1720
TRL-POLE-CF|Carbon Walking Poles, pair|8995|410
APP-TEE-S|T-Shirt „Möwe“ Organic Cotton, S|2495|150
APP-TEE-M|T-Shirt „Möwe“ Organic Cotton, M|2495|160
APP-TEE-L|T-Shirt „Möwe“ Organic Cotton, L|2495|170
APP-HOOD-M|Hoodie Brume, Slate Grey, M|5990|540
APP-HOOD-L|Hoodie Brume, Slate Grey, L|5990|570
APP-SOCK-3|Merino Socks, 3 pairs|2195|180
APP-BEANI|Bonnet côtelé «Névé»|1995|75
APP-GLOVE-M|Touchscreen Gloves, M|2290|70
APP-RAIN-M|Rain Jacket Tideline, M|11990|430
APP-RAIN-L|Rain Jacket Tideline, L|11990|455
APP-SCARF|Écharpe en laine mérinos|3950|210
APP-BELT-95|Leather Belt, 95 cm|3490|240
HOM-MUG-BL|Stoneware Mug, Midnight Blue|1450|380
HOM-MUG-OC|Stoneware Mug, Ochre|1450|380
HOM-PLT-4|Dinner Plates, Set of 4|4990|2900
HOM-BOWL-4|Schälchen-Set „Kiesel“, 4 Stück|2790|1200
HOM-KNIFE-20|Chef's Knife 20 cm|7990|230
HOM-BOARD|Planche à découper en hêtre|2650|950
HOM-KETL|Pour-Over Kettle 0.9 l|4595|740
HOM-FILT-100|Coffee Filters No. 4, 100 pcs|495|120
HOM-CNDL-CD|Scented Candle, Cedar & Salt|2290|410
HOM-CNDL-FG|Bougie parfumée, figue|2290|410
HOM-BLNKT|Wool Blanket Haldane, 140 x 200 cm|8990|1500
HOM-TWL-2|Bath Towels, Set of 2|3295|1100
HOM-LAMP-TB|Table Lamp Pilz|6990|1650
HOM-CLOCK|Wall Clock Quiet Hour|3890|620
TOY-BLK-80|Wooden Blocks, 80 pieces|2990|1900
TOY-PUZ-1K|Puzzle „Blaue Stunde“, 1000 Teile|1795|760
TOY-KITE|Delta Kite, Coral|2450|290
TOY-BEAR|Knitted Bear Ólafur|2690|260
TOY-CARDS|Family Card Game Murmel & Co.|1290|190
TOY-TRAIN|Wooden Train Set, 24 pieces|3490|1400
OFC-NOTE-A5|Notebook A5, dotted|1190|310
OFC-NOTE-A4|Notebook A4, ruled|1590|560
OFC-PEN-3|Gel Pens, 3 pcs|745|45
OFC-INK-BK|Encre noire «Sépia nuit», 30 ml|1095|130
OFC-LAMP|Desk Lamp Arc|5490|1300
OFC-MAT-LG|Felt Desk Mat, large|2995|480
TEC-CBL-1M|USB-C Cable 1 m, braided|1299|40
TEC-CBL-2M|USB-C Cable 2 m, braided|1599|65
TEC-CHG-65|Wall Charger 65 W|3999|140
TEC-HUB-7|USB-C Hub, 7 ports|4999|110
TEC-SPK-MN|Mini Speaker Knopf|3495|280
TEC-STND|Aluminium Laptop Stand|3990|900
GRD-SEED-WF|Wildflower Seed Mix „Hummelwiese“|695|60
GRD-POT-L|Terracotta Pot, large|2190|3100
GRD-SNIP|Bypass Secateurs|2850|260
GRD-GLOV|Gardening Gloves, M|1195|110
GRD-CAN-5|Arrosoir zingué 5 l|3290|1250
FOD-TEA-SEN|Sencha „Grüner Hang“, 100 g|990|130
FOD-COF-1K|Espresso Beans Nocturne, 1 kg|2190|1020
FOD-HNY-500|Forest Honey, 500 g|1090|760
"""


def prices_of(eur_cents: int) -> dict[str, int]:
    """Return what something costs in each currency, in minor units."""
    return {
        "EUR": eur_cents,
        "GBP": eur_cents * 86 // 100,
        "USD": eur_cents * 108 // 100,
        "JPY": eur_cents * 16 // 100 * 10,
    }


def _ean(number: int) -> str:
    """Return a 13-digit article number from GS1's in-store range (prefix 20), check digit included."""
    body = f"20{number * 7919 % 10**10:010d}"
    odd, even = sum(map(int, body[::2])), sum(map(int, body[1::2]))
    return f"{body}{-(odd + 3 * even) % 10}"


def _product(number: int, row: str) -> Product:
    sku, title, cents, grams = row.split("|")
    return Product(number, sku, title, int(cents), int(grams), _ean(number), prices_of(int(cents)))


PRODUCTS: tuple[Product, ...] = tuple(_product(number, row) for number, row in enumerate(_GOODS.strip().splitlines()))

TOWNS: dict[str, tuple[Town, ...]] = {
    "GB": (
        Town("Ashcombe Vale", "Somerset", "SOM", "BA"),
        Town("Netherwick", "West Yorkshire", "WYK", "LS"),
        Town("Port Ellery", "Kent", "KEN", "CT"),
        Town("Stourbeck", "Greater Manchester", "GTM", "OL"),
        Town("Llanfair-y-Môr", "Gwynedd", "GWN", "LL"),
    ),
    "DE": (
        Town("Niederfelsau", "Bayern", "BY", "80"),
        Town("Möhringsdorf", "Baden-Württemberg", "BW", "70"),
        Town("Altenkrüp", "Niedersachsen", "NI", "30"),
        Town("Großlüderitz", "Sachsen", "SN", "01"),
        Town("Köppenrade", "Schleswig-Holstein", "SH", "24"),
    ),
    "FR": (
        Town("Saint-Aubry-sur-Loue", "Bourgogne-Franche-Comté", "BFC", "25"),
        Town("Châtelneuf-les-Épines", "Auvergne-Rhône-Alpes", "ARA", "69"),
        Town("Ploërzec", "Bretagne", "BRE", "29"),
        Town("L'Haÿe-du-Bois", "Île-de-France", "IDF", "77"),
    ),
    "US": (
        Town("Cedar Hollow", "California", "CA", "945", "510"),
        Town("Marrow Creek", "New York", "NY", "125", "914"),
        Town("Dry Fork Junction", "Texas", "TX", "787", "512"),
        Town("Harbor Glen", "Washington", "WA", "982", "206"),
        Town("Prairie Lantern", "Illinois", "IL", "606", "312"),
        Town("Fern Gully Falls", "Oregon", "OR", "973", "503"),
    ),
    "JP": (
        Town("青葉坂市", "Tōkyō", "JP-13", "150"),
        Town("白波町", "Kanagawa", "JP-14", "231"),
        Town("霧ヶ原市", "Hokkaidō", "JP-01", "060"),
    ),
}

_FIRST: dict[str, tuple[tuple[str, str], ...]] = {
    "GB": (("Imogen", "imogen"), ("Callum", "callum"), ("Siân", "sian"), ("Rafe", "rafe"), ("Zoë", "zoe"), ("Alistair", "alistair")),
    "DE": (
        ("Jürgen", "juergen"),
        ("Käthe", "kaethe"),
        ("Malte", "malte"),
        ("Sönke", "soenke"),
        ("Annegret", "annegret"),
        ("Jörn", "joern"),
    ),
    "FR": (("Élodie", "elodie"), ("Maëlys", "maelys"), ("Gaspard", "gaspard"), ("Anaïs", "anais"), ("Loïc", "loic"), ("Théophile", "theo")),
    "US": (
        ("Dakota", "dakota"),
        ("Renée", "renee"),
        ("Marcus", "marcus"),
        ("Joaquín", "joaquin"),
        ("Tamsin", "tamsin"),
        ("Odell", "odell"),
    ),
    "JP": (("悠斗", "yuto"), ("美咲", "misaki"), ("蓮", "ren"), ("陽菜", "hina")),
}
_LAST: dict[str, tuple[tuple[str, str], ...]] = {
    "GB": (
        ("Thistlewood", "thistlewood"),
        ("Oakhanger", "oakhanger"),
        ("Penhallow", "penhallow"),
        ("O'Dray", "odray"),
        ("Fennimore", "fennimore"),
    ),
    "DE": (
        ("Grünbrück", "gruenbrueck"),
        ("Weißhöfer", "weisshoefer"),
        ("Tannwälder", "tannwaelder"),
        ("Kröplin-Maas", "kroeplin"),
        ("Söhlgen", "soehlgen"),
    ),
    "FR": (
        ("Châtaignon", "chataignon"),
        ("Lefèvre-Maillot", "lefevre"),
        ("Brûlois", "brulois"),
        ("d'Aubrécy", "daubrecy"),
        ("Garçonnet", "garconnet"),
    ),
    "US": (
        ("Hollowell", "hollowell"),
        ("Peñaverde", "penaverde"),
        ("Strandberg", "strandberg"),
        ("McAlder", "mcalder"),
        ("Whitlow", "whitlow"),
    ),
    "JP": (("霧島谷", "kirishimadani"), ("白石原", "shiraishihara"), ("橘川", "tachibanagawa")),
}
_STREETS: dict[str, tuple[str, ...]] = {
    "GB": ("Larkspur Lane", "Old Ropewalk", "Quarry Bank Rise", "Saltmarsh Road", "Weaver's Green"),
    "DE": ("Mühlgrabenweg", "Straße der Weißdornen", "Lerchenbühl", "Am Kröpelsee", "Röthenbacher Gasse"),
    "FR": ("rue de l'Étang Gelé", "allée des Aubépines", "chemin du Vieux Châtaignier", "impasse Noé"),
    "US": ("Wren Hollow Drive", "Old Granary Road", "Juniper Flats Boulevard", "Copper Kettle Court"),
    "JP": ("若葉台", "月見ヶ丘", "桜木通り"),
}
_COMPANIES = ("Larkfield Studio", "Brücke & Söhne", "Atelier Névé", "Quiet Harbor Co.", "Fennwerk")
_EXTRAS: dict[str, tuple[str, ...]] = {
    "GB": ("Flat 3", "Unit 7B", "The Coach House"),
    "DE": ("Hinterhaus", "3. OG links", "c/o Weißhöfer"),
    "FR": ("Bât. C", "Appt 12", "2e étage"),
    "US": ("Apt 4B", "Suite 210", "Unit 9"),
    "JP": ("305号室",),
}
_GB_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"


def recipient(rng: random.Random, country: str) -> Recipient:
    """Invent somebody who lives in `country`."""
    pick, roll = rng.choice, rng.random
    first, first_slug = pick(_FIRST[country])
    last, last_slug = pick(_LAST[country])
    town = pick(TOWNS[country])
    draw = int(roll() * 100_000)
    return Recipient(
        first_name=first,
        last_name=last,
        company=pick(_COMPANIES) if roll() < 0.12 else None,
        street=_street(country, pick(_STREETS[country]), 1 + draw % 180),
        extra=pick(_EXTRAS[country]) if roll() < 0.25 else None,
        town=town,
        postal_code=_postal_code(country, town.postal_prefix, draw),
        country=country,
        phone=phone(country, town.area, draw),
        email=f"{first_slug}.{last_slug}{draw % 97}@example.{('com', 'org', 'net')[draw % 3]}",
    )


def phone(country: str, area: str, draw: int) -> str | None:
    """Return a number kept free for fiction, or None where the country has no such range."""
    if country == "GB":
        return f"+44 20 7946 0{draw % 1000:03d}"
    if country == "DE":
        return f"+49 30 23125 {draw % 1000:03d}"
    if country == "FR":
        return f"+33 1 99 00 {draw % 100:02d} {draw // 100 % 100:02d}"
    if country == "US":
        return f"+1 {area} 555 01{draw % 100:02d}"
    return None


def another_phone(rng: random.Random, country: str) -> str | None:
    """Return some other number of the country, or None."""
    return phone(country, "206", rng.randrange(10_000))


def _street(country: str, street: str, number: int) -> str:
    if country == "DE":
        return f"{street} {number}"
    return f"{street}{number % 5 + 1}-{number % 20 + 1}" if country == "JP" else f"{number} {street}"


def _postal_code(country: str, prefix: str, draw: int) -> str:
    if country == "GB":
        return f"{prefix}{1 + draw % 9} {draw // 9 % 10}{_GB_LETTERS[draw % 20]}{_GB_LETTERS[draw // 20 % 20]}"
    if country == "JP":
        return f"{prefix}-{draw % 10_000:04d}"
    digits = 5 - len(prefix)
    return f"{prefix}{draw % 10**digits:0{digits}d}"
