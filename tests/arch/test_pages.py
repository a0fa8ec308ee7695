"""People in the README and the guides: each page has its own, so that no page changes another's."""

import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/guides").rglob("*.md"))]
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
