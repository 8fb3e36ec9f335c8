"""The page's files: small, whole, of this computer alone, and labelled."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from portraiture.engine.parameters import CONTINUOUS, DETAILS, DISCRETE
from portraiture.engine.shapes import SHAPES
from portraiture.studio.controls import groups, names_of, panel, shape_label
from portraiture.studio.pages import page_files

MAX_BYTES = 300_000


class Page(HTMLParser):
    """Collects ids, what is loaded, and buttons without a name."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.inline = 0
        self.unnamed: list[str] = []
        self.inert: list[str] = []
        self.roles: dict[str, str] = {}
        self.controlled: list[str] = []
        self._button: list[str] | None = None

    def handle_starttag(self, tag, attrs) -> None:
        about = dict(attrs)
        if "id" in about:
            self.ids.append(about["id"])
        self.loaded += [about[name] for name in ("src", "href") if name in about]
        self.inline += "style" in about or any(name.startswith("on") for name in about)
        self.inline += tag == "script" and "src" not in about
        if about.get("role") == "img" and "tabindex" in about:
            self.inert.append(about["id"])
        if "id" in about and "role" in about:
            self.roles[about["id"]] = about["role"]
        self.controlled += [about["aria-controls"]] if "aria-controls" in about else []
        if tag == "button":
            self._button = [about.get("aria-label", "")]

    def handle_data(self, data: str) -> None:
        if self._button is not None:
            self._button.append(data.strip())

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button is not None:
            if not any(self._button):
                self.unnamed.append(self.get_starttag_text() or "")
            self._button = None


def parsed() -> Page:
    page = Page()
    page.feed(page_files()[""][1].decode())
    return page


def test_the_page_is_light() -> None:
    assert sum(len(data) for _, data in page_files().values()) < MAX_BYTES


def test_everything_that_is_loaded_is_there() -> None:
    page, files = parsed(), page_files()
    assert set(page.loaded) <= files.keys()
    for name, (kind, data) in files.items():
        text = data.decode()
        assert not re.search(r"""https?://(?!www\.w3\.org/2000/svg)""", text), name
        if kind.startswith("text/javascript"):
            imported = re.findall(r"from '\./([\w.]+)'", text)
            assert set(imported) <= files.keys(), name


def test_the_policy_allows_all_of_it() -> None:
    assert parsed().inline == 0


def test_scripts_find_their_elements() -> None:
    ids = parsed().ids
    assert len(ids) == len(set(ids))
    for name, (kind, data) in page_files().items():
        if kind.startswith("text/javascript"):
            for wanted in re.findall(r"\bby\('([\w-]+)'\)", data.decode()):
                assert wanted in ids, f"{name} wants #{wanted}"


def test_buttons_have_names() -> None:
    assert parsed().unnamed == []


def test_what_takes_keys_is_no_image_and_tabs_control_panels() -> None:
    page = parsed()
    assert page.inert == []
    assert len(page.controlled) == 4
    assert {page.roles[name] for name in (*page.controlled, "controls")} == {"tabpanel"}


def test_every_parameter_has_exactly_one_control() -> None:
    controls = [one for group in groups() for part in group["sections"] for one in part["controls"]]
    names = [name for control in controls for name in names_of(control)]
    tables = {f"shape:{name}" for name in SHAPES} | {f"detail:{name}" for name in DETAILS}
    assert sorted(names) == sorted({*CONTINUOUS, *DISCRETE, *tables})
    assert len(panel()["actions"]) == 52


def test_labels_tell_sliders_of_a_section_apart() -> None:
    for group in groups():
        for section in group["sections"]:
            labels = [control["label"] for control in section["controls"]]
            assert len(labels) == len(set(labels)), section["title"]
    for name in SHAPES:
        assert all(shape_label(name)), name
