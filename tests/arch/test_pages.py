"""The README and the guides: people of each page are its own, links lead somewhere, tables hold."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rapport_feedback.domain.nps import Counts, score
from rapport_segment.domain import rules
from rapport_segment.domain.library.shipped import Shipped
from rapport_segment.handlers.library import library

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/guides").rglob("*.md"))]
DOCUMENTS = [
    *PAGES,
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("services/*/README.md"),
]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# As JSON (also escaped for a shell), a literal of Python or JavaScript, a query, an argument.
IDENTIFIER = re.compile(
    r"""\\?["']?\b(?:userId|user_id|anonymousId|distinct_id|duid|uid)\b\\?["']?"""
    r"""\s*(?::|=|\s)\s*\[?\\?["']?([A-Za-z0-9][\w-]*)"""
)
SUBJECT = re.compile(r"""(?:ce-subject: |"subject": ")([\w-]+)""")
CALL = re.compile(r"""analytics\.(?:identify|track)\(["']([\w-]+)""")
# Names of columns, paths and types, in mappings and in prose.
NO_PERSON = {"customer", "customer_id", "id", "and", "or", "with", "is", "to", "a", "are", "unless"}


def people(text: str) -> set[str]:
    """The addresses and ids of people in the code of a page."""
    code = "\n".join(re.findall(r"^```\w+\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    found = {one for kind in (IDENTIFIER, SUBJECT, CALL) for one in kind.findall(code)}
    return (found - NO_PERSON) | set(ADDRESS.findall(code))


def test_no_person_is_on_two_pages() -> None:
    where = defaultdict(list)
    for page in PAGES:
        for one in people(page.read_text()):
            where[one].append(str(page.relative_to(ROOT)))
    assert where["ada@example.com"] == ["README.md"]
    assert where["guide-python"] == ["docs/guides/clients/python.md"]
    assert {one: pages for one, pages in where.items() if len(pages) > 1} == {}


def test_people_are_found_in_every_spelling() -> None:
    text = """```sh
  {"userId": "u-1", \\"distinct_id\\": \\"u-2\\"} ?userId=u-3&x ce-subject: u-4
  rapport profile show user_id u-5 a@b.example "userId": ["u-6"]
  identify({ userId: 'u-7' }) analytics.track("u-8", 1) --map userId=customer_id
```"""
    assert people(text) == {*(f"u-{one}" for one in range(1, 9)), "a@b.example"}


def test_every_page_says_where_its_credentials_come_from() -> None:
    for page in PAGES:
        text = page.read_text()
        for name in ("WRITE_KEY", "TOKEN"):
            used, set_at = text.find(f"${name}"), text.find(f"{name}=$(")
            assert used < 0 or 0 <= set_at < used, f"{page.relative_to(ROOT)} uses ${name} unset"


def anchor(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    """The links of a page to files and headings of this repository that are not there."""
    for link in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        file, _, place = link.partition("#")
        if ":" in file:
            continue
        target = (page.parent / file).resolve() if file else page
        if not target.exists():
            yield link
        elif place:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            if place not in map(anchor, headings):
                yield link


def test_links_lead_somewhere() -> None:
    broken = {str(page.relative_to(ROOT)): list(broken_links(page)) for page in DOCUMENTS}
    assert {page: links for page, links in broken.items() if links} == {}


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A: heading\n[a](#a-heading) [b](#b) [c](page.md) [d](no.md) [e](https://x)")
    assert list(broken_links(page)) == ["#b", "no.md"]


def test_every_guide_is_in_the_readme() -> None:
    listed = set(LINK.findall((ROOT / "README.md").read_text()))
    assert [one for one in PAGES[1:] if str(one.relative_to(ROOT)) not in listed] == []


def test_the_table_of_scores_is_true() -> None:
    text = (ROOT / "docs/guides/surveys.md").read_text()
    rows = re.findall(
        r"^\| ([\d,]+) \| (\d+), (\d+) \| (\d+) \| (\S+) to (\S+) \|$", text, re.MULTILINE
    )
    assert len(rows) == 4
    for row in rows:
        n, promoters, detractors = (int(one.replace(",", "")) for one in row[:3])
        found = score(Counts(promoters, n - promoters - detractors, detractors))
        shown = [f"{found.nps:.0f}", f"{found.low:.1f}", f"{found.high:.1f}"]
        assert shown == list(row[3:])


def test_the_rules_of_the_guide_can_be_read() -> None:
    text = (ROOT / "docs/guides/segments.md").read_text()
    shown = re.findall(r"^\|.*`(\{.*\})` \|$", text, re.MULTILINE)
    assert len(shown) == 34
    for one in shown:
        rules.parse(json.loads(one))


def row_of(one: Shipped) -> str:
    """What the guide says of a shipped segment; where a value has to be given stands a dot."""
    who = re.sub(r"\{\w+\}", "…", one.filled({}).description)
    told = (
        f"`{each.name}`" if each.default is None else f"`{each.name}` {each.default}"
        for each in one.parameters
    )
    return f"| `{one.id}` | {who} | {', '.join(told)} |"


def test_the_guide_has_all_shipped_segments_as_they_are() -> None:
    text = (ROOT / "docs/guides/segment-library.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [row_of(one) for one in library().values()]
    assert f"\n{len(rows)} [segments](segments.md)" in text
