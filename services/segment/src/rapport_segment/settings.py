"""The settings of the service: the common ones are enough."""

from rapport_common.settings import ServiceSettings


class Settings(ServiceSettings):
    """Nothing of its own yet."""
