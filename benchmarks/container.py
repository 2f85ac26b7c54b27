"""The Linux container, measured: ``python -m benchmarks.container [--rounds N]``.

  build    the second ``appsvc build`` without changes against the first, of a Flask site and of a
           Django site with collectstatic; each first one in a new folder. Goal: 0.10
  explain  the whole command ``appsvc explain`` on trees of 50,000 files. Goal: 0.3 s

``benchmarks.frontend`` measures the cost of the front end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

GOAL_BUILD, GOAL_EXPLAIN = 0.10, 0.3
FILES = 50_000
_APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12")])
    return [b"hello, world"]
"""
_MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
_SETTINGS = """
SECRET_KEY = "of a benchmark"
INSTALLED_APPS = ["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
                  "django.contrib.sessions", "django.contrib.messages",
                  "django.contrib.staticfiles"]
STATIC_URL, STATIC_ROOT = "static/", "staticfiles"
"""
SITES = {
    "flask": {"app.py": _APP, "requirements.txt": "flask\n"},
    "django": {
        "app.py": _APP,
        "requirements.txt": "django\n",
        "manage.py": _MANAGE,
        "settings.py": _SETTINGS,
    },
}


def appsvc(*arguments: str) -> float:
    """Run a command to its end; return the seconds that it took."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "appsvc_runtime", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"appsvc {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
    return time.perf_counter() - began


def make(folder: Path, files: dict[str, str]) -> Path:
    """Make a site."""
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    return folder


def measure_build(folder: Path, rounds: int) -> bool:
    """Print both times and the ratio for each site; return whether the goal was met."""
    good = True
    for name, files in SITES.items():
        found = []
        for number in range(rounds):
            site = make(folder / f"{name}-{number}" / "site", files)
            found.append((appsvc("build", str(site)), appsvc("build", str(site))))
        ratio = median(second / first for first, second in found)
        first, second = (median(times) for times in zip(*found, strict=True))
        print(f"build, {name}: first {first:.2f} s, second {second:.2f} s, ratio {ratio:.3f}")
        good = good and ratio <= GOAL_BUILD
    return good


def trees(folder: Path) -> Iterator[tuple[str, Path]]:
    """Make trees of 50,000 files: flat, in folders, deep, as an installed node_modules."""
    shapes = {
        "flat": lambda n: "",
        "1,000 folders": lambda n: f"d{n % 1000:04}/",
        "deep": lambda n: "/".join(f"d{digit}" for digit in f"{n % 2000:04}") + "/",
        "node_modules": lambda n: f"node_modules/p{n % 1000}/lib/",
    }
    for name, place in shapes.items():
        tree = folder / name.replace(",", "").replace(" ", "-")
        for number in range(FILES):
            path = tree / place(number) / f"file{number}.txt"
            if number < 2000 or not path.parent.is_dir():
                path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        yield name, tree


def measure_explain(folder: Path, rounds: int) -> bool:
    """Print the command's time on each tree, beside that of Python alone.

    Return whether the goal was met.
    """
    good = True
    for name, tree in trees(folder):
        found = []
        for _ in range(rounds):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], check=True)
            bare = time.perf_counter() - began
            found.append((bare, appsvc("explain", str(tree))))
        bare, whole = (median(times) for times in zip(*found, strict=True))
        print(f"explain, {name}: {whole:.3f} s, of which Python's own start {bare:.3f} s")
        good = good and whole <= GOAL_EXPLAIN
    return good


def main() -> int:
    """Measure everything; return 0 if all goals were met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("parts", nargs="*", default=["build", "explain"])
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}")
    good = []
    with tempfile.TemporaryDirectory(prefix="container-") as name:
        folder = Path(name)
        if "build" in options.parts:
            good.append(measure_build(folder, options.rounds))
        if "explain" in options.parts:
            good.append(measure_explain(folder, options.rounds))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
