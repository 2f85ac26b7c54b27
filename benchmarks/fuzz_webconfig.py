"""Mutated web.config files for the parser: ``python -m benchmarks.fuzz_webconfig``.

Real files (the App Service article's, Visual Studio's, the examples', one with every section) are
mutated: half of them byte by byte and token by token, re-encoded, cut and spliced; half only in
ways that mostly leave them valid XML. Each is parsed, merged with another for several paths, and
checked. The results must be findings: any exception stops the run and shows the file and its seed.
Printed are the count, the rate, how many files could still be read, and how much the process's peak
memory grew after the first thousand.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from appsvc_runtime.emulator.iis.webconfig.checks import check, kind
from appsvc_runtime.emulator.iis.webconfig.file import Document, parse
from appsvc_runtime.emulator.iis.webconfig.merge import Level, resolve
from appsvc_runtime.findings import Finding, errors

ROOT = Path(__file__).resolve().parent.parent
GOAL = 32  # MB that the memory may grow
WARM_UP = 1000
PATHS = ("", "static/img/a.png", "STATIC", "app/../x")
TOKENS = re.compile(rb"""<!--.*?-->|</?[\w.:-]+|/?>|[\w.:-]+=|"[^"]*"|'[^']*'|\s+|.""", re.DOTALL)
SPLICES = [
    b'<?xml version="1.0" encoding="%s"?>' % name
    for name in (b"utf-8", b"utf-16", b"windows-1252", b"shift_jis", b"rot13", b"idna", b"x" * 50)
] + (
    b'<!DOCTYPE a>|<!DOCTYPE a [<!ENTITY b "c">]>|<![CDATA[|]]>|<!--|-->|<?a?>|&b;|&#0;|&#x10FFFF;|'
    b"&amp;|&lt;|%|%A%|%%|\xff\xfe|\xfe\xff|\xef\xbb\xbf|\0|\xc3\xa9|\xe9|\xed\xa0\x80|\xf0\x9f\x90\x8d|"
    b'"-1"|"0"|"99999999999999999999999"|"1.5"|"true"|"00:02:00"|"1.00:00:00"|"99:99:99"|""|"("|'
    b'"(((((a*)*)*)*)*"|"[z-a]"|"\\"|"(?P<a>"|"a{9,1}"|"a{99999999999}"|".."|"/"|"."|"a//b"|"*"|'
    b"<clear/>|<remove/>|<add/>|<remove |<add |<location>|</location>|"
    b'<location path="|<configuration>|</configuration>|<system.webServer>|<handlers>|<rules>|'
    b'<httpPlatform processPath="python.exe"/>| name=| path=| xdt:Transform=| xmlns=| key='
).split(b"|")


@dataclass
class Outcome:
    """The results of a run; `growth` is in MB, or None if the system does not report it."""

    count: int = 0
    readable: int = 0
    findings: int = 0
    seconds: float = 0.0
    growth: float | None = None
    codes: dict[str, int] = field(default_factory=dict)


def corpus() -> list[bytes]:
    """Return the files to start from."""
    paths = [*(ROOT / "tests/data/webconfig").glob("*.config"), *ROOT.glob("examples/**/*.config")]
    return [path.read_bytes() for path in sorted(paths)]


