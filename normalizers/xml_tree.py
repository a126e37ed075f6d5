"""Bytes of an XML document -> a plain tree that remembers what was read, within bounds and without any outside reference.

Input:   one XML document; its encoding is the byte order mark's, else the declaration's, else UTF-8. A capture tool's JSON
         wrapping (`{"headers": …, "body": "<…"}`) is taken off.
Output:  `Node`s by local name: texts stripped, attributes, children in order. Reading a text or an attribute marks it, so that
         `unread` yields exactly what nobody asked for: what an order keeps in `extensions`.
Bounds:  5 MiB, depth 64, 150,000 elements, 256 attributes an element. Refused: a document type with an internal subset, any
         document type but the one the caller names, entities, XInclude, NUL, encodings that hide markup (UTF-7, UTF-32, EBCDIC …).
         The document type is cut out before libxml2 sees the text, as is the declaration: nothing is ever resolved or fetched.
Fails:   UndecodableMessage (no XML), LimitExceeded (a bound), UnsafeDocument (a refused construct); each names the place, the rule
         and the value.
Source:  XML 1.0 fifth edition, sections 2.8, 4.1, 4.3.3 and appendix F; Namespaces in XML 1.0; read 2026-11-24.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from lxml import etree

from normalizers.channel import Document
from normalizers.mime import unpacked
from normalizers.wire import MAX_BYTES, MAX_DEPTH, captured_text, json_text
from schemas.failures import LimitExceeded, UndecodableMessage, UnsafeDocument

MAX_ELEMENTS = 150_000
MAX_ATTRIBUTES = 256

_BOMS = (
    (codecs.BOM_UTF32_LE, None),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, None),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_BARE_UTF16 = ((b"<\0?\0", "utf-16-le"), (b"\0<\0?", "utf-16-be"))
_DECLARATION = re.compile(r"""<\?xml[ \t\r\n][^>]{0,200}?\?>""")
_ENCODING = re.compile(rb"""\sencoding\s*=\s*["']([A-Za-z0-9._:-]{1,40})["']""")
_ENCODINGS = frozenset(
    {
        "utf-8",
        "ascii",
        "cp1252",
        "cp1250",
        "cp1251",
        "cp1253",
        "cp1254",
        "cp1257",
        "koi8-r",
        "shift_jis",
        "euc_jp",
        "gb2312",
        "gbk",
        "gb18030",
        "big5",
    }
    | {f"iso8859-{part}" for part in (*range(1, 12), *range(13, 17))}
)
_MISC = re.compile(r"(?:[ \t\r\n]+|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_DOCTYPE = re.compile(
    r"""<!DOCTYPE\s+(?P<root>[\w:.-]{1,200})(?:\s+(?:SYSTEM|PUBLIC\s+(?:"[^"<>]{0,500}"|'[^'<>]{0,500}'))\s+(?P<system>"[^"<>]{0,500}"|'[^'<>]{0,500}'))?\s*>"""
)
_DTD = re.compile(r"(?:https?://[\w.:/%~+-]+/)?[\w.%-]+\.dtd")
_ATTRIBUTE = re.compile(r"""<|=[ \t\r\n]*["']""")
_XINCLUDE = ("http://www.w3.org/2001/XInclude", "http://www.w3.org/2003/XInclude")
_CHUNK = 65_536
_UNDECLARED = etree.ErrorTypes.ERR_UNDECLARED_ENTITY


class Node:
    """An element: local name, namespace, attributes by local name, its own text, its children, its number among its namesakes."""

    __slots__ = ("attributes", "children", "name", "number", "parent", "space", "text", "told", "was_read")

    def __init__(self, name: str, space: str, attributes: Mapping[str, str] | None, parent: "Node | None", number: int) -> None:
        self.name = name
        self.space = space
        self.attributes = attributes
        self.text = ""
        self.children: list[Node] | None = None
        self.parent = parent
        self.number = number
        self.was_read = False
        self.told: set[str] | None = None

    @property
    def path(self) -> str:
        """How a finding names it: `/Order/OrderLine[2]/LineItem/Quantity`."""
        parts = []
        node: Node | None = self
        while node is not None:
            parts.append(f"{node.name}[{node.number}]" if node.number > 1 else node.name)
            node = node.parent
        return "/" + "/".join(reversed(parts))

    def all(self, path: str) -> "list[Node]":
        """Return every element at `path` (local names joined by `/`) below this one."""
        found = [self]
        for name in path.split("/"):
            found = [child for node in found for child in node.children or () if child.name == name]
        return found

    def first(self, path: str) -> "Node | None":
        """Return the first element at `path`, or None."""
        node: Node | None = self
        for name in path.split("/"):
            node = next((child for child in node.children or () if child.name == name), None) if node is not None else None
        return node

    def read(self) -> str | None:
        """Return this element's text, or None where it is blank; it counts as read."""
        self.was_read = True
        return self.text or None

    def say(self, *paths: str) -> str | None:
        """Return the text of the first of `paths` that says something; it counts as read."""
        for path in paths:
            for node in self.all(path):
                if node.text:
                    return node.read()
        return None

    def attribute(self, name: str) -> str | None:
        """Return an attribute's text, or None where it is absent or blank; it counts as read."""
        if not self.attributes or name not in self.attributes:
            return None
        self.told = (self.told or set()) | {name}
        return self.attributes[name].strip() or None

    @property
    def place(self) -> tuple[str, str]:
        """Where it stands, as the readers of amounts take it: (path of the parent, own name)."""
        at, _, key = self.path.rpartition("/")
        return at, key


def unread(node: Node) -> dict[str, str]:
    """Return what nobody read in `node` and below, path -> JSON text; an element nobody looked into stands whole."""
    found: dict[str, str] = {}
    _leftover(node, found)
    return found


def _leftover(node: Node, found: dict[str, str]) -> None:
    if node.text and not node.was_read:
        found[node.path] = json_text(node.text)
    for name, value in (node.attributes or {}).items():
        if value and name not in (node.told or ()):
            found[f"{node.path}/@{name}"] = json_text(value)
    for child in node.children or ():
        if _touched(child):
            _leftover(child, found)
        elif (whole := _whole(child)) is not None:
            found[child.path] = json_text(whole)


def _touched(node: Node) -> bool:
    return node.was_read or node.told is not None or any(_touched(child) for child in node.children or ())


def _whole(node: Node) -> Any:
    """Return an element as plain values: its text, or an object of attributes (`@name`), text (`#text`) and children; None if empty."""
    found: dict[str, Any] = {f"@{name}": value for name, value in (node.attributes or {}).items() if value}
    for child in node.children or ():
        if (value := _whole(child)) is not None:
            found[child.name if child.number == 1 else f"{child.name}[{child.number}]"] = value
    if not found:
        return node.text or None
    return {**found, "#text": node.text} if node.text else found


def plain(node: Node) -> Any:
    """Return an element as a JSON reader would want it: a text, or an object in which what stands several times is a list."""
    if not node.children:
        return node.text
    found: dict[str, Any] = {}
    for child in node.children:
        found.setdefault(child.name, []).append(plain(child))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def read_document(document: Document, *, doctype: str | None = None) -> tuple[Node, Mapping[str, str]]:
    """Return the root and the headers of a document; `doctype` is the root whose bare document type is tolerated."""
    captured = captured_text(document)
    if captured is None:
        return read_xml(unpacked(document.body), doctype=doctype), document.headers
    text, headers = captured
    body = text.encode(errors="surrogatepass")
    part = unpacked(body)
    return read_text(text, doctype=doctype) if part is body else read_xml(part, doctype=doctype), headers


def read_xml(body: bytes, *, doctype: str | None = None) -> Node:
    """Read one XML document; see the module for bounds and failures."""
    if len(body) > MAX_BYTES:
        raise LimitExceeded(f"{len(body)} bytes are more than {MAX_BYTES}", field="", rule="max_bytes", value=str(len(body)))
    encoding, start = _encoding(body)
    try:
        text = body[start:].decode(encoding)
    except UnicodeDecodeError as error:
        raise UndecodableMessage(
            f"no {encoding} at byte {start + error.start}",
            field=f"@{start + error.start}",
            rule="encoding",
            value=body[start + error.start : start + error.start + 8].hex(),
        ) from None
    return read_text(text, doctype=doctype)


def read_text(text: str, *, doctype: str | None = None) -> Node:
    """Read an XML document that is decoded already; what its declaration says of the encoding no longer counts."""
    if "\0" in text:
        raise UnsafeDocument("a NUL in the document", field=f"@{text.index(chr(0))}", rule="nul")
    if text.count("<") > 2 * MAX_ELEMENTS + 100:
        raise LimitExceeded(f"more than {MAX_ELEMENTS} elements", field="", rule="max_elements")
    text = _without_prolog(text, doctype)
    _check_attributes(text)
    parser = etree.XMLParser(
        target=_Builder(),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        encoding="utf-8",
    )
    try:
        body = text.encode()
    except UnicodeEncodeError as error:
        raise UnsafeDocument("half a surrogate pair in the text", field=f"@{error.start}", rule="lone_surrogate") from None
    try:
        for begin in range(0, len(body), _CHUNK):
            parser.feed(body[begin : begin + _CHUNK])
        root = parser.close()
    except etree.XMLSyntaxError as error:
        _refuse(error)
    if not isinstance(root, Node):
        raise UndecodableMessage("no XML: there is no element", field="@0", rule="xml", value=text[:40])
    return root


def _refuse(error: etree.XMLSyntaxError) -> NoReturn:
    line, column = error.position
    where, message = f"@{line}:{column}", str(error.msg or "no XML")
    if error.code == _UNDECLARED:
        raise UnsafeDocument(f"an entity: {message}", field=where, rule="entity") from None
    raise UndecodableMessage(f"no XML: {message}", field=where, rule="xml") from None


def _encoding(body: bytes) -> tuple[str, int]:
    """Return (Python's name of the encoding, where the text begins)."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            if name is None:
                raise UnsafeDocument("UTF-32 is not read", field="@0", rule="encoding", value="utf-32")
            _agree(body, name, len(mark))
            return name, len(mark)
    for start, name in _BARE_UTF16:
        if body.startswith(start):
            _agree(body, name, 0)
            return name, 0
    if not body.strip():
        raise UndecodableMessage("no XML: the document is empty", field="@0", rule="xml")
    if not body.lstrip().startswith(b"<"):
        raise UndecodableMessage("no XML: it does not start with <", field="@0", rule="xml", value=body[:16].hex())
    stated = _ENCODING.search(body, 0, _end_of_declaration(body))
    if stated is None:
        return "utf-8", 0
    name = _known(stated[1].decode())
    if name.startswith("utf-16"):
        raise UnsafeDocument("declared as UTF-16, and is not", field="/?xml/@encoding", rule="encoding", value=stated[1].decode())
    return name, 0


def _end_of_declaration(body: bytes) -> int:
    return max(body.find(b"?>", 0, 400), 0) if body.lstrip().startswith(b"<?xml") else 0


def _agree(body: bytes, name: str, start: int) -> None:
    """Refuse a document whose mark and declaration name different families of encodings."""
    head = body[start : start + 400].decode(name, "ignore").encode("ascii", "ignore")
    stated = _ENCODING.search(head, 0, _end_of_declaration(head))
    if stated is not None and _known(stated[1].decode())[:5] != name[:5]:
        raise UnsafeDocument(
            f"declared as {stated[1].decode()}, and is {name}", field="/?xml/@encoding", rule="encoding", value=stated[1].decode()
        )


def _known(stated: str) -> str:
    try:
        name = codecs.lookup(stated).name
    except LookupError:
        name = ""
    if name.startswith("utf-16"):
        return "utf-16"
    if name not in _ENCODINGS:
        raise UnsafeDocument(f"the encoding {stated} is not read", field="/?xml/@encoding", rule="encoding", value=stated)
    return name


def _without_prolog(text: str, doctype: str | None) -> str:
    """Return the text from its first element on; the declaration, comments, and the one tolerated document type are cut off."""
    text = text.removeprefix("\ufeff").lstrip(" \t\r\n")
    declaration = _DECLARATION.match(text)
    start = declaration.end() if declaration else 0
    start = _misc(text, start)
    if text[start : start + 9].upper() == "<!DOCTYPE":
        found = _DOCTYPE.match(text, start)
        if found is None:
            raise UnsafeDocument(
                "a document type with declarations of its own", field=f"@{start}", rule="internal_subset", value=text[start : start + 80]
            )
        system = (found["system"] or '""')[1:-1]
        if found["root"] != doctype or (system and not _DTD.fullmatch(system)):
            raise UnsafeDocument(
                "a document type that is none of this channel", field=f"@{start}", rule="doctype", value=text[start : start + 80]
            )
        start = _misc(text, found.end())
    return text[start:]


def _misc(text: str, start: int) -> int:
    found = _MISC.match(text, start)
    return found.end() if found else start


def _check_attributes(text: str) -> None:
    count = 0
    for token in _ATTRIBUTE.finditer(text):
        count = 0 if token[0] == "<" else count + 1
        if count > MAX_ATTRIBUTES:
            raise LimitExceeded(f"more than {MAX_ATTRIBUTES} attributes", field=f"@{token.start()}", rule="max_attributes")


class _Builder:
    """Builds the nodes while libxml2 reads; it stops at the first thing out of bounds."""

    def __init__(self) -> None:
        self.stack: list[Node] = []
        self.root: Node | None = None
        self.elements = 0
        self.texts: list[list[str]] = []
        self.counts: list[dict[str, int]] = [{}]
        self.names: dict[str, tuple[str, str]] = {}

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        space, name = self.names.get(tag) or self.names.setdefault(tag, _split(tag))
        number = self.counts[-1][name] = self.counts[-1].get(name, 0) + 1
        parent = self.stack[-1] if self.stack else None
        self.elements += 1
        if self.elements > MAX_ELEMENTS:
            raise LimitExceeded(f"more than {MAX_ELEMENTS} elements", field=_shown(parent), rule="max_elements")
        if len(self.stack) >= MAX_DEPTH:
            raise LimitExceeded(f"nested deeper than {MAX_DEPTH}", field=_shown(parent), rule="max_depth")
        if space in _XINCLUDE:
            raise UnsafeDocument("XInclude asks for another document", field=_shown(parent), rule="xinclude", value=name)
        node = Node(name, space, {_split(key)[1]: value for key, value in attributes.items()} if attributes else None, parent, number)
        if parent is None:
            self.root = node
        elif parent.children is None:
            parent.children = [node]
        else:
            parent.children.append(node)
        self.stack.append(node)
        self.texts.append([])
        self.counts.append({})

    def data(self, data: str) -> None:
        self.texts[-1].append(data)

    def end(self, tag: str) -> None:
        del tag
        self.counts.pop()
        self.stack.pop().text = "".join(self.texts.pop()).strip()

    def comment(self, text: str) -> None:
        """A comment says nothing."""

    def pi(self, target: str, data: str | None) -> None:
        """A processing instruction is for somebody else."""

    def close(self) -> Node | None:
        return self.root


def _shown(node: Node | None) -> str:
    return "" if node is None else node.path[:200]


def _split(tag: str) -> tuple[str, str]:
    space, _, name = tag.removeprefix("{").rpartition("}")
    return space, name
