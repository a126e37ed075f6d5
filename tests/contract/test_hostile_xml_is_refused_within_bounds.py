"""XML made to read files, call out, grow without end or hide its markup is refused with a place and a class, in bounded time and memory.

Each vector goes through the UBL and the cXML channel. What must hold: an `OrdermendError` with a field, a rule and the class of the
refusal, or (for what is harmless once nothing is resolved) an order that has nothing in it from outside; never another exception.
"""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from normalizers import discover
from normalizers.channel import Document, Result, StatedOrder
from normalizers.xml_tree import MAX_ATTRIBUTES, MAX_ELEMENTS, read_xml
from schemas.failures import LimitExceeded, NormalizationFailed, OrdermendError, UndecodableMessage, UnsafeDocument

FIXTURES = Path(__file__).parents[1] / "fixtures" / "channels"
CHANNELS = {"ubl": "Order", "cxml": "cXML"}
XI = 'xmlns:xi="http://www.w3.org/2001/XInclude"'


def laughs(depth: int, width: int) -> str:
    rows = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * width}">' for i in range(1, depth))
    return f'<!ENTITY l0 "ha">{rows}'


VECTORS: dict[str, tuple[bytes, type[OrdermendError]]] = {
    "xxe_file": (b'<!DOCTYPE %r [<!ENTITY x SYSTEM "file:///etc/passwd">]><%r>&x;</%r>', UnsafeDocument),
    "xxe_http": (b'<!DOCTYPE %r [<!ENTITY x SYSTEM "http://127.0.0.1:9/x">]><%r>&x;</%r>', UnsafeDocument),
    "xxe_public": (b'<!DOCTYPE %r [<!ENTITY x PUBLIC "a" "file:///etc/passwd">]><%r>&x;</%r>', UnsafeDocument),
    "xxe_in_attribute": (b'<!DOCTYPE %r [<!ENTITY x "y">]><%r a="&x;"/>', UnsafeDocument),
    "xxe_after_declaration": (b'<?xml version="1.0"?><!DOCTYPE %r [<!ENTITY x "y">]><%r>&x;</%r>', UnsafeDocument),
    "xxe_after_comment": (b'<!-- a --><!DOCTYPE %r [<!ENTITY x "y">]><%r/>', UnsafeDocument),
    "xxe_after_instruction": (b'<?a b?><!DOCTYPE %r [<!ENTITY x "y">]><%r/>', UnsafeDocument),
    "parameter_entity": (b'<!DOCTYPE %r [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p.dtd"> %p;]><%r/>', UnsafeDocument),
    "parameter_entity_exfiltrates": (
        b'<!DOCTYPE %r [<!ENTITY % f SYSTEM "file:///etc/hostname"><!ENTITY % d SYSTEM "http://127.0.0.1:9/d"> %d;]><%r/>',
        UnsafeDocument,
    ),
    "unparsed_entity": (b'<!DOCTYPE %r [<!NOTATION n SYSTEM "x"><!ENTITY u SYSTEM "u" NDATA n>]><%r/>', UnsafeDocument),
    "internal_subset_with_dtd": (b'<!DOCTYPE %r SYSTEM "http://xml.cxml.org/cXML.dtd" [<!ENTITY x "y">]><%r/>', UnsafeDocument),
    "empty_internal_subset": (b"<!DOCTYPE %r []><%r/>", UnsafeDocument),
    "attribute_list": (b'<!DOCTYPE %r [<!ATTLIST %r orderID CDATA "forged">]><%r/>', UnsafeDocument),
    "element_declaration": (b"<!DOCTYPE %r [<!ELEMENT %r ANY>]><%r/>", UnsafeDocument),
    "billion_laughs": (b"<!DOCTYPE %r [" + laughs(10, 10).encode() + b"]><%r>&l9;</%r>", UnsafeDocument),
    "quadratic_blow_up": (b'<!DOCTYPE %r [<!ENTITY a "' + b"a" * 50_000 + b'">]><%r>' + b"&a;" * 50_000 + b"</%r>", UnsafeDocument),
    "recursive_entity": (b'<!DOCTYPE %r [<!ENTITY a "&b;"><!ENTITY b "&a;">]><%r>&a;</%r>', UnsafeDocument),
    "undeclared_entity": (b"<%r>&secret;</%r>", UnsafeDocument),
    "undeclared_entity_in_attribute": (b'<%r a="&secret;"/>', UnsafeDocument),
    "html_entity": (b"<%r>&nbsp;</%r>", UnsafeDocument),
    "dtd_of_a_file": (b'<!DOCTYPE %r SYSTEM "file:///etc/passwd"><%r/>', UnsafeDocument),
    "dtd_of_a_share": (b'<!DOCTYPE %r SYSTEM "\\\\127.0.0.1\\s\\x.dtd"><%r/>', UnsafeDocument),
    "dtd_by_ftp": (b'<!DOCTYPE %r SYSTEM "ftp://127.0.0.1/x.dtd"><%r/>', UnsafeDocument),
    "dtd_with_a_query": (b'<!DOCTYPE %r SYSTEM "http://127.0.0.1:9/x.dtd?leak"><%r/>', UnsafeDocument),
    "doctype_of_another_root": (b'<!DOCTYPE html SYSTEM "x.dtd"><%r/>', UnsafeDocument),
    "doctype_never_ends": (b"<!DOCTYPE %r [" + b" " * 100_000, UnsafeDocument),
    "doctype_lower_case": (b'<!doctype %r [<!ENTITY x "y">]><%r>&x;</%r>', UnsafeDocument),
    "doctype_twice": (b'<!DOCTYPE %r SYSTEM "a.dtd"><!DOCTYPE %r [<!ENTITY x "y">]><%r>&x;</%r>', OrdermendError),
    "doctype_inside": (b'<%r><!DOCTYPE %r [<!ENTITY x "y">]></%r>', UndecodableMessage),
    "xinclude_file": (f'<%r><xi:include {XI} href="file:///etc/passwd" parse="text"/></%r>'.encode(), UnsafeDocument),
    "xinclude_http": (f'<%r><xi:include {XI} href="http://127.0.0.1:9/"/></%r>'.encode(), UnsafeDocument),
    "xinclude_fallback": (f"<%r><xi:fallback {XI}/></%r>".encode(), UnsafeDocument),
    "xinclude_as_root": (f'<xi:include {XI} href="file:///etc/passwd"/>'.encode(), UnsafeDocument),
    "xinclude_2003": (b'<%r><i:include xmlns:i="http://www.w3.org/2003/XInclude" href="x"/></%r>', UnsafeDocument),
    "utf7_declared": (b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE %r +AFsAPA-', UnsafeDocument),
    "utf7_markup": (b"+ADw-%r+AD4-", UndecodableMessage),
    "utf32": ('<?xml version="1.0"?><%r/>'.encode("utf-32"), UnsafeDocument),
    "utf32_declared": (b'<?xml version="1.0" encoding="UTF-32"?><%r/>', UnsafeDocument),
    "utf16_hides_a_doctype": ('<!DOCTYPE %r [<!ENTITY x "y">]><%r>&x;</%r>'.encode("utf-16"), UnsafeDocument),
    "utf16_without_mark": ('<?xml version="1.0"?><!DOCTYPE %r [<!ENTITY x "y">]><%r/>'.encode("utf-16-be"), UnsafeDocument),
    "utf16_only_declared": (b'<?xml version="1.0" encoding="UTF-16"?><%r/>', UnsafeDocument),
    "utf16_declared_as_utf8": ('<?xml version="1.0" encoding="UTF-8"?><%r/>'.encode("utf-16"), UnsafeDocument),
    "utf8_mark_declared_as_latin1": (b'\xef\xbb\xbf<?xml version="1.0" encoding="ISO-8859-1"?><%r/>', UnsafeDocument),
    "ebcdic_declared": (b'<?xml version="1.0" encoding="cp037"?><%r/>', UnsafeDocument),
    "ebcdic": ('<?xml version="1.0"?><%r/>'.encode("cp037"), UndecodableMessage),
    "a_codec_that_is_no_charset": (b'<?xml version="1.0" encoding="unicode_escape"?><%r>\\x3c</%r>', UnsafeDocument),
    "a_codec_that_unpacks": (b'<?xml version="1.0" encoding="zlib"?><%r/>', UnsafeDocument),
    "no_such_encoding": (b'<?xml version="1.0" encoding="x-own"?><%r/>', UnsafeDocument),
    "overlong_utf8": (b"<%r>\xc0\xbc</%r>", UndecodableMessage),
    "surrogates_in_utf8": (b"<%r>\xed\xa0\x80</%r>", UndecodableMessage),
    "half_a_pair_in_utf16": ("<%r>".encode("utf-16") + b"\x00\xd8" + "</%r>".encode("utf-16-le"), UndecodableMessage),
    "nul": (b"<%r>\0</%r>", UnsafeDocument),
    "nul_by_reference": (b"<%r>&#0;</%r>", UndecodableMessage),
    "control_by_reference": (b"<%r>&#x1;</%r>", UndecodableMessage),
    "beyond_unicode": (b"<%r>&#x110000;</%r>", UndecodableMessage),
    "deep": (b"<%r>" + b"<a>" * 65 + b"</a>" * 65 + b"</%r>", LimitExceeded),
    "very_deep": (b"<%r>" + b"<a>" * 140_000, LimitExceeded),
    "wide": (b"<%r>" + b"<a/>" * (MAX_ELEMENTS + 1) + b"</%r>", LimitExceeded),
    "very_wide": (b"<%r>" + b"<a/>" * 1_000_000 + b"</%r>", LimitExceeded),
    "attributes": (b"<%r " + b" ".join(b'a%d=""' % i for i in range(MAX_ATTRIBUTES + 1)) + b"/>", LimitExceeded),
    "very_many_attributes": (b"<%r " + b" ".join(b"a%d=''" % i for i in range(300_000)) + b"/>", LimitExceeded),
    "namespaces": (b"<%r " + b" ".join(b'xmlns:a%d="u:%d"' % (i, i) for i in range(50_000)) + b"/>", LimitExceeded),
    "colliding_attributes": (b'<%r a="1" a="2"/>', UndecodableMessage),
    "long_name": (b"<%r><" + b"a" * 1_000_000 + b"/></%r>", UndecodableMessage),
    "too_large": (b"<%r>" + b"a" * (5 * 1024 * 1024) + b"</%r>", LimitExceeded),
    "endless_comment": (b"<!--" + b" " * 4_000_000, UndecodableMessage),
    "endless_instruction": (b"<?a " + b" " * 4_000_000, UndecodableMessage),
    "many_comments": (b"<!---->" * 700_000 + b"<%r/>", LimitExceeded),
    "endless_section": (b"<%r><![CDATA[" + b"]" * 4_000_000, UndecodableMessage),
    "endless_tag": (b"<%r " + b" " * 4_000_000, UndecodableMessage),
    "endless_value": (b'<%r a="' + b" " * 4_000_000, UndecodableMessage),
    "not_closed": (b"<%r><a></%r>", UndecodableMessage),
    "two_roots": (b"<%r/><%r/>", OrdermendError),
    "junk_before": (b"junk<%r/>", UndecodableMessage),
    "nothing": (b"", UndecodableMessage),
    "only_a_declaration": (b'<?xml version="1.0"?>', UndecodableMessage),
    "another_document": (b'<html xmlns="http://www.w3.org/1999/xhtml"/>', NormalizationFailed),
    "schema_as_root": (
        b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="file:///x"/></xs:schema>',
        NormalizationFailed,
    ),
    "stylesheet_as_root": (
        b'<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform"><x:include href="file:///x"/></x:stylesheet>',
        NormalizationFailed,
    ),
}


def vector(name: str, channel: str) -> bytes:
    body = VECTORS[name][0]
    if body[:2] in (b"\xff\xfe", b"\xfe\xff", b"\x00<", b"<\x00"):
        narrow = body[:2] not in (b"\xff\xfe", b"\xfe\xff")
        coding = "utf-16-be" if body[:2] == b"\x00<" else "utf-16-le" if narrow else "utf-16"
        try:
            return (
                body.decode("utf-32" if name == "utf32" else coding)
                .replace("%r", CHANNELS[channel])
                .encode("utf-32" if name == "utf32" else coding)
            )
        except UnicodeDecodeError:  # the vector is that it does not decode
            return body
    if name == "ebcdic":
        return body.decode("cp037").replace("%r", CHANNELS[channel]).encode("cp037")
    return body.replace(b"%r", CHANNELS[channel].encode())


def refusal(channel: str, body: bytes) -> OrdermendError | tuple[Result, ...]:
    try:
        return discover()[channel].normalize((Document(body),))
    except OrdermendError as error:
        return error


def test_there_are_enough_vectors() -> None:
    assert len(VECTORS) >= 40


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", VECTORS)
def test_a_hostile_document_is_refused_with_its_place_and_class(name: str, channel: str) -> None:
    found = refusal(channel, vector(name, channel))
    assert isinstance(found, VECTORS[name][1])
    assert found.field is not None
    assert found.rule
    assert found.error_class in {"SECURITY", "LIMIT", "DECODE", "SEMANTIC"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_all_of_them_together_stay_under_two_seconds_each_and_64_mib(channel: str) -> None:
    """Each vector in one fresh process: its processor time and the memory it adds are bounded by limits the system enforces."""
    program = textwrap.dedent(
        f"""
        import resource, sys
        sys.path.insert(0, {str(Path(__file__).parents[2])!r})
        from tests.contract.test_hostile_xml_is_refused_within_bounds import VECTORS, refusal, vector
        bodies = {{name: vector(name, {channel!r}) for name in VECTORS}}
        refusal({channel!r}, b"<a/>")
        for name in VECTORS:
            start, before = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            refusal({channel!r}, bodies[name])
            end = resource.getrusage(resource.RUSAGE_SELF)
            print(name, end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime, (end.ru_maxrss - before) // 1024)
        """
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    measured = [line.split() for line in run.stdout.splitlines()]
    assert len(measured) == len(VECTORS)
    assert [row for row in measured if float(row[1]) >= 2 or int(row[2]) >= 64] == []


HARMLESS = {
    "stylesheet": '<?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?>',
    "php": "<?php system('id') ?>",
    "comment": "<!-- <!DOCTYPE a [<!ENTITY x 'y'>]> -->",
}


@pytest.mark.parametrize("name", HARMLESS)
@pytest.mark.parametrize(("channel", "case"), [("ubl", "freight_rates"), ("cxml", "new_taxed")])
def test_what_is_harmless_once_nothing_is_resolved_is_read(name: str, channel: str, case: str) -> None:
    body = (FIXTURES / channel / f"{case}.raw.xml").read_bytes()
    end = body.index(b"?>") + 2
    (want,) = discover()[channel].normalize((Document(body),))
    (found,) = discover()[channel].normalize((Document(body[:end] + HARMLESS[name].encode() + body[end:]),))
    assert want == found


def test_a_schema_location_is_kept_and_never_followed() -> None:
    body = (FIXTURES / "ubl" / "freight_rates.raw.xml").read_bytes()
    hint = b'<o:Order xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="u http://127.0.0.1:9/x.xsd" '
    (found,) = discover()["ubl"].normalize((Document(body.replace(b"<o:Order ", hint, 1)),))
    assert isinstance(found, StatedOrder)
    assert '"u http://127.0.0.1:9/x.xsd"' == found.order.extensions["/StandardBusinessDocument/Order/@schemaLocation"]


@pytest.mark.parametrize(
    "system", ["http://xml.cXML.org/schemas/cXML/1.2.014/cXML.dtd", "cXML.dtd", "https://xml.cxml.org/schemas/cXML/1.2.060/Fulfill.dtd"]
)
def test_the_document_type_of_cxml_is_tolerated_and_never_resolved(system: str) -> None:
    assert "cXML" == read_xml(f'<!DOCTYPE cXML SYSTEM "{system}"><cXML/>'.encode(), doctype="cXML").name


@pytest.mark.parametrize(
    ("coding", "declared"),
    [("iso-8859-1", "ISO-8859-1"), ("cp1252", "windows-1252"), ("utf-16", "UTF-16"), ("utf-8", "utf-8"), ("shift_jis", "Shift_JIS")],
)
def test_a_declared_encoding_is_honoured(coding: str, declared: str) -> None:
    word = "ポスト" if coding == "shift_jis" else "Größe"
    body = f'<?xml version="1.0" encoding="{declared}"?><a>{word}</a>'.encode(coding)
    assert word == read_xml(body).text


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/*.raw.xml")), ids=lambda path: f"{path.parent.name}-{path.name}")
def test_a_wrong_text_anywhere_is_read_or_refused_and_nothing_else(path: Path) -> None:
    channel, body = path.parent.name, path.read_bytes()
    pieces, outcomes = body.split(b">"), set()
    for index in range(1, len(pieces)):
        text, mark, rest = pieces[index].partition(b"<")
        for wrong in (
            (b"", b"x", b"-1", b"0", b"9" * 40, b"1e9", b"1.2345678901234", b"2026-13-45", b"&amp;", b"<b/>", b"<", b"NaN")
            if text.strip()
            else ()
        ):
            outcomes.add(
                isinstance(refusal(channel, b">".join([*pieces[:index], wrong + mark + rest, *pieces[index + 1 :]])), OrdermendError)
            )
    assert not outcomes or isinstance(refusal(channel, body), OrdermendError) in outcomes, "what is harmless changes nothing"
    for end in range(0, len(body) - 41, 41):
        assert isinstance(refusal(channel, body[:end]), OrdermendError), "no document ends before its end"
