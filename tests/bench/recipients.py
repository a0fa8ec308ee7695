"""People in campaign's tables, all of them in one segment, and a mail of 5 KB for them."""

from __future__ import annotations

import asyncpg
from tests.bench.place import WORKSPACE

SEGMENT = "bench-segment"
TRIGGER = "bench-trigger"
"""Into which people come one by one, who are not in the other one."""
TIMED, DIGITS = "00000000-0000-0000-0000-", 12
"""What their ids begin with, and how many digits follow."""
SUBJECT = "{{ profile.traits.first_name | default: 'Hello' }}, your week at Rapport"
_STORY = (
    "<p>Dear {{ profile.traits.first_name }}, {% if profile.computed.revenue.USD > 500 %}as one of "
    "our best customers{% else %}as a friend of the house{% endif %} you see it first. What we "
    "chose for {{ profile.traits.city }} is on its way, and it stays for {{ profile.traits.days }} "
    "days.</p>\n"
)
_ITEMS = (
    "<ul>{% for item in profile.traits.likes %}<li>{{ item | capitalize }} for "
    "{{ profile.traits.first_name }}</li>{% endfor %}</ul>\n"
)
_FOOT = (
    '<p><a href="https://shop.example/week">This week</a> and '
    '<a href="https://shop.example/offers">offers</a>. '
    '<a href="{{ unsubscribe_url }}">Unsubscribe</a></p>\n'
)
HTML = f"<html><body>{_STORY * 8}{_ITEMS}{_STORY * 4}{_FOOT}</body></html>"
TEXT = (
    "Dear {{ profile.traits.first_name }},\n\nwhat we chose for {{ profile.traits.city }} is on "
    "its way: https://shop.example/week\n\nUnsubscribe: {{ unsubscribe_url }}\n"
)
SAID = {"purpose": "promotion", "from_address": "Shop <news@shop.example>", "subject": SUBJECT}

_SEGMENT = f"""INSERT INTO campaign.segment (workspace, segment_id, version, name, active,
  changed_at) VALUES ('{WORKSPACE}', '{SEGMENT}', 1, 'All', true, now()),
  ('{WORKSPACE}', '{TRIGGER}', 1, 'New', true, now()) ON CONFLICT DO NOTHING"""
_POLICY = f"""INSERT INTO campaign.policy (workspace, promotion_without_consent, changed_at,
  changed_by) VALUES ('{WORKSPACE}', true, now(), 'bench') ON CONFLICT DO NOTHING"""
_PEOPLE = f"""
INSERT INTO campaign.person (workspace, profile_id, version, known, identifiers, contact_points,
  traits, computed, consent, restraints)
SELECT '{WORKSPACE}', id, 1, true,
  json_build_array(json_build_object('kind', 'user_id', 'value', id)),
  json_build_array(json_build_object('channel', 'email', 'value', id || '@example.com',
    'verified', true, 'since', '2026-01-01T00:00:00Z')),
  json_build_object('first_name', 'Ada' || n % 977,
    'city', (ARRAY['Bern', 'Köln', '上海'])[1 + n % 3],
    'days', n % 9, 'likes', json_build_array('tea', 'books', 'running', 'music')),
  json_build_object('revenue', json_build_object('USD', (n % 1000)::text)),
  '{{"said":[],"omitted":0}}', '[]'
FROM generate_series($1::bigint, $2::bigint) AS n, LATERAL (
  SELECT $3::text || lpad(n::text, greatest($4::int, length(n::text)), '0') AS id) AS made
"""
_ENTRIES = f"""
INSERT INTO campaign.entry (workspace, segment_id, entry_id, profile_id, profile_version, cause, at)
SELECT '{WORKSPACE}', '{SEGMENT}', 'e' || n, 'p' || n, 1, 'event', now()
FROM generate_series($1::bigint, $2::bigint) AS n
"""
_CHUNK = 50_000


async def fill(url: str, people: int) -> None:
    """So many, all in the segment."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET synchronous_commit = off")
        await connection.execute(_SEGMENT)
        await connection.execute(_POLICY)
        for first in range(1, people + 1, _CHUNK):
            last = min(first + _CHUNK - 1, people)
            await connection.execute(_PEOPLE, first, last, "p", 1)
            await connection.execute(_ENTRIES, first, last)
        await connection.execute("ANALYZE campaign.person, campaign.entry")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def fill_triggered(connection: asyncpg.Connection[asyncpg.Record], people: int) -> None:
    """So many, in no segment, with the numbers from 0 at the end of their ids."""
    await connection.execute(_PEOPLE, 0, people - 1, TIMED, DIGITS)
    await connection.execute("ANALYZE campaign.person")
