"""The report and the picture: self-contained, well-formed, the same for the same runs."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

from papvmm.observe.as_json import as_json
from papvmm.observe.exhibit import Exhibit
from papvmm.observe.markup import node, write
from papvmm.observe.picture import picture
from papvmm.observe.record import Line
from papvmm.observe.report import report
from tests.played_reboot import played_exhibit

EXHIBIT = played_exhibit()
SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<script>alert('&\"')</script>"


def reported(exhibit: Exhibit = EXHIBIT) -> str:
    return report(exhibit, ("papvmm demo played", "papvmm run a.elf"))


def nasty_exhibit() -> Exhibit:
    said = (Line(0, NASTY), *EXHIBIT.harmed.record.console)
    record = replace(EXHIBIT.harmed.record, console=said)
    harmed = replace(EXHIBIT.harmed, record=record, refusals=(NASTY,))
    return replace(EXHIBIT, harmed=harmed)


class Tags(HTMLParser):
    """Collects what a browser would see, and insists that tags match."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.open.append(tag)
        self.attributes += attrs

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert tags.open == []
    return tags


def test_the_report_is_html_and_xml_at_once():
    text = reported()

    root = ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))

    assert root.tag == "html"
    assert parsed(text).seen.count("table") == 2


def test_the_report_shows_both_page_maps_both_timelines_and_a_sparkline_a_vcpu_and_run():
    assert len(re.findall('aria-label="page map: ', reported())) == 2
    assert len(re.findall('aria-label="timeline: ', reported())) == 2
    assert len(re.findall('class="sparkline"', reported())) == 4


def test_neither_report_nor_picture_needs_anything_from_elsewhere():
    for text in (reported(), picture(EXHIBIT)):
        tags = parsed(text)
        assert not {"script", "link", "img", "iframe", "object", "use", "image"} & set(tags.seen)
        assert not {"src", "href", "xlink:href"} & {name for name, _ in tags.attributes}
        assert "http" not in text.replace('xmlns="http://www.w3.org/2000/svg"', "")
        assert not re.search(r"@import|url\((?!#)", text)


def test_what_a_guest_says_is_text_in_the_report_whatever_it_says():
    tags = parsed(reported(nasty_exhibit()))

    assert "script" not in tags.seen
    assert NASTY in "".join(tags.texts)


def test_an_attribute_can_not_be_left():
    written = write(node("rect", class_='"><script>', x=0.5))

    assert written == '<rect class="&quot;&gt;&lt;script&gt;" x="0.5"></rect>'


def test_the_same_runs_give_the_same_bytes():
    again = played_exhibit()

    assert reported(again) == reported()
    assert picture(again) == picture(EXHIBIT)


def test_every_hit_is_a_vermillion_cell_and_an_untouched_cell_is_none():
    root = ET.fromstring(picture(EXHIBIT))
    cells = [rect for rect in root.iter(f"{SVG}rect") if rect.get("class") == "foreign"]

    # 3 fields of each VPA, and 10 entries of 3 cells in each log.
    assert len(cells) == 2 * (3 + 10 * 3)


def test_the_hex_diff_shows_each_byte_that_differs_as_it_was_and_as_it_is():
    row = reported().partition("<b>lppaca.yield_count")[0].rpartition("<tr")[2]

    was = re.findall(r'<span class="hit old">(..)</span>', row)
    now = re.findall(r'<span class="hit new">(..)</span>', row)

    assert (was, now) == (["00"], ["14"])


def test_the_flow_arrows_lead_from_each_registration_to_its_first_foreign_store():
    arrows = [path for path in ET.fromstring(picture(EXHIBIT)).iter(f"{SVG}path")
              if path.get("class") == "flow"]  # fmt: skip

    assert len(arrows) == 4


def test_the_json_says_what_happened_in_each_scene():
    result = as_json(EXHIBIT)

    keep, unregister = result["keep"], result["unregister"]

    assert isinstance(keep, dict)
    assert isinstance(unregister, dict)
    assert (keep["corrupted"], unregister["corrupted"]) == (True, False)
    assert keep["words_told"] == 126
    assert isinstance(keep["words"], list)
    assert len(keep["words"]) == 126
    assert (unregister["words"], unregister["fields"], unregister["first"]) == ([], [], None)
