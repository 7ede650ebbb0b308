"""Settings that differ from others, checked like those that are read from the environment."""

from service.settings import Settings

SECRET = "a secret of the tests, long enough to be one"


def changed(settings: Settings, **changes: object) -> Settings:
    """The settings with some replaced. Raises ValidationError for a name or a value that is not allowed."""
    return Settings(**(settings.model_dump() | changes))
