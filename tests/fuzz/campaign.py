"""A coverage-guided run over every target, for a bounded time each: what `make fuzz` does.

    python tests/fuzz/campaign.py --seconds 60 [TARGET...]

Each target has a folder below `build/fuzz`: `corpus`, which later runs go on from, and `findings`, inputs that broke a
law, hung or took too much memory. A finding is repeated by `python tests/fuzz/target.py TARGET FILE`; once mended, it
goes into `test_findings.py`. Exits with 1 where there is one.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from laws import KINDS
from seeds import recorded, spoken

TARGETS = (*KINDS, "sse", "refusal")
LONGEST = 4096
"""Bytes of an input. Every limit is reached with less, and longer ones are slow."""

SLOWEST_SECONDS = 5
LARGEST_MEGABYTES = 512

HEAD = "| target | inputs | branches reached | features | corpus | findings |\n| --- | --- | --- | --- | --- | --- |\n"
HERE = Path(__file__).parent


def seeds(target: str) -> Iterable[bytes]:
    """What a corpus begins with."""
    match target:
        case "sse":
            yield from (wire for kind in KINDS if kind != "ollama" for wire in spoken(kind))
        case "refusal":
            yield from (
                b'30\n{"error":{"message":"Slow down.","type":"rate_limit_error","code":"busy"}}',
                b'\n{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"36s"}]}}',
                b"Wed, 21 Oct 2026 07:28:00 GMT\n<html>Bad gateway</html>",
                b'nan\n{"error":"maximum context length exceeded","detail":[{"msg":"x"}]}',
            )
        case _:
            yield from (wire + bytes(3) for wire in (*spoken(target), *recorded(target, LONGEST - 3)))


def run(target: str, seconds: int, home: Path) -> tuple[str, int]:
    """One target for so long: a line of the table, and the number of its findings."""
    corpus, findings = home / target / "corpus", home / target / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds(target):
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    begun = set(findings.iterdir())
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST,
        "timeout": SLOWEST_SECONDS,
        "rss_limit_mb": LARGEST_MEGABYTES,
        "artifact_prefix": f"{findings}/",
        "print_final_stats": 1,
    }
    done = subprocess.run(
        [sys.executable, HERE / "target.py", target, *(f"-{name}={value}" for name, value in options.items()), corpus],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    found = sorted(path.name for path in set(findings.iterdir()) - begun)
    if found or done.returncode:
        sys.stderr.write(done.stderr[-4000:])
    runs = int((re.findall(r"number_of_executed_units: (\d+)", done.stderr) or ["0"])[-1])
    features = (re.findall(r"cov: (\d+) ft: (\d+)", done.stderr) or [("0", "0")])[-1]
    line = f"| {target} | {runs:,} | {features[0]} | {features[1]} | {len(list(corpus.iterdir())):,} | {len(found)} |\n"
    return line, len(found) or done.returncode


def main() -> None:
    """Run what the arguments name, and print a table."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("targets", nargs="*", choices=[[], *TARGETS], metavar="TARGET", help=", ".join(TARGETS))
    arguments.add_argument("--seconds", type=int, default=60, help="for each target")
    arguments.add_argument("--home", type=Path, default=Path("build/fuzz"))
    chosen = arguments.parse_args()
    failed = 0
    sys.stdout.write(HEAD)
    for target in chosen.targets or TARGETS:
        line, found = run(target, chosen.seconds, chosen.home)
        sys.stdout.write(line)
        sys.stdout.flush()
        failed += bool(found)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
