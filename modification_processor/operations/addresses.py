"""Addresses: what an author gives, the countries we know, the form for comparing, and what an address must have.

Source: ISO 3166-1 alpha-2 as in pycountry 24.6, read 2026-11-23; XK (Kosovo, user-assigned) because channels send it.
"""

from collections.abc import Iterable

from modification_processor.operations.operation import OperationRefused
from modification_processor.operations.texts import optional, required
from schemas.model import Model
from schemas.order import Address

MAX_LINES = 10

_CODES = """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH
    CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN
    GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI
    LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM
    PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD
    TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
    XK
"""

COUNTRIES = frozenset(_CODES.split())
"""Every alpha-2 code an address may name."""


class WholeAddress(Model):
    """An address as it shall be; what is not given is empty afterwards. `country` is ISO 3166-1 alpha-2."""

    name: str | None = None
    company: str | None = None
    lines: tuple[str, ...]
    city: str
    region: str | None = None
    postal_code: str | None = None
    country: str
    phone: str | None = None


def former_address(old: Address | None, path: str) -> WholeAddress | None:
    """Return what sets `old` back; None where there was none, or one that we would refuse."""
    if old is None or old.city is None or old.country is None:
        return None
    try:
        checked_address(old, path)
    except OperationRefused:
        return None
    return WholeAddress(**{name: getattr(old, name) for name in WholeAddress.model_fields})


def normalized_address(lines: Iterable[str], postal_code: str | None, country: str | None) -> str:
    """Return the form for comparing and finding: the letters and digits of all three, casefolded."""
    text = "".join((*lines, postal_code or "", country or "")).casefold()
    return "".join(character for character in text if character.isalnum())


def checked_address(address: Address, path: str) -> Address:
    """Return the address with blank parts dropped and `normalized` set, or refuse what cannot be sent to."""
    lines = _checked_lines(address.lines, path)
    postal_code = optional(address.postal_code, f"{path}/postal_code")
    country = _checked_country(address.country, f"{path}/country")
    return Address(
        name=optional(address.name, f"{path}/name"),
        company=optional(address.company, f"{path}/company"),
        lines=lines,
        city=required(address.city, f"{path}/city"),
        region=optional(address.region, f"{path}/region"),
        postal_code=postal_code,
        country=country,
        phone=optional(address.phone, f"{path}/phone"),
        normalized=normalized_address(lines, postal_code, country),
    )


def _checked_lines(lines: tuple[str, ...], path: str) -> tuple[str, ...]:
    if len(lines) > MAX_LINES:
        raise OperationRefused("too_many_lines", f"{len(lines)} address lines; at most {MAX_LINES} fit", field=f"{path}/lines")
    kept = tuple(text for index, line in enumerate(lines) if (text := optional(line, f"{path}/lines/{index}")) is not None)
    if not kept:
        raise OperationRefused("text_missing", "an address needs at least one line", field=f"{path}/lines")
    return kept


def _checked_country(country: str | None, path: str) -> str:
    code = required(country, path)
    if code not in COUNTRIES:
        raise OperationRefused("unknown_country", f"{path} is no ISO 3166-1 alpha-2 code", field=path, value=code)
    return code
