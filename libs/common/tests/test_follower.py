"""Of each section the newest word counts, of each id the newest end, whatever comes first."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rapport_common.errors import InvalidEvent
from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
from rapport_common.events.activity_v2 import from_v1, from_v2
from rapport_common.events.envelope_v1 import EventV1
from rapport_common.events.profile import AbsorbedId, ProfileActivityV1
from rapport_common.follower.domain import (
    Ended,
    Following,
    Held,
    Key,
    Overlaid,
    Step,
)
from rapport_common.follower.records import reading
from rapport_common.testing.profiles import NOON, Profiles, sections

IDS = ("a", "b", "c", "d")
KINDS = ("event", "event", "event", "merge", "gone", "changed", "again")
NOTHING = Held((0,) * len(SECTIONS))
READ = reading(SECTIONS, ids_are_uuids=False)


def steps(records: Sequence[ProfileActivity], read: Any = READ) -> list[Step]:
    found = (read(index, one) for index, one in enumerate(records))
    return [one for one in found if one is not None]


def survivor_of(held: Mapping[Key, Held], key: Key) -> Key:
    """Where the way from heir to heir leads, as far as it is held; in a circle, once around."""
    passed = {key}
    while (one := held.get(key)) is not None and one.heir is not None:
        following = (key[0], one.heir)
        if following in passed:
            break
        passed.add(following)
        key = following
    return key


class Reader:
    """Follows in memory, batch by batch; keeps by which record each section was told."""

    def __init__(self, width: int = len(SECTIONS), read: Any = READ) -> None:
        self.held: dict[Key, Held] = dict.fromkeys(
            (("acme", one) for one in IDS), Held((0,) * width)
        )
        self.content: dict[Key, dict[int, Any]] = {key: {} for key in self.held}
        self._read = read

    def take(self, records: Sequence[ProfileActivity]) -> list[Overlaid | Ended]:
        following = Following(dict(self.held))
        turns = [turn for step in steps(records, self._read) for turn in following.apply(step)]
        for key in following.changed:
            after = following.held[key]
            kept = {} if not after.lives else self.content[key]
            told = {
                place: getattr(by, SECTIONS[place])
                for place, by in following.news.get(key, {}).items()
            }
            kept = {place: one for place, one in kept.items() if after.versions[place]}
            self.content[key] = kept | told
        self.held = following.held
        return turns

    def outcome(self) -> dict[str, Any]:
        """Whom each id leads to, and the sections of who lives."""
        return {
            key[1]: (self.content[key] if one.lives else survivor_of(self.held, key)[1], one.lacks)
            for key, one in self.held.items()
            if one != NOTHING
        }


def expected(profiles: Profiles) -> dict[str, Any]:
    return {
        who: (
            {SECTIONS.index(name): content for name, content in one.content.items()}
            if one.lives
            else _last(profiles, who),
            None,
        )
        for who, one in profiles.held.items()
    }


def _last(profiles: Profiles, who: str) -> str:
    passed = {who}
    while (heir := profiles.held[who].heir) is not None and heir not in passed:
        passed.add(heir)
        who = heir
    return who


@st.composite
def histories(draw: st.DrawFn) -> tuple[Profiles, list[ProfileActivity]]:
    """Lives that meet and part, with full states told again in between."""
    profiles = Profiles()
    records: list[ProfileActivity] = []
    for number in range(draw(st.integers(1, 16))):
        who, other = draw(st.permutations(IDS))[:2]
        kind = draw(st.sampled_from(KINDS))
        some = draw(st.sets(st.sampled_from(SECTIONS)))
        made = sections([("user_id", who)], {"n": number}, events=number)
        changed = {name: made[name] for name in some}
        if kind == "merge" and who in profiles.held and profiles.held[who].lives:
            records += profiles.merged(who, other, **changed)
        elif kind == "gone" and who in profiles.held and profiles.held[who].lives:
            records.append(profiles.gone(who))
        elif kind == "again":
            records += profiles.republished()
        elif kind == "changed":
            records.append(profiles.changed(who, **changed))
        else:
            records.append(profiles.event(who, **changed))
    return profiles, records


@st.composite
def meetings(draw: st.DrawFn) -> tuple[Profiles, list[ProfileActivity]]:
    """Lives that do little but become each other."""
    profiles = Profiles()
    records = [profiles.event(who) for who in IDS]
    for who, other in draw(st.lists(st.permutations(IDS).map(lambda ids: ids[:2]), max_size=8)):
        if profiles.held[who].lives:
            records += profiles.merged(who, other)
    return profiles, records


@st.composite
def disorders(
    draw: st.DrawFn, histories: st.SearchStrategy[tuple[Profiles, list[ProfileActivity]]]
) -> tuple[Profiles, list[list[ProfileActivity]]]:
    """A history in any order, some of it twice, in batches of any size."""
    profiles, records = draw(histories)
    # Whoever is told again before anybody was told of tells nothing.
    again = draw(st.lists(st.sampled_from(records), max_size=6)) if records else []
    shuffled = draw(st.permutations([*records, *again]))
    batches = []
    while shuffled:
        size = draw(st.integers(1, len(shuffled)))
        batches.append(shuffled[:size])
        shuffled = shuffled[size:]
    return profiles, batches


@given(histories())
def test_in_order_a_reader_holds_what_there_is_and_misses_nothing(
    history: tuple[Profiles, list[ProfileActivity]],
) -> None:
    profiles, records = history
    reader = Reader()
    for one in records:
        reader.take([one])
        assert all(held.lacks is None for held in reader.held.values())
    assert reader.outcome() == expected(profiles)


@given(disorders(histories()))
def test_any_order_repetition_and_batching_leaves_the_same(
    disorder: tuple[Profiles, list[list[ProfileActivity]]],
) -> None:
    profiles, batches = disorder
    reader = Reader()
    for batch in batches:
        reader.take(batch)
    assert reader.outcome() == expected(profiles)


@given(histories())
def test_what_is_told_again_changes_nothing_for_who_holds_it(
    history: tuple[Profiles, list[ProfileActivity]],
) -> None:
    profiles, records = history
    reader = Reader()
    reader.take(records)
    before = reader.outcome()
    assert reader.take(profiles.republished()) == []
    assert reader.outcome() == before


@given(histories(), st.data())
def test_what_was_missed_is_seen_and_mended_by_telling_again(
    history: tuple[Profiles, list[ProfileActivity]], data: st.DataObject
) -> None:
    profiles, records = history
    missed = data.draw(st.integers(0, max(len(records) - 1, 0)))
    reader = Reader()
    later = records[missed + 1 :]
    for one in records[:missed] + later:
        reader.take([one])
    seen, spoken = reader.outcome(), {one.profile_id for one in later if one.versions is not None}
    for who, found in expected(profiles).items():
        if profiles.held[who].lives and who in spoken and seen.get(who) != found:
            assert reader.held["acme", who].lacks is not None
    reader.take(profiles.republished())
    assert reader.outcome() == expected(profiles)


ONLY_IDS = reading(("identifiers",), ids_are_uuids=False)


def test_a_record_that_tells_nothing_that_is_followed_changes_nothing() -> None:
    profiles, reader = Profiles(), Reader(1, ONLY_IDS)
    first = profiles.event("a", **sections([("user_id", "a")]))
    assert [one.taken for one in reader.take([first]) if isinstance(one, Overlaid)] == [(0,)]
    held = reader.held["acme", "a"]
    assert reader.take([profiles.event("a", computed=1, traits=b"")]) == []
    assert reader.held["acme", "a"] is held


def test_who_missed_a_record_lacks_it_until_it_is_told_again() -> None:
    profiles, reader = Profiles(), Reader(1, ONLY_IDS)
    reader.take([profiles.event("a", **sections())])
    profiles.event("a", identifiers=["missed"])
    [] = reader.take([profiles.event("a", computed=1)])
    held = reader.held["acme", "a"]
    assert (held.versions, held.lacks, held.known) == ((1,), (2,), False)
    [] = reader.take([profiles.event("a", computed=2)])
    assert reader.held["acme", "a"] is held
    [turn] = reader.take(profiles.republished())
    assert isinstance(turn, Overlaid)
    assert (turn.before.lacks, turn.after.lacks, turn.after.known) == ((2,), None, True)


def test_a_merge_leads_to_the_heir_and_tells_whether_it_is_told() -> None:
    profiles, reader = Profiles(), Reader()
    reader.take([profiles.event("a"), profiles.event("b")])
    end, whole = profiles.merged("a", "b")
    assert reader.take([end]) == [Ended(("acme", "a"), 2, ("acme", "b"), is_told=False)]
    assert [type(one) for one in reader.take([whole, end])] == [Overlaid]
    assert survivor_of(reader.held, ("acme", "a")) == ("acme", "b")


def test_an_end_of_the_republished_kind_is_told_at_once() -> None:
    profiles, reader = Profiles(), Reader()
    profiles.event("a")
    profiles.merged("a", "b")
    again = profiles.republished(["a"])
    assert reader.take(again) == [Ended(("acme", "a"), 2, ("acme", "b"), is_told=True)]


def test_ids_that_change_places_do_not_go_in_circles() -> None:
    profiles, reader = Profiles(), Reader()
    first, _ = profiles.merged("a", "b")
    second, _ = profiles.merged("b", "a")
    reader.take([first])
    [turn] = reader.take([second])
    assert isinstance(turn, Ended)
    assert turn.survivor == ("acme", "a")
    assert survivor_of(reader.held, ("acme", "b")) == ("acme", "a")


def test_an_id_is_never_its_own_heir() -> None:
    own = ProfileActivity(workspace="acme", profile_id="a", version=1, merged_into="a")
    assert Reader().take([own]) == []


def test_of_an_old_heavy_profile_a_later_record_tells() -> None:
    event = EventV1(
        workspace="acme",
        source="shop",
        message_id="2",
        type="track",
        timestamp=NOON,
        received_at=NOON,
        user_id="u",
    )
    old = ProfileActivityV1(workspace="acme", profile_id="a", version=2, event=event)
    assert READ(0, from_v2(from_v1(old))) is None


def record(**fields: Any) -> ProfileActivity:
    given: dict[str, Any] = {"workspace": "acme", "profile_id": "a", "version": 1, **fields}
    return ProfileActivity(**given)


BAD = {
    "workspace": record(workspace="a\0", gone=True),
    "an id": record(profile_id="a\0", gone=True),
    "an heir": record(merged_into="b\0"),
    "a version": record(version=2**63, gone=True),
    "no version": record(version=0, gone=True),
    "a section's version": record(versions=SectionVersions(traits=2**63)),
    "an absorbed id": record(versions=SectionVersions(), absorbed=[AbsorbedId("b\0", 1)]),
    "an absorbed version": record(versions=SectionVersions(), absorbed=[AbsorbedId("b", 0)]),
    "nothing": record(),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_what_can_not_be_is_named(bad: ProfileActivity) -> None:
    with pytest.raises(InvalidEvent) as caught:
        READ(7, bad)
    assert caught.value.index == 7


def test_an_id_may_have_to_be_a_uuid_and_has_one_spelling() -> None:
    read = reading(SECTIONS, ids_are_uuids=True)
    with pytest.raises(InvalidEvent, match="not a UUID"):
        read(0, record(gone=True))
    step = read(0, record(profile_id="0195D7A0-0000-7000-8000-00000000000A", gone=True))
    assert step is not None
    assert step.key[1] == "0195d7a0-0000-7000-8000-00000000000a"


def test_what_goes_into_a_later_life_is_not_of_whom_the_life_before_went_to() -> None:
    """`a` became `b`, who is gone; then `c` becomes `a`, who lives again by that."""
    profiles = Profiles()
    for who in ("a", "b", "c"):
        profiles.event(who)
    first = profiles.merged("a", "b")
    gone = profiles.gone("b")
    end, again = profiles.merged("c", "a")
    reader = Reader()
    reader.take([*first, gone])
    turns = [one for one in reader.take([end, again]) if isinstance(one, Ended)]
    assert [(one.key, one.survivor, one.is_told) for one in turns] == [
        (("acme", "c"), ("acme", "a"), False)
    ]


def test_who_became_somebody_that_is_gone_is_gone() -> None:
    """Whichever of the two is heard of first."""
    profiles = Profiles()
    told = [profiles.event("a"), profiles.event("b")]
    merged, gone = profiles.merged("a", "b"), profiles.gone("b")
    reader = Reader()
    reader.take([*told, gone])
    [ended] = [one for one in reader.take(merged) if isinstance(one, Ended)]
    assert (ended.key, ended.survivor) == (("acme", "a"), None)


def test_who_goes_around_into_the_own_later_life_keeps_what_he_has() -> None:
    """`a` became `b`, who became `c`, who became `a` again, before `a`'s second life was told."""
    profiles, reader = Profiles(), Reader()
    reader.take([profiles.event(who) for who in ("a", "b", "c")])
    around = [profiles.merged(*pair) for pair in (("a", "b"), ("b", "c"), ("c", "a"))]
    ends, steps_of_heirs = zip(*around, strict=True)
    assert [turn.key[1] for turn in reader.take(ends[::-1])] == ["c", "b"]
    assert not reader.held["acme", "a"].lives
    told = [one for one in reader.take(steps_of_heirs) if isinstance(one, Overlaid)]
    assert told[-1].key == ("acme", "a")


