"""Eight processes, one log file: ``python -m benchmarks.logfile [LINES]``.

In turns, over several rounds: a plain ``logging.FileHandler``, which never rotates, this package's
``SharedFileHandler``, and concurrent-log-handler's ``ConcurrentRotatingFileHandler``, the latter
two rotating at the same size. In each round eight new processes append numbered lines to the side's
file, from a common start to the moment when the last of them has written its last line. LINES
(1,000,000) is how many each side writes in all its rounds. Printed are the medians over the rounds,
of the time and of the writers' CPU time (which depends less on other work of the machine), the
medians of the ratios within each round, and the number of lines that are lost, torn or doubled in
all files of a side.

Then, in separate processes: the cost of a call of a disabled level with either handler, and by how
much a process grows that writes LINES lines to a file that is rotated.
"""

from __future__ import annotations

import argparse
import gc
import logging
import os
import subprocess
import sys
import tempfile
import timeit
import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

ROOT = Path(__file__).resolve().parent.parent
PROCESSES = 8
MAX_BYTES = 1_000_000
BACKUPS = 1000
OURS, PLAIN, CONCURRENT = "SharedFileHandler", "FileHandler", "concurrent-log-handler"
SIDES = (PLAIN, OURS, CONCURRENT)
FILLING = "x" * 40
GOAL_PLAIN, GOAL_CONCURRENT = 1.5, 3.0


def make_handler(side: str, path: str) -> logging.Handler:
    """Return the handler of a side, with the same format for all."""
    handler: logging.Handler
    if side == OURS:
        from appsvc_runtime.logs.file import SharedFileHandler

        handler = SharedFileHandler(path, max_bytes=MAX_BYTES, backups=BACKUPS)
    elif side == PLAIN:
        handler = logging.FileHandler(path, encoding="utf-8")
    else:
        from concurrent_log_handler import ConcurrentRotatingFileHandler

        handler = ConcurrentRotatingFileHandler(
            path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8"
        )
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def make_logger(handler: logging.Handler) -> logging.Logger:
    """Return a logger that writes INFO to one handler."""
    logger = logging.getLogger("bench")
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return logger


def write(side: str, path: str, first: int, last: int) -> None:
    """Run as one of the eight: print "ready", wait for the start, write, print "done"."""
    logger = make_logger(make_handler(side, path))
    print("ready", flush=True)
    sys.stdin.readline()
    begun = process_time()
    for number in range(first, last):
        logger.info("line %08d %s", number, FILLING)
    print("done", process_time() - begun, flush=True)


def start(*words: str) -> subprocess.Popen[str]:
    """Run this module in a new process, for one of its parts."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.logfile", "--part", *words],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def one_round(side: str, path: str, first: int, last: int) -> tuple[float, float]:
    """Have eight processes write these numbers; return the seconds, and the seconds of CPU."""
    step = (last - first) // PROCESSES
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                start("write", side, path, str(first + n * step), str(first + (n + 1) * step))
            )
            for n in range(PROCESSES)
        ]
        await_word(children, "ready")
        begun = perf_counter()
        for child in children:
            assert child.stdin
            child.stdin.write("go\n")
            child.stdin.flush()
        used = sum(map(float, await_word(children, "done")))
        return perf_counter() - begun, used


def await_word(children: list[subprocess.Popen[str]], word: str) -> list[str]:
    """Wait until each process prints `word`; return the rest of each line.

    Exit if a process prints another word.
    """
    found = []
    for child in children:
        assert child.stdout
        said, _, more = child.stdout.readline().strip().partition(" ")
        if said != word:
            raise SystemExit(f"A process printed {said!r} instead of {word!r}")
        found.append(more)
    return found


def count(folder: str, lines: int) -> tuple[int, int, int, int]:
    """Return how many lines are lost, torn and doubled, and the number of files."""
    seen = bytearray(lines)
    torn = doubled = 0
    files = [path for path in Path(folder).iterdir() if "lock" not in path.name]
    ending = f" {FILLING}\n".encode()
    for path in files:
        with path.open("rb") as opened:
            for line in opened:
                number = line[5:13]
                if line != b"line " + number + ending or not number.isdigit():
                    torn += 1
                elif seen[int(number)]:
                    doubled += 1
                else:
                    seen[int(number)] = 1
    return lines - sum(seen), torn, doubled, len(files)


def measure_writing(sides: tuple[str, ...], lines: int, rounds: int) -> None:
    """Have all sides write in turns; print times and the result of `count`."""
    each = lines // rounds // PROCESSES * PROCESSES
    times: dict[str, list[float]] = {side: [] for side in sides}
    used: dict[str, list[float]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory(prefix="bench-logfile-") as folder:
        for side in sides:
            os.mkdir(os.path.join(folder, side))
        for number in range(rounds):
            for side in sides:
                path = os.path.join(folder, side, "app.log")
                first = number * each
                seconds, of_cpu = one_round(side, path, first, first + each)
                times[side].append(seconds)
                used[side].append(of_cpu / each * 1e6)
        print(f"{each * rounds:,} lines by {PROCESSES} processes, in {rounds} rounds")
        found = {side: median(values) for side, values in times.items()}
        for side, seconds in found.items():
            lost, torn, doubled, files = count(os.path.join(folder, side), each * rounds)
            print(
                f"  {side:24} {each / seconds:9,.0f} lines/s   "
                f"{median(used[side]):5.1f} µs of CPU a line   {files:3} files   "
                f"{lost} lost   {torn} torn   {doubled} doubled"
            )
    if sides == SIDES:
        print(
            f"  {ratio(times[OURS], times[PLAIN])} of the plain FileHandler's time, "
            f"goal {GOAL_PLAIN}; {ratio(used[OURS], used[PLAIN])} of its CPU\n"
            f"  {ratio(times[CONCURRENT], times[OURS])} of concurrent-log-handler's rate, "
            f"goal {GOAL_CONCURRENT}; it uses {ratio(used[CONCURRENT], used[OURS])} of our CPU"
        )


def ratio(above: list[float], below: list[float]) -> str:
    """Return the median of the rounds' ratios, and their range."""
    found = sorted(one / other for one, other in zip(above, below, strict=True))
    return f"{median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"


