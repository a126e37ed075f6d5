"""What an EDIFACT order costs beside its lines: allowances, charges and taxes -> rows of the draft.

Keeps:   an allowance or charge that states no amount is worked out from its percentage (PCD) or its rate a unit (RTE), and rounded once. A
         percentage is on the basis stated beside it (MOA+25), else on what the line or the order comes to after the allowances of earlier
         steps (ALC04): those of one step, and those that name none, are all on the same amount.
Fails:   NormalizationFailed naming segment number and element.
Source:  UN/EDIFACT D.96A to D.01B, segments ALC, MOA, PCD, RTE, TAX, code lists 1227, 5025, 5125, 5245, 7161; EANCOM 2002 guidelines;
         read 2026-11-29.
"""

from decimal import Decimal
from fractions import Fraction

from normalizers.amounts import decimal_in, rate_text
from normalizers.draft import Draft
from normalizers.edifact_reader import Reader
from normalizers.edifact_segments import Segment
from schemas.money import exponent_of, round_ratio

_SHIPPING = frozenset({"FC", "DL", "SH", "FI", "FA", "SAA", "AEP", "64"})


def groups_of(segments: list[Segment], tag: str, members: frozenset[str]) -> list[list[Segment]]:
    """Return each `tag` with the segments that follow it and belong to it."""
    found: list[list[Segment]] = []
    is_open = False
    for segment in segments:
        if segment.tag == tag:
            found.append([segment])
            is_open = True
        elif is_open and segment.tag in members:
            found[-1].append(segment)
        else:
            is_open = False
    return found


_OF_ALC = frozenset({"ALI", "DTM", "QTY", "RNG", "PCD", "MOA", "RTE", "TAX"})


_PERCENTAGES = frozenset({"1", "2", "3", "12"})
"""What a PCD of an ALC is a percentage of itself for (code list 5245): allowance, charge, either of them, discount."""


def allowances_in(
    reader: Reader, draft: Draft, segments: list[Segment], base: int | None, units: Fraction | None
) -> list[tuple[list[Segment], int]]:
    """Return each ALC group whose amount is stated or comes out of `base` (minor units) or `units`, and the amount: negative for an allowance."""
    groups = [group for group in groups_of(segments, "ALC", _OF_ALC) if group[0].at(1) in {"A", "C"}]
    amounts: dict[int, int] = {}
    for step in sorted({_step(group) for group in groups}):
        on = None if base is None else base + sum(amounts.values())
        told = {
            group[0].number: amount
            for group in groups
            if _step(group) == step and (amount := _amount(reader, draft, group, on, units)) is not None
        }
        amounts.update(told)
    return [(group, amounts[group[0].number]) for group in groups if group[0].number in amounts]


def _step(group: list[Segment]) -> int:
    """Return the step of the calculation an allowance or charge belongs to (ALC04); one that names none belongs to the first."""
    stated = group[0].at(4) or ""
    return int(stated) if stated.isdecimal() and len(stated) < 4 else 1


def _amount(reader: Reader, draft: Draft, group: list[Segment], base: int | None, units: Fraction | None) -> int | None:
    moas = {one.at(1): one for one in reversed(group) if one.tag == "MOA"}
    stated = reader.amount(draft, next((moas[code] for code in ("8", "23", "204", "131") if code in moas), None))
    if stated is None:
        on = reader.amount(draft, moas.get("25"))
        stated = _worked_out(reader, draft, group, base if on is None else on, units)
    return None if stated is None else -abs(stated) if group[0].at(1) == "A" else abs(stated)


def _worked_out(reader: Reader, draft: Draft, group: list[Segment], base: int | None, units: Fraction | None) -> int | None:
    """Return what a percentage of `base`, else a rate for `units`, comes to; null where neither is told."""
    percentage = next((one for one in group if one.tag == "PCD" and one.at(1) in _PERCENTAGES), None)
    rate = next((one for one in group if one.tag == "RTE"), None)
    exact = None
    if percentage is not None and base is not None:
        percent = _decimal(reader, percentage, 2)
        exact = None if percent is None else base * Fraction(percent) / 100
    elif rate is not None and units is not None:
        amount, basis = _decimal(reader, rate, 2), _decimal(reader, rate, 3)
        exact = None if amount is None else Fraction(amount) * units / Fraction(basis or 1) * 10 ** exponent_of(draft.currency)
    if exact is None:
        return None
    reader.report.note(
        group[0].path(1), "amount_worked_out", "the amount of an allowance or charge is worked out from its percentage or rate"
    )
    return round_ratio(exact.numerator, 1, exact.denominator, "half_up")


def _decimal(reader: Reader, segment: Segment, component: int) -> Decimal | None:
    key = f"{segment.tag}01.{component}"
    return decimal_in({key: reader.number(segment, 1, component)}, key, f"/{segment.number}")


