"""ICC profiles of RGB spaces, and pixels in them, computed in float from the published primaries.

Adobe RGB (1998); SMPTE EG 432-1 with the curve of sRGB for Display P3. The white point is D65, adapted to D50 by
Bradford's matrix, as ICC.1:2010 asks for.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Space(NamedTuple):
    """Chromaticities of red, green and blue; the exponent of its curve, or None for the curve of sRGB."""

    primaries: tuple[tuple[float, float], ...]
    gamma: float | None


SRGB = Space(((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), None)
DISPLAY_P3 = Space(((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), None)
ADOBE_RGB = Space(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)
_D65, _D50 = np.array([0.3127 / 0.3290, 1, 0.3583 / 0.3290]), np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def _to_xyz(space: Space) -> NDArray[np.float64]:
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in space.primaries]).T
    return columns * np.linalg.solve(columns, _D65)


def _linear(levels: NDArray[np.float64], space: Space) -> NDArray[np.float64]:
    if space.gamma:
        return levels**space.gamma
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def _encoded(light: NDArray[np.float64], space: Space) -> NDArray[np.float64]:
    if space.gamma:
        return light ** (1 / space.gamma)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def encode_in(space: Space, srgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The same colours as sRGB pixels [h, w, 3], in another space that holds all of them."""
    light = _linear(srgb / 255, SRGB) @ (np.linalg.inv(_to_xyz(space)) @ _to_xyz(SRGB)).T
    return np.rint(255 * _encoded(light.clip(0, 1), space)).astype(np.uint8)


def srgb_of_lab(lab: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB levels 0..255 of CIE L*a*b* [h, w, 3] under D50 (CIE 15:2004)."""
    middle = (lab[..., 0] + 16) / 116
    roots = np.stack([middle + lab[..., 1] / 500, middle, middle - lab[..., 2] / 200], axis=-1)
    xyz = _D50 * np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    light = xyz @ (np.linalg.inv(_to_xyz(SRGB)) @ np.linalg.inv(_adaptation())).T
    return 255 * _encoded(light.clip(0, 1), SRGB)


def _adaptation() -> NDArray[np.float64]:
    """From XYZ under D65 to XYZ under D50."""
    return np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ _D65)) @ _BRADFORD


def rgb_profile(space: Space) -> bytes:
    """A matrix profile (ICC.1:2010, 8.3.3)."""
    columns = (_adaptation() @ _to_xyz(space)).T

    def fixed(*values: float) -> bytes:
        return b"".join(round(value * 65536).to_bytes(4, "big", signed=True) for value in values)

    if space.gamma:
        curve = b"curv" + bytes(4) + (1).to_bytes(4, "big") + round(space.gamma * 256).to_bytes(2, "big") + b"\0\0"
    else:
        curve = b"para" + bytes(4) + (3).to_bytes(2, "big") + bytes(2)
        curve += fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    text = b"mluc" + bytes(4) + (0).to_bytes(4, "big") + (12).to_bytes(4, "big")
    tags = {b"desc": text, b"cprt": text, b"wtpt": b"XYZ " + bytes(4) + fixed(*_D50)}
    tags |= {
        name: b"XYZ " + bytes(4) + fixed(*column)
        for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
    }
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    offset, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        table += name + (offset + len(body)).to_bytes(4, "big") + len(content).to_bytes(4, "big")
        body += content
    header = (offset + len(body)).to_bytes(4, "big") + bytes(4) + bytes.fromhex("04000000") + b"mntrRGB XYZ "
    header += bytes(12) + b"acsp" + bytes(28) + fixed(*_D50) + bytes(48)
    return header + len(tags).to_bytes(4, "big") + table + body
