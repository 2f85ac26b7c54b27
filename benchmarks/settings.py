"""The cost of reading settings for an app: ``python -m benchmarks.settings``.

In one process whose environment has 200 variables (60 app settings with their twins, five
connection strings, those of the platform and its container), in turns: ``dict(os.environ)``,
``load_settings()``, ``settings.read()`` of a dataclass of ten fields, both together, and a
``BaseSettings`` of pydantic-settings that reads the same ten fields. Printed is the median over the
rounds of the time of one call, and its ratios to the first and to the last.

Then interpreters are started in turns, with the same environment: bare, importing
``appsvc_runtime.settings.load``, importing ``pydantic_settings``, and each reading the ten fields,
as an app does once. Printed is the median of the time added to a bare start, that of the first
reading alone, and which third-party modules were loaded.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from appsvc_runtime import load_settings

from .imports import THIRD_PARTY

ROOT = Path(__file__).resolve().parent.parent
GOAL = 1000  # microseconds that load_settings() may take
VARIABLES = 200
# The fields that both sides read; the values are written so that both get the same result.
TEN = {
    "SITE_TITLE": "My site",
    "CACHE_SECONDS": "300",
    "SAMPLE_RATE": "0.25",
    "FEATURE_SEARCH": "true",
    "SESSION_LIFETIME": "01:30:00",
    "UPLOAD_FOLDER": "/home/data/uploads",
    "SEARCH_URL": "https://search.example.com/",
    "ADMIN_EMAILS": '["a@example.com", "b@example.com"]',
    "API_KEY": "0123456789abcdef0123456789abcdef",
    "RETRY_LIMITS": '{"connect": 3, "read": 5}',
}
APP_SETTINGS = TEN | {f"SECTION{n // 10}__OPTION{n % 10}": f"value {n}" for n in range(50)}
CONNECTION_STRINGS = {
    "SQLAZURECONNSTR_main": "Server=tcp:mysite.database.windows.net,1433;Initial Catalog=main;"
    "User ID=app;Password=secret;Encrypt=True;TrustServerCertificate=False;Connection Timeout=30;",
    "POSTGRESQLCONNSTR_orders": "Server=mysite.postgres.database.azure.com;Database=orders;"
    "Port=5432;User Id=app;Password=secret;Ssl Mode=Require;",
    "MYSQLCONNSTR_shop": "Server=mysite.mysql.database.azure.com;Port=3306;Database=shop;"
    "User Id=app;Password=secret;SslMode=Required;",
    "REDISCACHECONNSTR_cache": "mysite.redis.cache.windows.net:6380,password=secret,ssl=True",
    "CUSTOMCONNSTR_blobs": "DefaultEndpointsProtocol=https;AccountName=mysite;AccountKey=c2VjcmV0;"
    "EndpointSuffix=core.windows.net",
}
# These have twins too: the platform makes them for these as for app settings.
PLATFORM = {
    "REGION_NAME": "West Europe",
    "SCM_USE_LIBGIT2SHARP_REPOSITORY": "0",
    "ScmType": "None",
    "WEBSITE_AUTH_ENABLED": "False",
    "WEBSITE_AUTH_LOGOUT_PATH": "/.auth/logout",
    "WEBSITE_DEFAULT_HOSTNAME": "mysite.azurewebsites.net",
    "WEBSITE_HOSTNAME": "mysite.azurewebsites.net",
    "WEBSITE_INSTANCE_ID": "0123abcd" * 8,
    "WEBSITE_OWNER_NAME": "00000000-0000-0000-0000-000000000000+mygroup-WestEuropewebspace-Linux",
    "WEBSITE_RESOURCE_GROUP": "mygroup",
    "WEBSITE_SITE_NAME": "mysite",
    "WEBSITE_SKU": "PremiumV3",
    "WEBSITE_SLOT_NAME": "Production",
    "WEBSITES_CONTAINER_START_TIME_LIMIT": "230",
    "WEBSITES_ENABLE_APP_SERVICE_STORAGE": "true",
}
CONTAINER = {
    "HOME": "/home",
    "IDENTITY_ENDPOINT": "http://169.254.129.3:8081/msi/token",
    "IDENTITY_HEADER": "00000000-0000-0000-0000-000000000000",
    "LANG": "C.UTF-8",
    "PATH": os.defpath,
    "PORT": "8000",
    "WEBSITE_ROLE_INSTANCE_ID": "0",
}

OURS = """\
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from appsvc_runtime import Secret, Url, load_settings


@dataclass
class Fields:
    site_title: str
    cache_seconds: int
    sample_rate: float
    feature_search: bool
    session_lifetime: timedelta
    upload_folder: Path
    search_url: Url
    admin_emails: list[str]
    api_key: Secret
    retry_limits: dict[str, int]


def read():
    return load_settings().read(Fields)
"""
PYDANTIC = """\
from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pydantic import AnyUrl, SecretStr
from pydantic_settings import BaseSettings


class Fields(BaseSettings):
    site_title: str
    cache_seconds: int
    sample_rate: float
    feature_search: bool
    session_lifetime: timedelta
    upload_folder: Path
    search_url: AnyUrl
    admin_emails: list[str]
    api_key: SecretStr
    retry_limits: dict[str, int]


