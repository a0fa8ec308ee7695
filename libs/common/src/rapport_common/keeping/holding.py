"""Whose data are only to be kept: what the law wants held, no rule lets go.

A restriction of processing is told as a section of the person. A row may have a former id of
theirs, which leads to who they are now.
"""


def held_by(schema: str, profile: str) -> str:
    """SQL that is true where `profile` (a column) is of somebody who is restricted.

    `schema`: of a service that keeps the section `restraints` of those whom it follows.
    """
    theirs = f"{schema}.person p WHERE p.workspace = :workspace AND p.profile_id = way.id"
    return (
        f"EXISTS (WITH RECURSIVE way AS (SELECT {profile} AS id UNION "
        f"SELECT p.heir FROM way, {theirs} AND p.heir IS NOT NULL) "
        f"SELECT FROM way, {theirs} "
        "AND CAST(p.restraints AS jsonb) @> CAST('[\"processing\"]' AS jsonb))"
    )
