"""The example worker, run as a user runs it, with real queues and blobs: no order is ever lost."""

from __future__ import annotations

import importlib.util
import json
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from tests.support.azurite import Azurite, azurite
from tests.support.pythons import only_on
from tests.support.servers import ROOT, clean_environ, run

pytestmark = only_on(10)

EXAMPLE = ROOT / "examples" / "worker"
ROLE = EXAMPLE / "QueueWorker"
# Variables with the location of the messages, and the launcher's; the developer's own are empty.
NAMES = (
    "STORAGE AzureWebJobsStorage QUEUE RESULTS VISIBILITY WEBJOBS_SHUTDOWN_FILE APPSVC_STOP_FILE"
)
EMPTY = dict.fromkeys(NAMES.split(), "")


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    """Run one Azurite for all tests of this file."""
    with azurite() as server:
        yield server


class Account:
    """A queue, its poison queue and a container, which only one test uses; and workers for them."""

    def __init__(self, storage: Azurite, stack: ExitStack) -> None:
        name = f"q{uuid.uuid4().hex[:12]}"
        text = storage.connection_string
        self.orders = stack.enter_context(QueueClient.from_connection_string(text, name))
        self.poison = stack.enter_context(
            QueueClient.from_connection_string(text, f"{name}-poison")
        )
        self.receipts = stack.enter_context(
            ContainerClient.from_connection_string(text, f"{name}-done")
        )
        self.settings = {
            **EMPTY,
            "STORAGE": text,
            "QUEUE": name,
            "RESULTS": f"{name}-done",
            "VISIBILITY": "1",
        }

    def send(self, count: int, first: int = 0) -> list[str]:
        """Put so many orders in the queue, numbered from `first`; return their ids."""
        numbers = range(first, first + count)
        for number in numbers:
            self.orders.send_message(json.dumps({"id": f"order-{number}", "amount": number}))
        return [f"order-{number}" for number in numbers]

    def done(self) -> list[str]:
        """Return the ids of the orders that have a receipt."""
        with suppress(ResourceNotFoundError):
            return sorted(self.receipts.list_blob_names())
        return []

    def left(self) -> int:
        """Return the number of messages in the queue, hidden ones included."""
        return int(self.orders.get_queue_properties().approximate_message_count)


@pytest.fixture
def account(storage: Azurite) -> Iterator[Account]:
    """Yield queues and a container for one test; the queue exists."""
    with ExitStack() as stack:
        made = Account(storage, stack)
        made.orders.create_queue()
        yield made


class Started:
    """A running worker: `process` and its `log()`."""

    def __init__(self, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.process = process
        self._log_path = log_path

    def log(self) -> str:
        """Return what the worker has printed so far, on both streams."""
        return self._log_path.read_text("utf-8", "replace")

    def wait_until(self, done: Callable[[], bool], what: str, timeout: float = 60) -> None:
        """Wait until a condition is true; fail if the worker ends."""
        deadline = time.monotonic() + timeout
        while not done():
            code = self.process.poll()
            assert code is None, f"It ended with {code} before {what}:\n{self.log()}"
            assert time.monotonic() < deadline, f"Not in {timeout} s: {what}:\n{self.log()}"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 15) -> int:
        """Send a signal to the worker's process id, and return its exit code."""
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"It did not stop in {timeout} s:\n{self.log()}") from None


