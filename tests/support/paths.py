"""Where the project and its starter bundle lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "models" / "starter"
