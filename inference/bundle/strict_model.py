"""Base of every model in a bundle's JSON files."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Base of every model in a bundle's JSON files: frozen; a missing or unknown key and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
