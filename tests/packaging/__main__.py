"""`make package`: the distributions install into bare environments, and stream there.

    python tests/packaging DIST WORK [PYTHON …]
    python tests/packaging --oldest

The wheel in DIST is installed with the oldest versions that it allows on the first PYTHON, the source distribution with
the newest ones on the last; both then run `smoke.py`, in environments that are made in WORK. The second form lists the
oldest versions.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.parser import BytesParser
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement

SMOKE = Path(__file__).with_name("smoke.py")

KNOWN_WARNING = "ignore:'AbstractChildWatcher' is deprecated:DeprecationWarning"
"""trio-asyncio's, on Python 3.12 and 3.13."""


def oldest(requirements: Iterable[str]) -> list[str]:
    """Requirements that admit the lowest version of each alone, extras left out.

    >>> oldest(["trio>=0.34", 'trio-asyncio>=0.16; python_version < "3.14"', 'genai-prices>=0.2; extra == "prices"'])
    ['trio==0.34', 'trio-asyncio==0.16; python_version < "3.14"']
    """
    found = []
    for requirement in map(Requirement, requirements):
        if requirement.marker is not None and "extra" in str(requirement.marker):
            continue
        [lowest] = [each.version for each in requirement.specifier if each.operator in (">=", "==")]
        marker = f"; {requirement.marker}" if requirement.marker else ""
        found.append(f"{requirement.name}=={lowest}{marker}")
    return found


def requirements_of(wheel: Path) -> list[str]:
    """What a wheel declares."""
    with ZipFile(wheel) as archive:
        [described] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return BytesParser().parsebytes(archive.read(described)).get_all("Requires-Dist", [])


def check(python: str, environment: Path, what: Sequence[str]) -> str:
    """Install `what` into a new environment, let it stream, and tell what it did that with."""
    run([python, "-m", "venv", str(environment)])
    run([str(environment / "bin" / "python"), "-m", "pip", "-qq", "install", "--no-compile", *what])
    return run([str(environment / "bin" / "python"), "-I", "-W", "error", "-W", KNOWN_WARNING, str(SMOKE)])


def run(command: Sequence[str]) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def main(dist: Path, work: Path, *pythons: str) -> None:
    [wheel], [sdist] = dist.glob("*.whl"), dist.glob("*.tar.gz")
    first, last = (pythons[0], pythons[-1]) if pythons else (sys.executable, sys.executable)
    with ThreadPoolExecutor() as pool:
        told = [
            pool.submit(check, first, work / "oldest", [str(wheel), *oldest(requirements_of(wheel))]),
            pool.submit(check, last, work / "newest", [str(sdist)]),
        ]
        for name, future in zip(("oldest, from the wheel", "newest, from the source"), told, strict=True):
            sys.stdout.write(f"{name}: {future.result()}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--oldest"]:
        sys.stdout.write("\n".join(oldest(metadata.requires("gestura") or ())) + "\n")
        sys.exit()
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
