"""The steps in the lives of profiles, as they are published."""

from rapport_common.events.envelope import Event
from rapport_common.events.profile import ProfileActivity
from rapport_profile.domain.facts import Id
from rapport_profile.domain.loaded import Loaded, end_of
from rapport_profile.domain.people import Profile


class IncompleteError(Exception):
    """A profile is to be made anew from all its identifiers, and not all of them are loaded."""

    def __init__(self, workspace: str, profiles: set[Id]) -> None:
        super().__init__(f"not all members of {sorted(profiles)} are loaded")
        self.wanted = {(workspace, one) for one in profiles}


class Steps(Loaded):
    """What is published of the profiles that are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self._owed = False

    def step(self, profile: Profile, event: Event | None = None) -> ProfileActivity:
        """The next version of a profile, as it is published."""
        profile.version += 1
        self.changed_profiles[profile.id] = profile
        workspace, version = profile.workspace, profile.version
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
        step = ProfileActivity(
            workspace=workspace, profile_id=profile.id, version=version, event=event
        )
        if event is not None and profile.is_heavy:
            self._owed = True
            return step
        return self._stated(step)

    def _stated(self, step: ProfileActivity) -> ProfileActivity:
        """A step with the state that it leads to."""
        profile = self.profiles[step.profile_id]
        self.freshen(profile)
        if profile.is_heavy:
            self.trim_profile(profile)
        absorbed, profile.absorbed = profile.absorbed, []
        return ProfileActivity(
            workspace=step.workspace,
            profile_id=step.profile_id,
            version=step.version,
            event=step.event,
            state=profile.state(),
            absorbed=absorbed,
        )

    def finish(self, steps: list[ProfileActivity]) -> list[ProfileActivity]:
        """After all steps of a batch: keep the bounds, and tell the states of heavy profiles.

        Each is told with the last step of its profile. With every event it would make a batch of
        somebody's events a thousand times as long.
        """
        self.trim()
        if not self._owed:
            return steps
        told: set[Id] = set()
        finished = []
        for step in reversed(steps):
            last = step.profile_id not in told
            told.add(step.profile_id)
            owes = last and step.event is not None and step.state is None
            finished.append(self._stated(step) if owes else step)
        return finished[::-1]

    def freshen(self, profile: Profile) -> None:
        """Make a stale fold anew; IncompleteError when not all members are loaded."""
        if not profile.stale:
            return
        if len(profile.members) != profile.count:
            absorbed = {one for one in self.merged if end_of(self.merged, one) == profile.id}
            raise IncompleteError(profile.workspace, {profile.id, *absorbed})
        profile.remake([self.nodes[one].fold for one in sorted(profile.members)])