def read():
    return Fields()
"""
MODELS = {"bench_ours": OURS, "bench_pydantic": PYDANTIC}

READ = (
    "import time, {0}; started = time.perf_counter(); {0}.read(); "
    "print((time.perf_counter() - started) * 1000)"
)
STARTS = {
    "bare Python": "pass",
    "import appsvc_runtime.settings.load": "import appsvc_runtime.settings.load",
    "import pydantic_settings": "import pydantic_settings",
    "ten fields, appsvc_runtime": READ.format("bench_ours"),
    "ten fields, pydantic": READ.format("bench_pydantic"),
}


def environment() -> dict[str, str]:
    """Return the 200 variables; links to other containers make up the number."""
    twice = APP_SETTINGS | PLATFORM
    twins = {f"APPSETTING_{name}": value for name, value in twice.items()}
    found = twice | twins | CONNECTION_STRINGS | CONTAINER
    return found | {f"SERVICE_{n}_HOST": "10.0.0.1" for n in range(VARIABLES - len(found))}


def sides() -> dict[str, Callable[[], Any]]:
    """Return the calls to measure, all with `os.environ` as it is now."""
    ours = importlib.import_module("bench_ours")
    settings = load_settings()
    return {
        "dict(os.environ)": lambda: dict(os.environ),
        "load_settings()": load_settings,
        "settings.read(ten fields)": lambda: settings.read(ours.Fields),
        "load_settings().read(…)": ours.read,
        "pydantic BaseSettings": importlib.import_module("bench_pydantic").read,
    }


def check(ours: Any, theirs: Any) -> None:
    """Exit if the two sides read different values from the same variables."""
    for name in (field.lower() for field in TEN):
        one, other = getattr(ours, name), getattr(theirs, name)
        if name == "api_key":
            one, other = one.reveal(), other.get_secret_value()
        elif name == "search_url":
            other = str(other)
        if one != other:
            raise SystemExit(f"The sides differ in {name}: {one!r} and {other!r}")


def microseconds(call: Callable[[], Any], count: int) -> float:
    """Return the time of one call."""
    started = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - started) / count * 1e6


def started(code: str, environ: dict[str, str]) -> tuple[float, str]:
    """Return the milliseconds of one interpreter, from start to end, and what it printed."""
    begun = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.PIPE, text=True, env=environ
    )
    return (time.perf_counter() - begun) * 1000, result.stdout


def measure_calls(rounds: int, count: int) -> None:
    """Measure the calls in this process, and print them."""
    rows = sides()
    check(rows["load_settings().read(…)"](), rows["pydantic BaseSettings"]())
    found: dict[str, list[float]] = {side: [] for side in rows}
    for _ in range(rounds):
        for side, call in rows.items():
            found[side].append(microseconds(call, count))
    times = {side: median(values) for side, values in found.items()}
    bare, pydantic = times["dict(os.environ)"], times["pydantic BaseSettings"]
    print(f"{len(os.environ)} variables")
    for side, value in times.items():
        goal = f"   goal {GOAL} µs" if side == "load_settings()" else ""
        print(
            f"  {side:26} {value:7.1f} µs   {value / bare:5.2f} of dict(os.environ)   "
            f"{value / pydantic:4.2f} of pydantic{goal}"
        )


def measure_starts(rounds: int, environ: dict[str, str]) -> None:
    """Measure fresh interpreters, and print them."""
    times: dict[str, list[float]] = {side: [] for side in STARTS}
    first: dict[str, list[float]] = {side: [] for side in STARTS}
    for _ in range(rounds):
        for side, code in STARTS.items():
            milliseconds, printed = started(code, environ)
            times[side].append(milliseconds)
            first[side] += map(float, printed.split())
    bare = median(times.pop("bare Python"))
    added = {side: median(values) - bare for side, values in times.items()}
    before = set(started(THIRD_PARTY, environ)[1].split())
    print(f"bare start {bare:.1f} ms")
    for side, value in added.items():
        loaded = started(f"{STARTS[side]}; print(); {THIRD_PARTY}", environ)[1].splitlines()[-1]
        extra = {name for name in loaded.split() if not name.startswith("_sysconfigdata")}
        names = ", ".join(sorted(extra - before - {*MODELS})) or "none"
        read = f", the reading {median(first[side]):5.2f} ms" if first[side] else ""
        print(f"  {side:31} adds {value:6.1f} ms{read}   third-party: {names}")
    sides = list(added)
    for ours, theirs in zip(sides[::2], sides[1::2], strict=True):
        print(f"  {ours:31} {added[ours] / added[theirs]:.2f} of {theirs}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=31)
    parser.add_argument("--calls", type=int, default=200, help="per side and round")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-settings-") as folder:
        for name, source in MODELS.items():
            (Path(folder) / f"{name}.py").write_text(source, "utf-8")
        sys.path.insert(0, folder)
        variables = environment()
        os.environ.clear()
        os.environ.update(variables)
        measure_calls(options.rounds, options.calls)
        paths = os.pathsep.join([folder, str(ROOT)])
        measure_starts(options.rounds, {**variables, "PYTHONPATH": paths})


if __name__ == "__main__":
    main()
