"""python -m tests.fuzz decode|dicom|bundle SECONDS: coverage-guided fuzzing. An exception that is not ours ends it.

decode: image.decode, starting from mutated drawn images. dicom: the same, from DICOM instances. bundle: the bundle's
reader, fed manifests, heads and golden cases that begin as valid ones. What crashed lies in the folder `fuzz-crashes`.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "pydicom", "inference"]):
    from inference.bundle import storage
    from inference.imaging import decoding, errors

from tests.support.fakes import write_fake_bundle
from tests.support.mutations import dicom_originals, mutations, originals

CRASHES = Path("fuzz-crashes")
PIXELS = 1_000_000  # more would only cost time
PARTS = (storage.MANIFEST, storage.HEAD, storage.GOLDEN)


def decode(data: bytes) -> None:
    """Bytes become a picture or an ImageError."""
    try:
        decoding.decode(data, max_pixels=PIXELS)
    except errors.ImageError:
        return


def read_bundles(folder: Path) -> Callable[[bytes], None]:
    """One file of a valid bundle is replaced: it opens, or is an InvalidBundle. No hash is compared, to get further."""
    valid = write_fake_bundle(folder / "bundle").path
    contents = {name: (valid / name).read_bytes() for name in PARTS}
    storage._verify_files = lambda *_: None  # type: ignore[assignment]

    def read(data: bytes) -> None:
        name = PARTS[data[0] % len(PARTS)] if data else PARTS[0]
        (valid / name).write_bytes(data[1:])
        try:
            storage.open_bundle(valid)
        except storage.InvalidBundle:
            return
        finally:
            (valid / name).write_bytes(contents[name])

    return read


def seeds(kind: str, folder: Path) -> Iterator[bytes]:
    """Where the fuzzer begins."""
    if kind != "bundle":
        start = originals if kind == "decode" else dicom_originals
        yield from start()
        yield from mutations(200, of=start)
        return
    for number, name in enumerate(PARTS):
        yield bytes([number]) + (folder / "bundle" / name).read_bytes()


def main(kind: str, seconds: int) -> None:
    """Fuzz until the time is up or something broke."""
    CRASHES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        target = read_bundles(folder) if kind == "bundle" else decode
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, data in enumerate(seeds(kind, folder)):
            (corpus / str(number)).write_bytes(data)
        options = [
            f"-max_total_time={seconds}",
            f"-artifact_prefix={CRASHES}/{kind}-",
            "-max_len=60000",
            "-timeout=20",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("kind", choices=("decode", "dicom", "bundle"))
    parser.add_argument("seconds", type=int, metavar="SECONDS")
    main(**vars(parser.parse_args()))
