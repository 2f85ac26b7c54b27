"""The worker's launcher: keeps a worker running. Behind `appsvc_runtime.worker`."""