@contextmanager
def working(settings: dict[str, str]) -> Iterator[Started]:
    """Run the worker in its folder until the block ends."""
    with tempfile.TemporaryDirectory(prefix="worker-") as folder:
        log_path = Path(folder) / "log.txt"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "worker.py"],
                cwd=ROLE,
                env=clean_environ(PYTHONDONTWRITEBYTECODE="1", **settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield Started(process, log_path)
        finally:
            process.kill()
            process.wait(10)


def test_every_order_has_its_receipt_and_sigterm_ends_it(account: Account) -> None:
    """Thirty orders give thirty receipts and lines, and an empty queue; a stop is exit code 0."""
    names = account.send(30)
    with working(account.settings) as worker:
        worker.wait_until(lambda: account.left() == 0, "the queue is empty")
        asked = time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - asked < 3
        lines = worker.log().splitlines()
    assert account.done() == sorted(names)
    assert sorted(lines) == sorted(f"order {name}: receipt written" for name in names)
    blob = account.receipts.download_blob("order-7").readall()
    assert json.loads(blob) == {"id": "order-7", "amount": 7, "vat": 1.4}


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9 on Windows")
def test_killed_again_and_again_it_loses_nothing(account: Account) -> None:
    """Five workers are killed at random moments of their work; the sixth completes their orders."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # which pytest shows on failure
    moments = random.Random(seed)
    names: list[str] = []
    for _ in range(5):
        names += account.send(60, first=len(names))
        before = len(account.done())
        with working(account.settings) as worker:
            worker.wait_until(lambda: len(account.done()) > before, "it has begun")  # noqa: B023
            time.sleep(moments.uniform(0, 0.15))  # the moment itself, not a wait for a condition
            assert worker.stop(signal.SIGKILL) == -signal.SIGKILL
        assert account.left() > 0, "it was killed too late to show anything"
    with working(account.settings) as worker:
        worker.wait_until(lambda: account.left() == 0, "the queue is empty", 120)
        assert worker.stop() == 0
    assert account.done() == sorted(names)
    assert account.poison.get_queue_properties().approximate_message_count == 0


def test_a_receipt_written_before_the_death_is_written_again(
    account: Account, module: ModuleType
) -> None:
    """If a worker is killed before it deletes the message, the next one writes the same receipt."""
    account.send(1)
    account.receipts.create_container()
    first = module.receipt("order-0", 0)
    account.receipts.upload_blob("order-0", first)
    with working(account.settings) as worker:
        worker.wait_until(lambda: account.left() == 0, "the queue is empty")
        assert worker.stop() == 0
    assert account.receipts.download_blob("order-0").readall() == first


WRONG = [
    "not json",
    "",
    "[1]",
    '"text"',
    '{"amount": 1}',
    '{"id": "../x", "amount": 1}',
    '{"id": 5, "amount": 1}',
    '{"id": "a", "amount": "1"}',
    '{"id": "a", "amount": true}',
    '{"id": "a", "amount": NaN}',
    '{"id": "a", "amount": 1e999}',
    "[" * 10_000,
    "1" * 5_000,
    "<a>&amp; é \U0001f600",
]


def test_what_cannot_be_read_is_put_aside_after_five_tries(account: Account) -> None:
    """Such a message blocks no other, is tried five times, and is unchanged in the poison queue."""
    for text in WRONG:
        account.orders.send_message(text)
    names = account.send(3)
    with working(account.settings) as worker:
        worker.wait_until(lambda: account.left() == 0, "the queue is empty")
        assert worker.stop() == 0
        log = worker.log()
    assert account.done() == sorted(names)
    taken = [message.content or "" for message in account.poison.receive_messages()]
    assert sorted(taken) == sorted(WRONG)
    assert log.count("; moved to ") == len(WRONG)
    for number in range(1, 5):
        assert log.count(f"; try {number} of 5\n") == len(WRONG)
    assert "try 5" not in log


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return worker.py as a module; its waits are disabled, and no stop is requested."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec = importlib.util.spec_from_file_location("queue_worker_example", ROLE / "worker.py")
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    monkeypatch.setattr(made, "stop_requested", lambda: False)
    monkeypatch.setattr(made, "wait_for_stop", lambda seconds: False)
    return made


@pytest.fixture
def worker(account: Account, module: ModuleType) -> Iterator[Any]:
    """Yield a worker in this process that hides received messages for a minute."""
    made = module.Worker(
        account.settings["STORAGE"], account.settings["QUEUE"], account.settings["RESULTS"], 60
    )
    with made.orders, made.poison, made.receipts:
        made.create()
        yield made


def test_what_is_not_begun_at_a_stop_is_given_back(
    account: Account, module: ModuleType, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of eight messages, three are processed; the others are visible again at once, unchanged."""
    account.send(7)
    account.orders.send_message("")
    answers = iter([False, False, False, True])
    monkeypatch.setattr(module, "stop_requested", lambda: next(answers))
    assert worker.do_some() is True
    assert len(account.done()) == 3
    again = list(account.orders.receive_messages(max_messages=32))
    assert [message.dequeue_count for message in again] == [2] * 5
    assert sum(not message.content for message in again) == 1
    names = [json.loads(m.content)["id"] for m in again if m.content]
    assert sorted([*names, *account.done()]) == [f"order-{number}" for number in range(7)]


def test_a_message_that_another_has_taken_meanwhile_is_no_failure(
    account: Account, worker: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The slow worker writes the receipt again; the other worker keeps the message."""
    account.send(2)
    slow = [account.orders.receive_message(visibility_timeout=1) for _ in range(2)]
    fast: list[Any] = []
    deadline = time.monotonic() + 20
    while len(fast) < 2:  # as soon as the messages are visible again
        assert time.monotonic() < deadline
        fast += account.orders.receive_messages(visibility_timeout=60)
        time.sleep(0.02)
    account.orders.delete_message(fast[0])
    for message in slow:
        worker.handle(message)
    worker.give_back(slow)
    assert account.left() == 1
    assert account.done() == ["order-0", "order-1"]
    assert account.orders.receive_message() is None
    assert capsys.readouterr().out.count("receipt written") == 2


def test_another_failure_to_delete_is_one(account: Account, worker: Any) -> None:
    """If the queue is gone, the error is raised, and the loop creates the queue again."""
    account.send(1)
    message = account.orders.receive_message()
    account.orders.delete_queue()
    with pytest.raises(ResourceNotFoundError):
        worker.handle(message)


def test_storage_that_is_away_is_waited_for_and_hears_a_stop(account: Account) -> None:
    """The log has one line for each try, without the key; a stop does not wait for the next try."""
    settings = dict(account.settings)
    settings["STORAGE"] = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:1", settings["STORAGE"])
    with working(settings) as worker:
        worker.wait_until(lambda: "next try in 2 s\n" in worker.log(), "its second try")
        asked = time.monotonic()
        assert worker.stop() == 0
        assert time.monotonic() - asked < 1.5
        log = worker.log()
    where = "127.0.0.1:1/" + re.findall("AccountName=([^;]+)", settings["STORAGE"])[0]
    told = [f"{where}: ServiceRequestError; next try in {pause} s" for pause in (1, 2)]
    assert log.splitlines() == told


def test_a_webjob_takes_the_storage_of_its_site(account: Account, tmp_path: Path) -> None:
    """AzureWebJobsStorage is used if STORAGE is not set; the shutdown file stops the worker."""
    settings = dict(account.settings)
    settings["AzureWebJobsStorage"] = settings.pop("STORAGE")
    settings["WEBJOBS_SHUTDOWN_FILE"] = str(tmp_path / "shutdown")
    account.send(1)
    with working({**settings, "STORAGE": ""}) as worker:
        worker.wait_until(lambda: account.left() == 0, "the queue is empty")
        (tmp_path / "shutdown").write_text("now", "utf-8")
        assert worker.process.wait(15) == 0
    assert account.done() == ["order-0"]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "STORAGE (or AzureWebJobsStorage) is not set: "),
        ({"STORAGE": "not-a-secret"}, "STORAGE (or AzureWebJobsStorage) is not a connection "),
        ({"STORAGE": "UseDevelopmentStorage=true", "VISIBILITY": "0"}, "VISIBILITY must be "),
        ({"STORAGE": "UseDevelopmentStorage=true", "VISIBILITY": "x"}, "VISIBILITY must be "),
    ],
)
def test_a_setting_that_cannot_be_used_is_one_sentence(settings: dict[str, str], said: str) -> None:
    """The exit code is 2, and one line on standard error does not repeat the value."""
    result = run("worker.py", cwd=ROLE, **{**EMPTY, "PYTHONDONTWRITEBYTECODE": "1", **settings})
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1
    assert "not-a-secret" not in result.stderr


def test_development_storage_is_azurites_usual_ports(module: ModuleType) -> None:
    """The value from ServiceConfiguration.Local.cscfg works unchanged."""
    worker = module.Worker("UseDevelopmentStorage=true", "orders", "receipts", 30)
    assert worker.orders.url == "http://127.0.0.1:10001/devstoreaccount1/orders"
    assert worker.receipts.url == "http://127.0.0.1:10000/devstoreaccount1/receipts"


def test_send_puts_orders_that_the_worker_can_read(account: Account, module: ModuleType) -> None:
    """send.py sends as many orders as requested, each with its own id."""
    account.orders.delete_queue()
    settings = {**account.settings, "PYTHONDONTWRITEBYTECODE": "1"}
    result = run("send.py", "5", cwd=ROLE, **settings)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"5 orders are in the queue {account.settings['QUEUE']}\n"
    orders = [module.read(m.content) for m in account.orders.receive_messages()]
    assert len({name for name, _ in orders}) == 5
    assert run("send.py", "five", cwd=ROLE, **settings).returncode == 2
