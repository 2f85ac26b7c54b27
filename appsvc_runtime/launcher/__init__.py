"""The worker's launcher: keeps a worker running. Used by `appsvc_runtime.worker`."""
