"""The Azurite harness, on which the tests with Azure Storage rely."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueClient

from tests.support.azurite import Azurite, azurite

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def storage() -> Iterator[Azurite]:
    """Run one Azurite for all tests of this file."""
    with azurite() as server:
        yield server


def test_a_blob_has_one_lease_at_a_time(storage: Azurite) -> None:
    """A second lease is refused while the first lasts, and granted after its release."""
    with BlobServiceClient.from_connection_string(storage.connection_string) as service:
        container = service.create_container("leases")
        blob = container.upload_blob("one", b"")
        lease = blob.acquire_lease(15)
        with pytest.raises(HttpResponseError) as refused:
            blob.acquire_lease(15)
        assert refused.value.status_code == 409
        lease.release()
        assert blob.acquire_lease(15).id != lease.id


def test_a_queue_message_goes_round(storage: Azurite) -> None:
    """A message is hidden while taken, visible after its return, and gone after deletion."""
    with QueueClient.from_connection_string(storage.connection_string, "round") as queue:
        queue.create_queue()
        queue.send_message("hello")
        message = queue.receive_message(visibility_timeout=60)
        assert (message.content, message.dequeue_count) == ("hello", 1)
        assert queue.receive_message() is None
        queue.update_message(message, visibility_timeout=0)
        again = queue.receive_message(visibility_timeout=60)
        assert (again.content, again.dequeue_count) == ("hello", 2)
        queue.delete_message(again)
        assert queue.get_queue_properties().approximate_message_count == 0


def test_another_has_another_account(storage: Azurite) -> None:
    """No request for one account reaches another Azurite, and the process ends with its block."""
    with azurite() as other:
        assert "127.0.0.1:10000" not in other.connection_string
        url = storage.connection_string.rpartition("QueueEndpoint=")[2]
        mixed = other.connection_string.rpartition("QueueEndpoint=")[0] + f"QueueEndpoint={url}"
        with (
            QueueClient.from_connection_string(mixed, "mixed", retry_total=0) as queue,
            pytest.raises(ClientAuthenticationError),
        ):
            queue.create_queue()
    assert other.process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.killpg(other.process.pid, 0)
