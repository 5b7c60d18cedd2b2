"""What figures depend on besides the code: the machine and the versions."""

from __future__ import annotations

import os
import platform
import ssl
from importlib import metadata
from pathlib import Path
from typing import Any, Final

__all__ = ["describe_machine", "versions"]

PACKAGES: Final = (
    *("gestura", "trio", "trio-asyncio", "aiohttp", "msgspec", "attrs", "orjson"),
    *("httpx", "httpx-sse", "openai", "httpx2", "anthropic", "litellm", "pydantic-ai-slim"),
)


def describe_machine() -> dict[str, Any]:
    """Cores, the model of the CPU, Python, the system, and how busy it was."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "openssl": ssl.OPENSSL_VERSION,
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def versions() -> dict[str, str]:
    """Of what is measured and of what it stands on, as far as it is installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
