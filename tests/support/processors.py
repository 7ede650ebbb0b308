"""Instruction sets: how the tests pretend to run on a processor without AVX-512."""

import os
from pathlib import Path

AVX2_FILE = Path(__file__).with_name("avx2.env")


def avx2_environment() -> dict[str, str]:
    """This process's environment with the settings of avx2.env."""
    lines = [line for line in AVX2_FILE.read_text().splitlines() if line and not line.startswith("#")]
    return os.environ | dict(line.split("=", 1) for line in lines)
