"""The fields of the edit form on the page: drawn once, then followed. A field that changes its mode changes in place.

A part that is folded has no fields on the page before somebody opens it.

What was typed and what has the focus stay where they are: elements are updated, hidden or added, never drawn anew.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from nicegui import ui

from console.form import ON, Field, Section

Typed = Callable[[Field, str], Awaitable[None]]
TYPING_MS: Final = 50
"""How long a pause in typing is waited for before what was typed is looked at: shorter than one between two keys of a person in flow."""


@dataclass
class _Drawn:
    """A field on the page. `offers` are the choices below a text that is being typed."""

    field: Field
    element: Any
    says: Any
    offers: Any = None


class Fields:
    """The fields of one form. `typed` is told of every change that a person makes."""

    def __init__(self, typed: Typed) -> None:
        self._typed = typed
        self._drawn: dict[str, _Drawn] = {}
        self._boxes: dict[tuple[str, str], Any] = {}
        self._parts: dict[str, Any] = {}
        self._folded: dict[str, Section] = {}
        self._quiet = False

    def draw(self, box: Any, sections: Sequence[Section]) -> None:
        """Draw the form into an element, anew."""
        box.clear()
        self._box = box
        self._drawn, self._boxes, self._parts, self._folded = {}, {}, {}, {}
        with box:
            links = ui.html("").classes("om-jump")
        for section in sections:
            self._part(section)
            if section.folded:
                self._folded[section.title] = section
            else:
                self._fill(section)
        places = "".join(f'<a href="#{self._parts[section.title].html_id}">{escape(section.title)}</a>' for section in sections)
        links.content = f'<nav aria-label="Parts of the form">{places}</nav>'
        first = next((drawn for drawn in self._drawn.values() if drawn.field.enabled), None)
        if first is not None:
            first.element.props("autofocus")

    def _fill(self, section: Section) -> None:
        for field in section.fields:
            self._add(section, field)

    def _unfold(self, title: str) -> None:
        """Draw the fields of a part that is opened for the first time."""
        section = self._folded.pop(title, None)
        if section is not None:
            self._fill(section)

    def begin(self, sections: Sequence[Section]) -> None:
        """Show the form as it is now, with nothing typed and nothing remarked."""
        self.follow(sections, ())
        for key, drawn in self._drawn.items():
            self.put(key, drawn.field.value)
            self.remark(key, "")
            self.offer(key, ())

    def follow(self, sections: Sequence[Section], kept: Iterable[str]) -> None:
        """Show the form as it is now. The texts of `kept` stay as they were typed."""
        self._folded = {section.title: section for section in sections if section.title in self._folded}
        now = {field.key: (section, field) for section in sections if section.title not in self._folded for field in section.fields}
        stay = set(kept)
        for key, drawn in self._drawn.items():
            drawn.element.set_visibility(key in now)
            drawn.says.set_visibility(key in now and bool(now[key][1].hint) and drawn.field.kind == "switch")
        for key, (section, field) in now.items():
            if key not in self._drawn:
                self._add(section, field)
                continue
            drawn = self._drawn[key]
            before, drawn.field = drawn.field, field
            if (before.enabled, before.hint) != (field.enabled, field.hint):
                self._mode(drawn)
            if key not in stay and before.value != field.value:
                self.put(key, field.value)

    def put(self, key: str, text: str) -> None:
        """Set a field's text; nobody typed it."""
        drawn = self._drawn.get(key)
        if drawn is None:
            return
        self._quiet = True
        drawn.element.value = (text == ON) if drawn.field.kind == "switch" else text
        self._quiet = False

    def remark(self, key: str, text: str) -> None:
        """Say something helpful below a field that has nothing more important to say."""
        drawn = self._drawn.get(key)
        if drawn is not None and not drawn.field.hint:
            _hint(drawn.element, text)

    def offer(self, key: str, offers: Iterable[tuple[str, str]]) -> None:
        """Offer (value, what it is) for a text that is being typed."""
        drawn = self._drawn.get(key)
        if drawn is not None and drawn.offers is not None:
            options = "".join(f'<option value="{escape(value)}">{escape(label)}</option>' for value, label in offers)
            drawn.offers.content = f'<datalist id="c{drawn.element.id}-datalist">{options}</datalist>' if options else ""

    def field(self, key: str) -> Field | None:
        """Return a field as it is shown."""
        drawn = self._drawn.get(key)
        return drawn.field if drawn else None

    def _add(self, section: Section, field: Field) -> None:
        with self._where(section, field):
            self._drawn[field.key] = drawn = self._element(field)
        self._mode(drawn)

    def _where(self, section: Section, field: Field) -> Any:
        """Return the element a field belongs into; made where it is not there yet."""
        part = self._part(section)
        box = self._boxes.get((section.title, field.group))
        if box is None:
            with part:
                if field.group:
                    ui.html(escape(field.group), tag="h3").classes("om-group")
                box = ui.element("div").classes("om-fields")
            self._boxes[section.title, field.group] = box
        return box

    def _part(self, section: Section) -> Any:
        part = self._parts.get(section.title)
        if part is None:
            with self._box:
                if section.folded:
                    part = ui.expansion(section.title, on_value_change=lambda _: self._unfold(section.title))
                    part.props("dense duration=0").classes("om-fold")
                else:
                    part = ui.element("fieldset").classes("om-part")
                    with part:
                        ui.html(section.title, tag="legend")
            self._parts[section.title] = part
        return part

    def _element(self, field: Field) -> _Drawn:
        def changed(event: Any) -> Awaitable[None] | None:
            if self._quiet:
                return None
            value = event.value
            text = (ON if value else "") if isinstance(value, bool) else (value or "")
            return self._typed(self._drawn[field.key].field, text)

        element: Any
        with ui.element("div").classes("om-field" + (" om-wide" if field.kind in {"switch", "area"} else "")):
            if field.kind == "switch":
                element = ui.checkbox(field.label, value=field.value == ON, on_change=changed).props("dense")
            elif field.kind == "choice":
                element = ui.select(dict(field.choices), label=field.label, value=field.value, on_change=changed).props(
                    "outlined dense options-dense transition-duration=0"
                )
            elif field.kind == "area":
                element = ui.textarea(field.label, value=field.value, on_change=changed).props(
                    f"outlined dense rows=2 autogrow debounce={TYPING_MS}"
                )
            else:
                element = ui.input(field.label, value=field.value, on_change=changed).props(
                    f"outlined dense debounce={TYPING_MS} autocomplete=off"
                )
            if field.kind == "moment":
                element.props("type=datetime-local stack-label")
            offers = ui.html("") if field.kind in {"sku", "promotion"} else None
            says = ui.label("").classes("om-quiet om-small")
        return _Drawn(field, element, says, offers)

    def _mode(self, drawn: _Drawn) -> None:
        """Show a field in its mode, with its reason."""
        field = drawn.field
        drawn.element.set_enabled(field.enabled)
        if field.kind == "switch":
            drawn.says.text = field.hint
            drawn.says.set_visibility(bool(field.hint))
            return
        drawn.says.set_visibility(False)
        _hint(drawn.element, field.hint)


def _hint(element: Any, text: str) -> None:
    """Say something below a field; nothing takes no room."""
    if text:
        element.props["hint"] = text
    elif "hint" in element.props:
        del element.props["hint"]
