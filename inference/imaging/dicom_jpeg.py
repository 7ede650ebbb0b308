"""Colours of a JPEG picture in a DICOM instance, which need not say itself how it stores them."""

import re

# The colour transform in Adobe's marker (ITU-T T.872, 6.5.3) by Photometric Interpretation.
INTERPRETATIONS = {"RGB": 0, "YBR_FULL": 1, "YBR_FULL_422": 1}
_SOI, _SOS = b"\xff\xd8", b"\xff\xda"
_NAMED = re.compile(rb"\xff\xe0..JFIF\x00|\xff\xee..Adobe", re.DOTALL)


def name_colours(frame: bytes, interpretation: str) -> bytes:
    """The stream with a marker for its colours, if it has none; a decoder of JPEG would guess."""
    if _NAMED.search(frame, 0, max(0, frame.find(_SOS))) or not frame.startswith(_SOI):
        return frame
    marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([INTERPRETATIONS[interpretation]])
    return _SOI + marker + frame[len(_SOI) :]
