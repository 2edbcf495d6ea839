"""The wrapper makes the environment once, anew when it must, and from nothing but what is locked."""

import hashlib
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

INV = Path(__file__).parents[2] / "inv"


def wheel(folder: Path, version: str) -> str:
    """Make a package with a program `invoke` that prints its version and words; return its line in a locked list."""
    file, info = folder / f"invoke-{version}-py3-none-any.whl", f"invoke-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("invoke.py", f"import sys\ndef main():\n    print('{version}', *sys.argv[1:])\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: invoke\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/entry_points.txt", "[console_scripts]\ninvoke = invoke:main\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"invoke=={version} --hash=sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}\n"


class Checkout:
    """A folder with the wrapper and a locked list of one package, which lies beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
        shutil.copy(INV, folder)
        self.lock("1")

    def lock(self, version: str) -> None:
        (self.folder / "requirements.txt").write_text(wheel(self.folder, version))

    def start(self) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [self.folder / "inv", "some", "words"], env=self.environment, stdout=pipe, stderr=pipe, text=True
        )

    def run(self) -> tuple[str, str]:
        with self.start() as started:
            return started.communicate(timeout=120)


def test_an_environment_is_made_once_and_anew_when_it_must(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    with checkout.start() as one, checkout.start() as two:
        results = [started.communicate(timeout=120) for started in (one, two)]
    assert [out for out, _ in results] == [f"1 --search-root {tmp_path} some words\n"] * 2
    assert [("Installing" in said) for _, said in results].count(True) == 1
    assert checkout.run()[1] == ""
    (tmp_path / ".venv/bin/invoke").unlink()
    checkout.lock("2")
    out, said = checkout.run()
    assert out == f"2 --search-root {tmp_path} some words\n"
    assert "Installing Python packages" in said


def test_a_package_with_another_hash_is_refused(tmp_path: Path) -> None:
    checkout = Checkout(tmp_path)
    wheel(tmp_path, "1")
    (tmp_path / "requirements.txt").write_text(f"invoke==1 --hash=sha256:{'0' * 64}\n")
    out, said = checkout.run()
    assert out == ""
    assert "pip could not install requirements.txt" in said
    assert not (tmp_path / ".venv/commands.stamp").exists()