def test_who_became_somebody_that_became_a_third_is_told_with_the_third() -> None:
    profiles, reader = Profiles(), Reader()
    reader.take([profiles.event(who) for who in ("a", "b", "c")])
    (first, _), (second, third) = profiles.merged("a", "b"), profiles.merged("b", "c")
    reader.take([second])
    assert reader.take([first]) == [Ended(("acme", "a"), 2, ("acme", "c"), is_told=False)]
    [turn] = reader.take([third])
    assert isinstance(turn, Overlaid)


@given(disorders(meetings()))
def test_what_ids_have_is_with_somebody_who_lives_in_the_end(
    disorder: tuple[Profiles, list[list[ProfileActivity]]],
) -> None:
    _, batches = disorder
    reader = Reader()
    owns: set[Key] = set()
    for turn in (turn for batch in batches for turn in reader.take(batch)):
        if isinstance(turn, Overlaid):
            owns.add(turn.key)
        elif turn.key in owns:
            owns.discard(turn.key)
            owns |= {turn.survivor} if turn.survivor else set()
    assert owns == {key for key, one in reader.held.items() if one.lives}


def test_what_is_followed_later_than_the_rest_is_missed_only_once_it_was_there() -> None:
    """Who was told before that is known all the same; their next word on it begins it."""
    consent, traits = SECTIONS.index("consent"), SECTIONS.index("traits")
    profiles = Profiles()
    first = profiles.event("a")
    of_before = replace(Held((1,) * len(SECTIONS)), versions=_without(consent))
    later = profiles.event("a", traits=sections((), {"plan": "gold"})["traits"])
    told = profiles.event("a", consent=[])
    lost, seen = profiles.event("a", consent=[]), profiles.event("a")
    following = Following({("acme", "a"): of_before}, {consent})
    key = ("acme", "a")
    for record, knows in ((first, True), (later, True), (told, True), (seen, False), (lost, True)):
        for step in steps([record]):
            following.apply(step)
        assert following.held[key].known is knows
    assert following.held[key].versions[consent] == lost.version
    # What has been followed from the beginning is missed at once.
    strict = Following({key: replace(of_before, versions=_without(traits))}, {consent})
    for step in steps([seen]):
        strict.apply(step)
    assert not strict.held[key].known


def _without(place: int) -> tuple[int, ...]:
    return tuple(0 if at == place else 1 for at in range(len(SECTIONS)))
