"""The records that tell a profile again, as it is and what happened: no steps in its life."""

from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
from rapport_common.events.envelope import Event, Identifier
from rapport_profile.domain.people import Profile
from rapport_profile.domain.sections import ALL


def republished(profile: Profile) -> ProfileActivity:
    """All that is known of a stored profile at its version; or that it is another one, or gone."""
    workspace, version = profile.workspace, profile.version
    if profile.merged_into is not None:
        return ProfileActivity(
            workspace=workspace,
            profile_id=profile.id,
            version=version,
            republished=True,
            merged_into=profile.merged_into,
        )
    if not profile.count:
        return ProfileActivity(
            workspace=workspace,
            profile_id=profile.id,
            version=version,
            republished=True,
            gone=True,
        )
    # Who was stored before there were sections was told as a whole with each version.
    versions = profile.told if profile.was_told else SectionVersions(*[version] * len(SECTIONS))
    return ProfileActivity(
        workspace=workspace,
        profile_id=profile.id,
        version=version,
        republished=True,
        versions=versions,
        **profile.sections(ALL),
    )


def event_again(
    profile_id: str, version: int, event: Event, hub: Identifier, replaced: int
) -> ProfileActivity:
    """An event that was applied to a profile long ago, by its identifier `hub`; before it
    `replaced` other forms of it were told, copies or the same under another identifier.
    """
    return ProfileActivity(
        workspace=event.workspace,
        profile_id=profile_id,
        version=version,
        event=event,
        hub=None if hub == event.identifiers[0] else hub,
        replaced=replaced,
        republished=True,
    )
