"""All fuzz runs in full: ``python -m benchmarks.fuzz``.

100,000 mutated web.config files and 1,000,000 mutated FastCGI streams: some minutes on two cores.
Every run of the tests includes a small part of the same. Exit code 1 if anything but a typed error
was raised, or if memory grew past the limit. ``benchmarks.fuzz_webconfig`` and
``benchmarks.fuzz_fastcgi`` run one of them, with another count or seed.
"""

from __future__ import annotations

import subprocess
import sys

__all__ = ["main"]


def main() -> int:
    """Run each in a new process, so that each one's memory is measured separately."""
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
        for name in ("fuzz_webconfig", "fuzz_fastcgi")
    ]
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
