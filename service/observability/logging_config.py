"""Logging: JSON lines on stderr; the lines of requests also go to the audit file."""

import json
import logging
import warnings
from contextvars import ContextVar
from typing import Any

from service.observability.audit_log_file import AuditFile
from service.settings import Settings

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}

# What a terminal or a reader of lines would obey: DEL, C1, other ends of lines, directions of writing.
_CONTROLS = (0x7F, *range(0x80, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\u{code:04x}" for code in _CONTROLS}
_LONGEST, _LONGEST_EXCEPTION = 2000, 20_000  # characters of one value

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)

log = logging.getLogger("service.request")


class JsonFormatter(logging.Formatter):
    """One JSON object per line; the keys of `extra` become keys of the object.

    Control characters are escaped, and long values are cut: callers choose paths, and exceptions may quote them.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See logging.Formatter."""
        content: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        content |= {key: value for key, value in vars(record).items() if key not in _STANDARD}
        content = {key: _cut(value, _LONGEST) for key, value in content.items()}
        if traced := trace_id.get():
            content["trace_id"] = traced
        if record.exc_info:
            content["exception"] = _cut(self.formatException(record.exc_info), _LONGEST_EXCEPTION)
        line = json.dumps(content, ensure_ascii=False, default=str).translate(_ESCAPES)
        return line.encode("utf-8", "backslashreplace").decode("utf-8")  # half a surrogate pair cannot be written


def _cut(value: object, limit: int) -> object:
    """The value; a text that is longer keeps its begin and its end, where an exception has its cause."""
    if not isinstance(value, str) or len(value) <= limit:
        return value
    return f"{value[: limit // 2]} ...{len(value) - limit:,} characters... {value[-limit // 2 :]}"


def configure_logging(settings: Settings) -> None:
    """Log everything as JSON lines, Python's warnings too. Raises OSError if the audit file cannot be opened."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    handler.setLevel(settings.log_level.upper())
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    logging.captureWarnings(True)
    # Pillow's messages about a damaged file may quote its metadata; the answer already reports the damage.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL)
    _silence_dicom()
    if settings.audit_file:
        log.setLevel(logging.INFO)  # the audit file gets every request, whatever the log level
        audit = AuditFile(settings.audit_file, days=settings.audit_days)
        audit.setFormatter(JsonFormatter())
        log.addHandler(audit)
    logging.getLogger("uvicorn.access").disabled = True  # RequestLog writes one line per request
    for verbose in ("alembic", "mlflow"):
        logging.getLogger(verbose).setLevel(logging.WARNING)


def _silence_dicom() -> None:
    """What pydicom and highdicom say quotes names, dates and identifiers of patients.

    Their loggers get no way on instead of a level: pydicom sets its level itself when it is imported.
    """
    warnings.filterwarnings("ignore", module=r"(pydicom|highdicom|service\.representations)\b")
    for name in ("pydicom", "highdicom"):
        quoting = logging.getLogger(name)
        quoting.addHandler(logging.NullHandler())
        quoting.propagate = False
