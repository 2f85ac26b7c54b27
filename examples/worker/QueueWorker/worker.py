"""Takes orders from an Azure Storage queue and writes a receipt for each.

An order is a message such as {"id": "a-17", "amount": 9.5}; its receipt is the blob `a-17`.
Settings: STORAGE (else AzureWebJobsStorage), a connection string; QUEUE; RESULTS, the container of
the receipts; VISIBILITY, for how many seconds a message is hidden from other workers.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError
from azure.storage.blob import ContainerClient
from azure.storage.queue import QueueClient, QueueMessage

from appsvc_runtime.worker import beat, stop_requested, wait_for_stop

# The setting's name in a role, and in a WebJob.
STORAGE = ("STORAGE", "AzureWebJobsStorage")
BATCH = 8
TRIES = 5
IDLE = 1.0
MAX_PAUSE = 30.0
MAX_AMOUNT = 1e9
WEEK = 7 * 24 * 3600
# Only such an id is a blob's name without encoding.
ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
# The SDK's own retries sleep for minutes and ignore a stop: the loop below retries instead.
CLIENT = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 10}


class Worker:
    def __init__(self, storage: str, queue: str, results: str, visibility: int) -> None:
        self.orders = QueueClient.from_connection_string(storage, queue, **CLIENT)
        self.poison = QueueClient.from_connection_string(storage, f"{queue}-poison", **CLIENT)
        self.receipts = ContainerClient.from_connection_string(storage, results, **CLIENT)
        self.visibility = visibility

    def run(self) -> None:
        ready, pause = False, IDLE
        while not stop_requested():
            beat()
            try:
                if not ready:
                    self.create()
                    ready = True
                busy = self.do_some()
            except AzureError as error:
                # A passing fault: a restart, a network outage, a key that is being changed.
                say(f"{self.orders.primary_hostname}: {reason(error)}; next try in {pause:g} s")
                wait_for_stop(pause)
                ready, pause = False, min(pause * 2, MAX_PAUSE)
                continue
            pause = IDLE
            if not busy:
                wait_for_stop(IDLE)

    def create(self) -> None:
        for make in (
            self.orders.create_queue,
            self.poison.create_queue,
            self.receipts.create_container,
        ):
            with suppress(ResourceExistsError):
                make()

    def do_some(self) -> bool:
        """Handle a few messages; return whether there were any."""
        pages = self.orders.receive_messages(
            messages_per_page=BATCH, visibility_timeout=self.visibility
        ).by_page()
        messages = list(next(pages, ()))  # the messages of one request
        for number, message in enumerate(messages):
            if stop_requested():
                self.give_back(messages[number:])
                break
            beat()
            self.handle(message)
        return bool(messages)

    def handle(self, message: QueueMessage) -> None:
        try:
            order, amount = read(message.content)
        except ValueError as error:
            self.put_aside(message, str(error))
            return
        # A queue delivers at least once: if a worker dies between these two steps, or is slower
        # than VISIBILITY, the message is delivered again. So the receipt depends only on the
        # message, with no time and no number in it, and overwrites: twice is the same as once. In
        # the other order, a message could be deleted whose receipt was never written.
        self.receipts.upload_blob(order, receipt(order, amount), overwrite=True)
        with suppress_taken():
            self.orders.delete_message(message)
        say(f"order {order}: receipt written")

    def put_aside(self, message: QueueMessage, problem: str) -> None:
        """Leave an unreadable message to be delivered again, and set it aside after some tries.

        Only unreadable messages count their tries: an order may have been delivered often to
        workers that were killed, and is still good.
        """
        if message.dequeue_count < TRIES:
            say(f"message {message.id}: {problem}; try {message.dequeue_count} of {TRIES}")
            return
        # In this order, so that it is in both queues rather than in none. It never expires there.
        self.poison.send_message(message.content or "", time_to_live=-1)
        with suppress_taken():
            self.orders.delete_message(message)
        say(f"message {message.id}: {problem}; moved to {self.poison.queue_name}")

    def give_back(self, messages: list[QueueMessage]) -> None:
        """Make messages that were not started visible to other workers at once."""
        for message in messages:
            with suppress_taken():
                self.orders.update_message(
                    message, content=message.content or "", visibility_timeout=0
                )
        say(f"stopping: {len(messages)} messages given back")


def read(content: str | None) -> tuple[str, float]:
    """Return an order's id and amount; ValueError if it is not an order."""
    try:
        order = json.loads(content or "")
    except (ValueError, RecursionError):
        raise ValueError("is not JSON") from None
    if not isinstance(order, dict):
        raise ValueError("is not a JSON object")
    name, amount = order.get("id"), order.get("amount")
    if not isinstance(name, str) or not ID.fullmatch(name):
        raise ValueError("has no id of letters, digits, - and _")
    number = isinstance(amount, int | float) and not isinstance(amount, bool)
    if not number or not -MAX_AMOUNT <= amount <= MAX_AMOUNT:  # false for NaN
        raise ValueError("has no amount that is a number")
    return name, amount


def receipt(order: str, amount: float) -> bytes:
    return json.dumps({"id": order, "amount": amount, "vat": round(amount * 0.2, 2)}).encode()


@contextmanager
def suppress_taken() -> Iterator[None]:
    """Ignore that another worker has taken or finished the message because this one was slow."""
    try:
        yield
    except HttpResponseError as error:
        if reason(error) not in ("MessageNotFound", "PopReceiptMismatch"):
            raise


def reason(error: AzureError) -> str:
    """Return the error's code: its message may contain an address with a key in it."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code)) if code else type(error).__name__


def say(text: str) -> None:
    # The launcher adds the time.
    print(text, flush=True)  # noqa: T201


def fail(text: str) -> int:
    sys.stderr.write(f"{text}\n")
    return 2


def main() -> int:
    storage = next(filter(None, map(os.environ.get, STORAGE)), "")
    try:
        visibility = int(os.environ.get("VISIBILITY") or "30")
        if not 1 <= visibility <= WEEK:
            raise ValueError
    except ValueError:
        return fail("VISIBILITY must be a number of seconds, from 1 to a week.")
    try:
        worker = Worker(
            storage,
            os.environ.get("QUEUE") or "orders",
            os.environ.get("RESULTS") or "receipts",
            visibility,
        )
    except ValueError:
        wrong = "is not a connection string" if storage else "is not set"
        return fail(
            f"{' (or '.join(STORAGE)}) {wrong}: copy it from the storage account's access keys, or "
            "write UseDevelopmentStorage=true for Azurite."
        )
    worker.run()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
