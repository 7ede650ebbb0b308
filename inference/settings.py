"""Environment variables that the service, the command lines and training share: registry, model and alias."""

import difflib
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PREFIX = "LUNAR_"
CHAMPION = "champion"  # alias of the version that is served
CANDIDATE = "candidate"  # alias of the version that was published last and may be promoted
_SIMILAR = 0.75  # of difflib.SequenceMatcher.ratio: MODEL_ALAIS is close to MODEL_ALIAS, HOST is not close to HOME

Kind = TypeVar("Kind", bound=BaseSettings)


class InvalidSettings(ValueError):
    """A variable has a value that is not allowed. One line a variable, which names it and does not show its value."""


class RegistrySettings(BaseSettings):
    """Settings read from environment variables with the prefix LUNAR_.

    An unknown keyword argument is an error; unknown environment variables are ignored, and empty ones count as unset.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,  # the message must not contain a refused secret
    )

    home: Path = Field(Path(".lunar"), description="Local registry and cache of downloaded bundles")
    tracking_uri: str | None = Field(None, description="MLflow server; default: a sqlite file under LUNAR_HOME")
    model_name: str = Field("skin-lesion", description="Registered model")
    model_alias: str = Field(CHAMPION, description="Alias that is served")


def read_settings(kind: type[Kind], **options: Any) -> Kind:
    """The settings as the environment has them; `options` are those of pydantic-settings. Raises InvalidSettings."""
    try:
        return kind(**options)
    except ValidationError as error:
        raise InvalidSettings("\n".join(map(_line, error.errors()))) from None


def read_for_command(kind: type[Kind]) -> Kind:
    """The same for a command line: an invalid value ends it with its line, a misspelled variable is named on stderr."""
    try:
        settings = read_settings(kind)
    except InvalidSettings as error:
        sys.exit(str(error))
    for name, nearest in unknown_variables(os.environ, variables_of(kind)).items():
        if nearest:  # a variable without a similar one may be the service's
            print(unknown_message(name, nearest), file=sys.stderr)
    return settings


def variables_of(kind: type[BaseSettings]) -> tuple[str, ...]:
    """The environment variables that set this kind of settings."""
    return tuple(PREFIX + name.upper() for name in kind.model_fields)


def unknown_variables(environment: Iterable[str], known: Collection[str]) -> dict[str, str | None]:
    """The variables with the prefix LUNAR_ that are none of `known`, each with the nearest one if one is similar."""
    short = [name.removeprefix(PREFIX) for name in known]  # the prefix alone would make every two names similar
    found = {name.upper().removeprefix(PREFIX) for name in environment if name.upper().startswith(PREFIX)}
    nearest = {name: difflib.get_close_matches(name, short, 1, _SIMILAR) for name in sorted(found.difference(short))}
    return {PREFIX + name: PREFIX + similar[0] if similar else None for name, similar in nearest.items()}


def unknown_message(name: str, nearest: str | None) -> str:
    """One sentence about a variable that does nothing."""
    return f"{name} is no setting of Lunar" + (f"; the nearest one is {nearest}." if nearest else ".")


def _line(error: "ErrorDetails") -> str:
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "bool_parsing":
        message = "Input should be true or false"
    return f"{PREFIX}{str(error['loc'][0]).upper()}: {message}."
