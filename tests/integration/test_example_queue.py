"""Launchers are killed while their workers process messages, and no message is lost."""

from __future__ import annotations

import json
import random
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient

from tests.support.apps import copy_example
from tests.support.azurite import azurite
from tests.support.launching import Launched, launching

_ORDERS = 150


def test_launchers_are_killed_and_no_message_is_lost(tmp_path: Path) -> None:
    """Two launchers run the example; one of them is killed and replaced again and again."""
    role = copy_example("worker", tmp_path) / "QueueWorker"
    chance = random.Random(7)
    with azurite() as storage, ExitStack() as stack:
        text = storage.connection_string
        orders = stack.enter_context(QueueClient.from_connection_string(text, "orders"))
        receipts = stack.enter_context(ContainerClient.from_connection_string(text, "receipts"))
        orders.create_queue()
        expected = {f"order-{number}" for number in range(_ORDERS)}
        for number in range(_ORDERS):
            orders.send_message(json.dumps({"id": f"order-{number}", "amount": number}))

        def done() -> set[str]:
            with suppress(ResourceNotFoundError):
                return set(receipts.list_blob_names())
            return set()

        def start() -> Launched:
            return stack.enter_context(
                launching(role, "--grace", "2", "worker.py", STORAGE=text, VISIBILITY="1")
            )

        running = [start(), start()]
        for _ in range(4):
            victim = running.pop(0)
            victim.wait_for("receipt written", times=chance.randint(1, 8))
            victim.process.kill()
            victim.process.wait()
            running.append(start())
        deadline = time.monotonic() + 90
        while done() != expected or _left(orders):
            assert time.monotonic() < deadline, sorted(expected - done())
            time.sleep(0.05)
        assert [launcher.stop() for launcher in running] == [0, 0]


def _left(orders: QueueClient) -> int:
    return int(orders.get_queue_properties().approximate_message_count)
