"""Where models come from: the environment variables that the service, the CLIs and training share."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RegistrySettings(BaseSettings):
    """Read from the environment (prefix LUNAR_)."""

    model_config = SettingsConfigDict(env_prefix="LUNAR_", frozen=True, extra="ignore")

    home: Path = Field(Path(".lunar"), description="Local registry and cache of downloaded bundles")
    tracking_uri: str | None = Field(None, description="MLflow server; default: a sqlite file under LUNAR_HOME")
    model_name: str = Field("skin-lesion", description="Registered model")
    model_alias: str = Field("champion", description="Alias that is served")
