"""The steps in the lives of profiles, as they are published."""

from rapport_common.events.activity import ProfileActivity
from rapport_common.events.envelope import Event
from rapport_profile.domain.loaded import Loaded, end_of
from rapport_profile.domain.naming import Id
from rapport_profile.domain.people import Profile
from rapport_profile.domain.sections import ALL, COMPUTED, CONTACT_POINTS, LONG, SEARCHED, SHORT


class IncompleteError(Exception):
    """A profile is to be made anew from all its identifiers, and not all of them are loaded."""

    def __init__(self, workspace: str, profiles: set[Id]) -> None:
        super().__init__(f"not all members of {sorted(profiles)} are loaded")
        self.wanted = {(workspace, one) for one in profiles}


class Steps(Loaded):
    """What is published of the profiles that are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.found_anew: set[Id] = set()
        """Whose row among what people are searched by is not as it was, or there no longer."""
        self._owed: set[Id] = set()

    def step(self, profile: Profile, event: Event | None = None) -> ProfileActivity:
        """The next version of a profile, as it is published."""
        profile.version += 1
        self.changed_profiles[profile.id] = profile
        workspace, version = profile.workspace, profile.version
        if not profile.count:
            self.found_anew.add(profile.id)
        if profile.merged_into is not None:
            return ProfileActivity(
                workspace=workspace,
                profile_id=profile.id,
                version=version,
                merged_into=profile.merged_into,
                into_version=self.profiles[profile.merged_into].version + 1,
            )
        if not profile.count:
            return ProfileActivity(
                workspace=workspace, profile_id=profile.id, version=version, gone=True
            )
        due = profile.due
        if event is None or not due & LONG or not profile.is_heavy:
            return self._told(profile, due, event)
        self._owed.add(profile.id)
        # Of who is told anew as a whole, nothing before the rest: see `ProfileActivity`.
        return profile.tell(0 if due == ALL else due & SHORT, event)

    def _told(self, profile: Profile, sections: int, event: Event | None) -> ProfileActivity:
        """A profile's last step so far, with these sections as they are now, within bounds."""
        if sections & SEARCHED:
            self.found_anew.add(profile.id)
        if sections & LONG:
            self.freshen(profile)
            self.trim_profile(profile)
        return profile.tell(sections, event)

    def finish(self, steps: list[ProfileActivity]) -> list[ProfileActivity]:
        """After all steps of a batch: keep the bounds, and tell what heavy profiles owe.

        Each tells it with its last step. With every event it would make a batch of somebody's
        events a thousand times as long.
        """
        self.trim()
        if not self._owed:
            return steps
        finished = []
        for step in reversed(steps):
            owes = step.profile_id in self._owed
            self._owed.discard(step.profile_id)
            finished.append(self._settled(step) if owes else step)
        return finished[::-1]

    def _settled(self, step: ProfileActivity) -> ProfileActivity:
        """The last step of a profile with all that is due; of who was merged away nothing is."""
        profile = self.profiles[step.profile_id]
        if step.versions is None or not profile.due:
            return step
        points = CONTACT_POINTS if step.contact_points is not None else 0
        computed = COMPUTED if step.computed is not None else 0
        return self._told(profile, profile.due | points | computed, step.event)

    def freshen(self, profile: Profile) -> None:
        """Make a stale fold anew, and show as many identifiers as there is room for.

        IncompleteError when not all members are loaded.
        """
        if not (profile.stale or profile.shows_too_few):
            return
        if len(profile.members) != profile.count:
            absorbed = {one for one in self.merged if end_of(self.merged, one) == profile.id}
            raise IncompleteError(profile.workspace, {profile.id, *absorbed})
        members = [self.nodes[one] for one in sorted(profile.members)]
        if profile.shows_too_few:
            profile.show_all(members)
        if profile.stale:
            profile.remake([one.fold for one in members])
