"""The model that would be served: settings, registry, cache, runtime and precision."""

import os
from collections.abc import Iterator

from inference.bundle.storage import Bundle, InvalidBundle
from inference.registry.bundle_cache import BundleCache, CacheUnwritable
from inference.registry.errors import NoSuchModel, RegistryUnavailable
from inference.registry.mlflow_client import without_secrets
from inference.registry.mlflow_registry import Registry
from inference.runtimes import GoldenMismatch, RuntimeUnavailable, open_runtime, verify_golden_cases
from inference.settings import InvalidSettings, read_settings, unknown_message
from lunar.doctor import machine
from lunar.doctor.check_result import CheckResult
from service.settings import Settings, misspelled


def check() -> Iterator[CheckResult]:
    """Each after what it needs."""
    yield machine.processor()
    try:
        settings = read_settings(Settings)
    except InvalidSettings as error:
        yield from (CheckResult("settings", "failed", line) for line in str(error).splitlines())
        return
    yield from _settings(settings)
    disk = machine.disk(settings.home)
    yield disk
    if disk.level != "failed":
        yield from _model(settings)


def _settings(settings: Settings) -> Iterator[CheckResult]:
    changed = [f"LUNAR_{name.upper()}" for name in sorted(settings.model_fields_set)]
    yield CheckResult("settings", "ok", f"set: {', '.join(changed)}" if changed else "all have their defaults")
    for name, nearest in misspelled(os.environ).items():
        yield CheckResult("settings", "warning", unknown_message(name, nearest))
    if not (settings.on_loopback or settings.keys_file or settings.keys or settings.without_keys):
        words = f"LUNAR_HOST={settings.host} needs API keys: LUNAR_KEYS_FILE, or LUNAR_WITHOUT_KEYS=true"
        yield CheckResult("settings", "failed", words)


def _model(settings: Settings) -> Iterator[CheckResult]:
    registry = Registry(settings)
    address = without_secrets(registry.tracking_uri)
    name = f"{settings.model_name}@{settings.model_alias}"
    try:
        version = registry.resolve(settings.model_alias)
        yield CheckResult("registry", "ok", f"{address}: {name} is version {version.version} ({version.digest[:12]})")
        bundle = BundleCache(settings.home).fetch(version, registry)
    except NoSuchModel as error:
        yield CheckResult("registry", "failed", f"{address}: there is no {name} to serve: {error}")
    except RegistryUnavailable as error:
        yield CheckResult("registry", "failed", str(error))
    except (CacheUnwritable, InvalidBundle, OSError) as error:
        yield CheckResult("cache", "failed", str(error))
    else:
        yield CheckResult("cache", "ok", f"{bundle.path} holds the verified bundle")
        yield _runtime(bundle, settings)


def _runtime(bundle: Bundle, settings: Settings) -> CheckResult:
    try:
        runtime = open_runtime(bundle, name=settings.runtime, precision=settings.precision)
        difference = verify_golden_cases(runtime, bundle)
    except (GoldenMismatch, RuntimeUnavailable) as error:
        return CheckResult("runtime", "failed", str(error))
    return CheckResult(
        "runtime",
        "ok",
        f"{runtime.name}, {runtime.graph}: {runtime.reason} Golden cases differ by {difference:.1g} at most.",
    )
