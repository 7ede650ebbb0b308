"""MLflow's client: its settings, and its errors as those of inference.registry.errors."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from inference.bundle.storage import InvalidBundle
from inference.registry.errors import NoSuchModel, NotMlflow, RegistryRefused, RegistryUnavailable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

DISK_FULL = os.strerror(errno.ENOSPC)
_LONGEST = 500  # characters of MLflow's message: it may quote a whole page
_SECRETS = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # MLflow 3.17 would draw it into the log
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # the default, 7 retries with back-off, takes minutes to fail
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds without receiving a byte
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",  # loading an artifact must not run its code
}


def configure_mlflow() -> None:
    """Set defaults of MLflow's environment variables: no telemetry, few log messages, short retries.

    Variables that are set already are kept. Call this before MLflow is imported, because it reads some on import.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def mlflow_client(tracking_uri: str) -> Iterator["MlflowClient"]:
    """A client whose errors become those of inference.registry.errors, or OSError if the disk is full."""
    configure_mlflow()
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    address = without_secrets(tracking_uri)
    try:
        yield MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)
    except MlflowException as error:
        if _says_disk_full(error):
            raise OSError(errno.ENOSPC, DISK_FULL) from error
        raise _translated(error, tracking_uri) from error
    except (InvalidBundle, NoSuchModel, RegistryUnavailable):
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise RegistryUnavailable(f"MLflow at {address} failed: {without_secrets(str(error))}") from error
    except ImportError as error:  # MLflow imports the packages of a kind of store when it opens one
        raise RegistryUnavailable(f"MLflow at {address} needs a package that is not here: {error}") from error
    except Exception as error:
        # For an answer that is no JSON, or not MLflow's JSON, MLflow's client may raise anything.
        words = without_secrets(f"{type(error).__name__}: {error}")
        raise NotMlflow(f"The server at {address} does not answer like MLflow: {words}") from error


def without_secrets(text: str) -> str:
    """The text in one line of limited length, without user names, passwords and tokens."""
    text = re.sub(r"//[^/@\s]*@", "//", text)
    for name in _SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _translated(error: "MlflowException", tracking_uri: str) -> Exception:
    from mlflow.exceptions import RestException

    message, address = without_secrets(error.message), without_secrets(tracking_uri)
    over_http = tracking_uri.startswith(("http:", "https:"))
    if over_http and "failed with exception" in error.message:  # MLflow 3.17: no connection, or no answer
        return RegistryUnavailable(f"MLflow at {address} failed: {message}")
    if over_http and not (isinstance(error, RestException) and "error_code" in error.json):
        return NotMlflow(f"The server at {address} does not answer like MLflow: {message}")
    # MLflow 3.17 reports an unknown alias as an invalid parameter.
    if error.error_code == "RESOURCE_DOES_NOT_EXIST" or ("alias" in message and "not found" in message):
        return NoSuchModel(message)
    return RegistryRefused(f"MLflow at {address} failed: {message}")


def _says_disk_full(error: BaseException | None) -> bool:
    """Whether an error or one of its causes reports a full disk; MLflow 3.17 wraps errors or quotes their text."""
    while error:
        if DISK_FULL in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False
