"""python -m tests.fuzz decode|bundle SECONDS: coverage-guided fuzzing. An exception that is not ours ends it.

decode: image.decode, starting from mutated drawn images. bundle: the bundle's reader, fed manifests, heads and golden
cases that begin as valid ones. What crashed lies in the folder `fuzz-findings`.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["PIL", "inference"]):
    from inference import bundle, image

from tests.fakes import write_fake_bundle
from tests.mutations import mutations, originals

FINDINGS = Path("fuzz-findings")
PIXELS = 1_000_000  # more would only cost time
PARTS = (bundle.MANIFEST, bundle.HEAD, bundle.GOLDEN)


def decode(data: bytes) -> None:
    """Bytes become a picture or an ImageError."""
    try:
        image.decode(data, max_pixels=PIXELS)
    except image.ImageError:
        return


def read_bundles(folder: Path) -> Callable[[bytes], None]:
    """One file of a valid bundle is replaced: it opens, or is an InvalidBundle. No hash is compared, to get further."""
    valid = write_fake_bundle(folder / "bundle").path
    contents = {name: (valid / name).read_bytes() for name in PARTS}
    bundle._verify_files = lambda *_: None  # type: ignore[assignment]

    def read(data: bytes) -> None:
        name = PARTS[data[0] % len(PARTS)] if data else PARTS[0]
        (valid / name).write_bytes(data[1:])
        try:
            bundle.open_bundle(valid)
        except bundle.InvalidBundle:
            return
        finally:
            (valid / name).write_bytes(contents[name])

    return read


def seeds(kind: str, folder: Path) -> Iterator[bytes]:
    """Where the fuzzer begins."""
    if kind == "decode":
        yield from originals()
        yield from mutations(200)
        return
    for number, name in enumerate(PARTS):
        yield bytes([number]) + (folder / "bundle" / name).read_bytes()


def main(kind: str, seconds: str) -> None:
    """Fuzz until the time is up or something broke."""
    FINDINGS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        target = decode if kind == "decode" else read_bundles(folder)
        corpus = folder / "corpus"
        corpus.mkdir()
        for number, data in enumerate(seeds(kind, folder)):
            (corpus / str(number)).write_bytes(data)
        options = [
            f"-max_total_time={seconds}",
            f"-artifact_prefix={FINDINGS}/{kind}-",
            "-max_len=60000",
            "-timeout=20",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
