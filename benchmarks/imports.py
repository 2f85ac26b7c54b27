"""The cost of imports at an app's start: ``python -m benchmarks.imports``.

Interpreters are started in turns: bare, importing the package and its middleware, the same and
making a middleware as on the platform, and importing flask. Printed is the median over the rounds
of the time added to a bare start, and which third-party modules were loaded.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from statistics import median

OURS = "from appsvc_runtime import AppServiceMiddleware"
MADE = (
    f"{OURS}; AppServiceMiddleware(print, environ="
    "{'WEBSITE_SITE_NAME': 'x', 'WEBSITE_INSTANCE_ID': 'y'})"
)
SIDES = {
    "bare Python": "pass",
    "appsvc_runtime": OURS,
    "  and one made": MADE,
    "flask": "import flask",
    "flask, and one made": f"import flask; {MADE}",
}
THIRD_PARTY = (
    "import sys; print(' '.join(sorted({m.partition('.')[0] for m in sys.modules}"
    " - set(sys.stdlib_module_names) - {'appsvc_runtime', '__main__'})))"
)


def seconds(code: str) -> float:
    """Return the time of one interpreter, from start to end."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=31)
    rounds = parser.parse_args().rounds
    found: dict[str, list[float]] = {side: [] for side in SIDES}
    for _ in range(rounds):
        for side, code in SIDES.items():
            found[side].append(seconds(code))
    bare = median(found["bare Python"])
    print(f"bare start {bare * 1000:.1f} ms")
    for side, code in list(SIDES.items())[1:]:
        loaded = subprocess.run(
            [sys.executable, "-c", f"{code}; {THIRD_PARTY}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        before = subprocess.run(
            [sys.executable, "-c", THIRD_PARTY], check=True, capture_output=True, text=True
        ).stdout.split()
        extra = ", ".join(sorted(set(loaded) - set(before))) or "none"
        print(
            f"  {side:20} adds {(median(found[side]) - bare) * 1000:6.1f} ms   third-party: {extra}"
        )


if __name__ == "__main__":
    main()