def add_charges(reader: Reader, draft: Draft, segments: list[Segment], line_id: str | None, units: Fraction | None = None) -> None:
    """Add the allowances and charges of the order or of one line; one whose amount nobody can tell is noted and kept as stated."""
    base = draft.totals(None).grand_total_minor if line_id is None else draft.stated_left[line_id]
    told = allowances_in(reader, draft, segments, base, units)
    if len(told) < sum(one.tag == "ALC" for one in segments):
        reader.report.note("/ALC", "allowance_without_amount", "an allowance or charge without an amount is not counted")
    for group, amount in told:
        segment, name = group[0], f"{line_id or 'order'}:{group[0].number}"
        code, label = segment.at(5) or segment.at(2), segment.at(5, 4) or ""
        if amount < 0 or segment.at(1) == "A":
            draft.discount(f"discount:{name}", -amount, shares={line_id: -amount} if line_id else None, code=code, label=label)
        else:
            kind = "shipping" if code in _SHIPPING else "fee"
            shares = {line_id: amount} if line_id else None
            draft.charge("shipping" if kind == "shipping" else "fee", f"charge:{name}", amount, code=code, label=label, shares=shares)
        for one in group:
            if one.tag == "MOA" or one is segment:
                reader.use(one)


_OF_TAX = frozenset({"MOA", "LOC"})


def add_taxes(reader: Reader, draft: Draft, grand: int | None) -> int | None:
    """Add the taxes that are in the total and return what the message says the tax is; rates without amounts stay as stated."""
    rows: list[tuple[str, str | None, int, Segment, list[Segment]]] = []
    for segments, line_id in [
        *((loop, line.line_id) for loop, line in zip(reader.lines, draft.lines, strict=True)),
        ([*reader.header, *reader.tail], None),
    ]:
        for group in groups_of(segments, "TAX", _OF_TAX):
            moa = next((one for one in group if one.tag == "MOA" and one.at(1) in {"124", "150"}), None)
            amount = reader.amount(draft, moa)
            if amount is not None:
                rows.append((f"{line_id or 'order'}:{group[0].number}", line_id, amount, group[0], [one for one in group if one is moa]))
    of_order = [row for row in rows if row[1] is None]
    bare = reader.amount(draft, next((one for one in reader.tail if one.tag == "MOA" and one.at(1) in {"176", "150"}), None))
    stated = sum(row[2] for row in of_order) if of_order else bare if bare is not None else sum(row[2] for row in rows) if rows else None
    if stated is None:
        _rated(reader, draft, grand)
        return None
    if grand is not None and stated and grand == draft.totals(None).grand_total_minor:
        reader.report.note("/TAX", "tax_outside_total", "the stated tax is not in the order's total", stated)
        return stated
    used = [row for row in rows if row[1] is not None] if sum(row[2] for row in rows if row[1] is not None) == stated else of_order
    for name, line_id, amount, segment, moas in used:
        draft.tax(f"tax:{name}", amount, line_id=line_id, title=segment.at(2) or "", rate=rate_text(segment.at(5, 4), percent=True))
        for one in (segment, *moas):
            reader.use(one)
    if not used:
        draft.tax("tax:order", stated)
        reader.pick(reader.tail, "MOA", "176", "150")
    return stated


def _rated(reader: Reader, draft: Draft, grand: int | None) -> None:
    """Add what the total has beyond the rows as tax, line by line, where it is what the stated rates come to; else add nothing."""
    rest = 0 if grand is None else grand - draft.totals(None).grand_total_minor
    of_order = rate_of([*reader.header, *reader.tail])
    rates = [rate_of(loop) or of_order for loop in reader.lines]
    if rest <= 0 or not rates or None in rates:
        return
    amounts = [_taxed(draft.left[line.line_id], rate or "0") for line, rate in zip(draft.lines, rates, strict=True)]
    if abs(sum(amounts) - rest) > len(amounts):
        return
    amounts[0] += rest - sum(amounts)
    for line, rate, amount in zip(list(draft.lines), rates, amounts, strict=True):
        draft.tax(f"tax:{line.line_id}", amount, line_id=line.line_id, rate=rate)
    reader.report.note("/TAX", "tax_from_rates", "the total has the tax of the stated rates in it, which no amount states", rest)


def rate_of(segments: list[Segment]) -> str | None:
    """Return the rate that a TAX among the segments states, as a fraction."""
    found = next((one for one in segments if one.tag == "TAX" and one.at(5, 4)), None)
    return rate_text(found.at(5, 4), percent=True) if found else None


def _taxed(base: int, rate: str) -> int:
    exact = base * Fraction(Decimal(rate))
    return round_ratio(exact.numerator, 1, exact.denominator, "half_up")
