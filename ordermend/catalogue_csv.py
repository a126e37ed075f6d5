"""Catalogue and stock files: CSV text -> entries, or every problem with its line, column, rule and value.

Input:  UTF-8 with a header; columns by name, in any order; an empty cell is a column's default. Lists are divided by `|`.
Output: entries in the order of the file; the rows of one area and tax category become one entry, first tax first.
Fails:  `CatalogueFileInvalid`, one note a problem; nothing of such a file is used.
"""

import csv
import io
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from schemas.catalogue import Entry, PriceEntry, ProductEntry, Promotion, TaxRate, TaxRates, key_of
from schemas.failures import OrdermendError
from schemas.stock import StockEntry

Row = Entry | StockEntry
KINDS: Mapping[str, type[Row]] = {
    "products": ProductEntry, "promotions": Promotion, "prices": PriceEntry, "tax-rates": TaxRates, "stock": StockEntry,
}  # fmt: skip
_TAX_COLUMNS = ("country", "region", "category", "title", "rate", "compound")
_LISTS = ("skus", "categories", "substitutes")
_NUMBERS = ("buy", "get", "limit", "limit_per_order", "on_hand", "incoming")
_SWITCHES = ("exclusive", "active", "compound", "backorder")
_INSTANTS = ("starts_at", "ends_at", "incoming_at")


class CatalogueFileInvalid(OrdermendError):
    """The file is no catalogue file."""

    code = "catalogue_file_invalid"
    error_class = "SEMANTIC"


def columns_of(kind: str) -> tuple[str, ...]:
    """Return the columns a file of that kind may have."""
    return _TAX_COLUMNS if kind == "tax-rates" else tuple(name for name in KINDS[kind].model_fields if name != "version")


def read(content: bytes, kind: str, name: str) -> list[Row]:
    """Return the file's entries. Raises `CatalogueFileInvalid` with one note a problem."""
    try:
        table = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(table.line_num, cells) for cells in table if cells]
    except UnicodeDecodeError as error:
        raise CatalogueFileInvalid(f"{name} is not UTF-8 (byte {error.start})") from None
    except csv.Error as error:
        raise CatalogueFileInvalid(f"{name} is not CSV: {error}") from None
    problems: list[str] = []
    header = rows[0][1] if rows else []
    problems += [f"{name}:1: column {c[:40]!r}: rule known_column: kind {kind} has {', '.join(columns_of(kind))}" for c in header
                 if c not in columns_of(kind)]  # fmt: skip
    if len(set(header)) != len(header) or not header:
        problems.append(f"{name}:1: rule header: a first line that names each column once")
    entries = _entries(rows[1:], header, kind, name, problems) if not problems else []
    if problems:
        refused = CatalogueFileInvalid(f"{name}: {len(problems)} problems; nothing was loaded")
        for problem in problems:
            refused.add_note(problem)
        raise refused
    return entries


def _entries(rows: list[tuple[int, list[str]]], header: list[str], kind: str, name: str, problems: list[str]) -> list[Row]:
    found: dict[tuple[str, str], Row] = {}
    for number, values in _grouped(rows, header, kind, name, problems):
        try:
            entry = KINDS[kind].model_validate(values)
        except ValidationError as error:
            problems += [_said(fault, values, name, number) for fault in error.errors(include_url=False)]
            continue
        key = (entry.sku, entry.location) if isinstance(entry, StockEntry) else key_of(entry)
        if key in found:
            problems.append(f"{name}:{number}: rule once: {' '.join(key)} stands in the file already")
        found[key] = entry
    return list(found.values())


def _grouped(
    rows: list[tuple[int, list[str]]], header: list[str], kind: str, name: str, problems: list[str]
) -> list[tuple[int, dict[str, Any]]]:
    """Return (line, values) of each entry; the tax rows of one area and category together."""
    out: list[tuple[int, dict[str, Any]]] = []
    areas: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, cells in rows:
        if len(cells) != len(header):
            problems.append(f"{name}:{number}: rule cells: {len(cells)} cells under {len(header)} columns")
            continue
        try:
            values = {column: _value(column, cell.strip()) for column, cell in zip(header, cells, strict=True) if cell.strip()}
        except _BadCell as bad:
            problems.append(f"{name}:{number}: {bad}")
            continue
        if kind != "tax-rates":
            out.append((number, values))
            continue
        try:
            rate = TaxRate.model_validate({column: values[column] for column in ("title", "rate", "compound") if column in values})
        except ValidationError as error:
            problems += [_said(fault, values, name, number) for fault in error.errors(include_url=False)]
            continue
        area = {column: values[column] for column in ("country", "region", "category") if column in values}
        known = areas.get(tuple(area.items()))
        if known is None:
            known = areas[tuple(area.items())] = area | {"rates": ()}
            out.append((number, known))
        known["rates"] = (*known["rates"], rate)
    return out


class _BadCell(Exception):
    """A cell that is not of its column's type."""


def _value(column: str, cell: str) -> Any:
    if column in _LISTS:
        return tuple(part.strip() for part in cell.split("|"))
    if column in _NUMBERS:
        if not cell.isascii() or not cell.isdigit() or len(cell) > 10:
            raise _BadCell(f"column {column}: rule whole_number: value {cell[:40]!r}")
        return int(cell)
    if column in _SWITCHES:
        if cell not in ("yes", "no"):
            raise _BadCell(f"column {column}: rule yes_or_no: value {cell[:40]!r}")
        return cell == "yes"
    if column in _INSTANTS:
        try:
            return datetime.fromisoformat(cell)
        except ValueError:
            raise _BadCell(f"column {column}: rule instant: value {cell[:40]!r} is no ISO 8601 instant") from None
    return cell


def _said(fault: Any, values: Mapping[str, Any], name: str, number: int) -> str:
    column = str(fault["loc"][0] if fault["loc"] else fault.get("ctx", {}).get("column", "?"))
    value = f"value {str(values[column])[:40]!r}" if column in values else "no value"
    return f"{name}:{number}: column {column}: rule {fault['type']}: {value}: {fault['msg']}"
