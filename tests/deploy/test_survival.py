"""What outlives containers: down and up, a certificate, and a backup in an empty deployment."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.deploy.stack import Stack
from tests.support import http


def model(stack: Stack, keyed: dict[str, str]) -> tuple[str, str]:
    """Version and digest of what is served."""
    served = stack.ask("GET", "/model", headers=keyed).json()
    return served["model"]["version"], served["manifest"]["digest"]


def test_down_and_up_finds_models_and_runs_again(
    stack: Stack, keyed: dict[str, str], report: dict[str, object]
) -> None:
    before, runs = model(stack, keyed), _runs(stack)
    assert runs > 0
    stack.compose("down")
    assert stack.containers("postgres") == []
    report["up again, until all is healthy, s"] = round(stack.up(), 1)
    assert model(stack, keyed) == before
    assert _runs(stack) == runs, "nothing was lost, and the starter was not published again"


def test_a_certificate_turns_https_on(stack: Stack, tmp_path: Path) -> None:
    certificate, first, second = stack.folder / "secrets/tls/lunar.pem", tmp_path / "1.pem", tmp_path / "2.pem"
    _write_certificate(certificate, first, name="lunar.test")
    stack.settings["LUNAR_TLS"] = "on"
    try:
        stack.up()
        page = _ask_https(stack, "lunar.test", first)
        assert page.status_code == 200
        assert "Secure" in page.headers["set-cookie"]
        assert "max-age" in page.headers["Strict-Transport-Security"]
        moved = stack.ask("GET", "/", headers={"Host": "lunar.test"})
        assert (moved.status_code, moved.headers["Location"]) == (308, "https://lunar.test/")
        _write_certificate(certificate, second, name="lunar.test")
        stack.compose("exec", "-T", "proxy", "sh", "-c", "kill -USR2 1")
        stack.wait(lambda: _is_trusted(stack, second), "the second certificate")
    finally:
        certificate.unlink()
        del stack.settings["LUNAR_TLS"]
        stack.up()


def test_a_backup_fills_an_empty_deployment(
    stack: Stack, keyed: dict[str, str], folder: Path, report: dict[str, object], tmp_path: Path
) -> None:
    """Last: the deployment that it was made of is gone afterwards, on another host, so to say."""
    before, runs = model(stack, keyed), _runs(stack)
    saved = stack.script("backup", str(folder))
    assert saved.returncode == 0, saved.stderr
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}, "for nobody else to read"
    report["backup_MB"] = round(sum(path.stat().st_size for path in folder.iterdir()) / 1e6, 1)
    refused = stack.script("restore", str(folder))
    assert (refused.returncode, "not empty" in refused.stderr) == (1, True)
    assert model(stack, keyed) == before
    stack.compose("down")
    other = Stack(stack.engine, tmp_path / "other-host" / "lunar", project="lunar-restored")
    other.compose("down", "--volumes", check=False)
    try:
        other.make_secrets()
        with (folder / "artifacts.tar").open("r+b") as damaged:
            damaged.seek(1000)
            kept = damaged.read(1)
            damaged.seek(1000)
            damaged.write(bytes([kept[0] ^ 1]))
        assert other.script("restore", str(folder)).returncode == 1, "a damaged backup is not restored"
        with (folder / "artifacts.tar").open("r+b") as mended:
            mended.seek(1000)
            mended.write(kept)
        restored = other.script("restore", str(folder))
        assert restored.returncode == 0, restored.stderr
        other.up()
        assert _runs(other) == runs
        key = (stack.folder / "secrets/keys.txt").read_text()
        with (other.folder / "secrets/keys.txt").open("a") as keys:
            keys.write(key)
        assert model(other, keyed) == before, "downloaded from the restored artifacts: its cache was empty"
    finally:
        other.compose("down", "--volumes", check=False)


def _runs(stack: Stack) -> int:
    counted = stack.compose("exec", "-T", "postgres", "psql", "-U", "mlflow", "-tA", "-c", "SELECT count(*) FROM runs")
    return int(counted)


def _ask_https(stack: Stack, name: str, authority: Path) -> httpx2.Response:
    """As a client that believes this certificate and asks for this name."""
    with http.Client(verify=ssl.create_default_context(cafile=str(authority))) as client:
        named = {"headers": {"Host": name}, "extensions": {"sni_hostname": name}}
        return client.get(f"https://localhost:{stack.tls_port}/", **named)


def _is_trusted(stack: Stack, authority: Path) -> bool:
    try:
        return _ask_https(stack, "lunar.test", authority).status_code == 200
    except httpx2.ConnectError:
        return False


def _write_certificate(target: Path, authority: Path, *, name: str) -> None:
    """Signed by itself; the proxy wants certificate and key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        subject, subject, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    authority.write_bytes(pem)
    target.unlink(missing_ok=True)
    target.write_bytes(pem + private)
    target.chmod(0o444)
