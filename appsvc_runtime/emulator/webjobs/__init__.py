"""WebJobs, as Kudu runs them."""