def measure_disabled(rounds: int = 15, calls: int = 200_000) -> None:
    """Print the cost of a call of a disabled level with our handler and with the plain one."""
    with tempfile.TemporaryDirectory(prefix="bench-logfile-") as folder:
        logger = logging.getLogger("bench")
        found: dict[str, list[float]] = {OURS: [], PLAIN: []}
        handlers = {side: make_handler(side, os.path.join(folder, side)) for side in found}
        for _ in range(rounds):
            for side, handler in handlers.items():
                make_logger(handler)
                seconds = timeit.timeit(lambda: logger.debug("line %d", 1), number=calls)
                found[side].append(seconds / calls * 1e9)
                logger.removeHandler(handler)
        for handler in handlers.values():
            handler.close()
    ours, plain = (median(values) for values in found.values())
    print(f"a disabled level: {ours:.0f} ns a call, {ours / plain:.2f} of the plain FileHandler's")


def measure_memory(lines: int) -> None:
    """Print by how much this process grows while it writes so many lines."""
    with tempfile.TemporaryDirectory(prefix="bench-logfile-") as folder:
        handler = make_handler(OURS, os.path.join(folder, "app.log"))
        logger = make_logger(handler)
        for number in range(20_000):
            logger.info("line %08d %s", number, FILLING)
        gc.collect()
        resident = resident_bytes()
        for number in range(lines):
            logger.info("line %08d %s", number, FILLING)
        gc.collect()
        grown = resident_bytes() - resident
        tracemalloc.start()
        for number in range(1_000):  # memory that tracing itself takes
            logger.info("line %08d %s", number, FILLING)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(lines // 10):
            logger.info("line %08d %s", number, FILLING)
        gc.collect()
        traced = tracemalloc.get_traced_memory()[0] - before
        handler.close()
    print(
        f"memory: {grown / 1024:.0f} KiB more resident after {lines:,} lines, "
        f"{traced} bytes more of Python's after {lines // 10:,}"
    )


def resident_bytes() -> int:
    """Return the resident memory of this process, in bytes (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("lines", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--ours", action="store_true", help="measure this package's handler only")
    parser.add_argument("--part", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    match options.part:
        case ["write", side, path, first, last]:
            write(side, path, int(first), int(last))
        case ["disabled"]:
            measure_disabled()
        case ["memory"]:
            measure_memory(options.lines)
        case _:
            sides = (OURS,) if options.ours else SIDES
            measure_writing(sides, options.lines, options.rounds)
            for words in (["disabled"], ["memory"]):
                command = [sys.executable, "-m", "benchmarks.logfile", str(options.lines)]
                subprocess.run([*command, "--part", *words], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
