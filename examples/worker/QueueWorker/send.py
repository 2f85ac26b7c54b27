"""Puts orders into the worker's queue, to try it out: python send.py COUNT.

Without STORAGE they go to Azurite on this machine.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from contextlib import suppress

from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient


def main() -> int:
    if len(sys.argv) != 2 or not sys.argv[1].isdecimal():
        sys.stderr.write("Usage: python send.py COUNT\n")
        return 2
    storage = os.environ.get("STORAGE") or "UseDevelopmentStorage=true"
    name = os.environ.get("QUEUE") or "orders"
    with QueueClient.from_connection_string(storage, name, retry_total=0) as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()
        for number in range(int(sys.argv[1])):
            order = {"id": uuid.uuid4().hex, "amount": number}
            queue.send_message(json.dumps(order))
    print(f"{sys.argv[1]} orders are in the queue {name}")  # noqa: T201
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
