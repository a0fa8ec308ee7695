"""The record that tells a profile again as a whole, as it is: no step in its life."""

from rapport_common.events.activity import SECTIONS, ProfileActivity, SectionVersions
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
