"""The operator API of profile."""

from rapport_profile.api.profiles import routes

__all__ = ["routes"]