def mutate(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    """Return `data` with one to eight changes."""
    changes = rng.choice((CHANGES, TAME))
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        data = rng.choice(changes)(data, files, rng)
    return data


def _bytes(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    end = min(len(data), at + rng.choice((0, 1, 1, 2, 8, 64)))
    return data[:at] + rng.randbytes(rng.choice((0, 0, 1, 1, 2, 4))) + data[end:]


def _splice(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(SPLICES) * rng.choice((1, 1, 1, 2, 100)) + data[at:]


def _tokens(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    tokens = TOKENS.findall(data) or [b""]
    at, other = rng.randrange(len(tokens)), rng.randrange(len(tokens))
    change = rng.randrange(5)
    if change == 0:
        tokens[at], tokens[other] = tokens[other], tokens[at]
    elif change == 1:
        del tokens[min(at, other) : min(at, other) + rng.choice((1, 1, 3, 9))]
    elif change == 2:
        tokens[at:at] = tokens[other : other + rng.choice((1, 3, 9, 40))]
    elif change == 3:
        tokens[at] = rng.choice(TOKENS.findall(rng.choice(files)))
    else:
        strings = [n for n, token in enumerate(tokens) if token[:1] in (b'"', b"'")] or [at]
        tokens[rng.choice(strings)] = rng.choice([s for s in SPLICES if s[:1] == b'"'])
    return b"".join(tokens)


def _whole(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    change = rng.randrange(6)
    if change == 0:
        return data[: rng.randrange(len(data) + 1)]
    if change == 1:
        return data[: rng.randrange(len(data) + 1)] + rng.choice(files)
    if change == 2:
        return data * rng.choice((2, 3))
    if change == 3:
        return data.swapcase() if rng.random() < 0.3 else data.replace(b'"', b"'")
    codec = rng.choice(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-32", "cp1252"))
    return data.decode("latin-1").encode(codec, "replace")


def _value(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    """Replace a value by another one, unusual or from the corpus."""
    spans = [found.span() for found in re.finditer(rb'"[^"<>]*"', data)] or [(0, 0)]
    begin, end = rng.choice(spans)
    others = ODD if rng.random() < 0.5 else re.findall(rb'"[^"<>]*"', rng.choice(files)) or ODD
    return data[:begin] + rng.choice(others) + data[end:]


def _name(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    """Replace an attribute's name, or change the case of a name."""
    if rng.random() < 0.2:
        names = re.findall(rb"</([\w.]+)>", data)
        if names:
            name = rng.choice(names)
            return data.replace(name, rng.choice((name.swapcase(), rng.choice(names))))
    spans = [found.span(1) for found in re.finditer(rb"\s([\w]+)=", data)] or [(0, 0)]
    begin, end = rng.choice(spans)
    names = [*re.findall(rb"\s([\w]+)=", rng.choice(files)), b"configSource", b"xdt:a", b"xmlns"]
    return data[:begin] + rng.choice(names) + data[end:]


def _element(data: bytes, files: list[bytes], rng: random.Random) -> bytes:
    """Remove, repeat or insert an element."""
    pattern = rng.choice((rb"<[\w.]+\s[^<>]*/>", rb"<([\w.]+)\b[^<>]*(?<!/)>.*?</\1>"))
    spans = [found.span() for found in re.finditer(pattern, data, re.DOTALL)] or [(0, 0)]
    begin, end = rng.choice(spans)
    change = rng.randrange(4)
    if change == 0:
        return data[:begin] + data[end:]
    if change == 1:
        return data[:end] + data[begin:end] + data[end:]
    donor = data if change == 2 else rng.choice(files)
    brought = [found[0] for found in re.finditer(pattern, donor, re.DOTALL)] or [b""]
    return data[:end] + rng.choice(brought) + data[end:]


ODD = [splice for splice in SPLICES if splice[:1] == b'"' == splice[-1:]]
TAME = (_value, _value, _name, _element, _element)
CHANGES = (_bytes, _splice, _splice, _tokens, _tokens, _tokens, _tokens, _whole)


def exercise(data: bytes, beside: Document, outcome: Outcome) -> Document:
    """Run all functions on one file; raise what they should not raise."""
    document = parse(data, "web.config", httpplatform_version=1 + outcome.count % 2)
    findings = list(document.findings)
    if document.root is None and not errors(document.findings):
        raise AssertionError("a file that cannot be read needs an error")
    levels = [Level("", document), Level("static", beside)]
    for path in PATHS[: 1 + outcome.count % len(PATHS)]:
        merged = resolve(levels, path, httpplatform_version=1 + outcome.count % 2)
        findings += merged.findings
        findings += check(merged.config, exists=lambda path: False, source=lambda path: path)
        if kind(merged.config) not in ("httpplatform", "fastcgi", ""):
            raise AssertionError("no such kind")
    for finding in findings:
        if type(finding) is not Finding or not (finding.code and finding.message and str(finding)):
            raise AssertionError(f"not a finding: {finding!r}")
        outcome.codes[finding.code] = outcome.codes.get(finding.code, 0) + 1
    outcome.count += 1
    outcome.readable += document.root is not None
    outcome.findings += len(findings)
    return document


def peak() -> float | None:
    """Return the peak memory of the process, in MB."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def fuzz(count: int, seed: int) -> Outcome:
    """Run `count` files made from `seed`; a failure has the file and how to make it again."""
    files, outcome, before = corpus(), Outcome(), None
    beside = parse(files[0], "static/web.config")
    started = time.perf_counter()
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        data = mutate(rng.choice(files), files, rng)
        try:
            document = exercise(data, beside, outcome)
        except Exception as error:
            raise AssertionError(f"seed {seed}, file {number}: {error!r}\n{data!r}") from error
        if rng.random() < 0.1:
            beside = document
        if number == min(WARM_UP, count - 1):
            before = peak()
    outcome.seconds = time.perf_counter() - started
    after = peak()
    outcome.growth = None if before is None or after is None else after - before
    return outcome


def main() -> None:
    """Run and print; exit with 1 if the memory grew past the goal."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    outcome = fuzz(options.count, options.seed)
    print(
        f"{outcome.count:,} files in {outcome.seconds:.1f} s, "
        f"{outcome.count / outcome.seconds:,.0f} a second; {outcome.readable:,} could be read; "
        f"{outcome.findings:,} findings, no exception"
    )
    for code, number in sorted(outcome.codes.items(), key=lambda item: -item[1]):
        print(f"  {code:18} {number:10,}")
    if outcome.growth is not None:
        print(f"peak memory grew by {outcome.growth:.1f} MB; goal: under {GOAL}")
        if outcome.growth >= GOAL:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
