"""Images that cannot be pulled here, made from Debian's packages under the same names. They prove the files of this
project, not the official images."""

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.deploy.engine import Engine

_HERE = Path(__file__).parent
_SUITES = {  # a Debian that the stand-ins are made of, and what it holds from the beginning
    "bookworm": "ca-certificates,python3,python3-pip,python3-venv",
    "trixie": "ca-certificates",
}
_PYTHON = """FROM lunar-stand-in:bookworm
RUN rm /usr/lib/python3.11/EXTERNALLY-MANAGED && ln -s /usr/bin/python3 /usr/local/bin/python \
    && ln -s /usr/bin/pip3 /usr/local/bin/pip
"""
_CERTIFICATES = Path("/usr/local/share/ca-certificates")  # of the machine, where its network needs some of its own


def provide(engine: Engine, images: set[str], *, scratch: Path) -> dict[str, str]:
    """Make sure that the engine has these images: it has them, pulls them, or gets stand-ins. By image: which.

    Raises KeyError for one that has no stand-in.
    """
    origins, reachable = {}, True
    for image in sorted(images):
        origins[image] = "there"
        if not engine.run("images", "--quiet", image):
            reachable = reachable and not subprocess.run([engine.docker, "pull", "--quiet", image]).returncode
            origins[image] = "pulled" if reachable else "stand-in"
            if not reachable:
                _stand_in(engine, image, scratch=scratch)
    return origins


def _stand_in(engine: Engine, image: str, *, scratch: Path) -> None:
    recipes = {"python:3.11-slim-bookworm": ("bookworm", _PYTHON)} | {
        name: ("trixie", (_HERE / f"{file}.Dockerfile").read_text())
        for name, file in {
            "haproxy:3.0-bookworm": "haproxy",
            "postgres:17-bookworm": "postgres",
            "prom/prometheus:v3.5.0": "prometheus",
        }.items()
    }
    suite, recipe = recipes[image]
    if not engine.run("images", "--quiet", f"lunar-stand-in:{suite}"):
        _bootstrap(engine, suite, scratch=scratch)
    engine.build(recipe, image, context=_HERE)


def _bootstrap(engine: Engine, suite: str, *, scratch: Path) -> None:
    with TemporaryDirectory(dir=scratch) as folder:
        root = Path(folder) / suite
        command = ["debootstrap", "--variant=minbase", f"--include={_SUITES[suite]}", suite, str(root)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for certificate in _CERTIFICATES.glob("*.crt"):
            shutil.copy(certificate, root / _CERTIFICATES.relative_to("/"))
        subprocess.run(["chroot", str(root), "update-ca-certificates"], check=True, stdout=subprocess.DEVNULL)
        (root / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
        for cache in ("var/cache/apt", "var/lib/apt/lists"):  # the official images have neither
            shutil.rmtree(root / cache)
        command = [engine.docker, "import", "-", f"lunar-stand-in:{suite}"]
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as archive:
            subprocess.run(command, check=True, stdin=archive.stdout, stdout=subprocess.DEVNULL)
        if archive.returncode:
            raise RuntimeError(f"{root} could not be packed")
