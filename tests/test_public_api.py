"""The names that users import or write into configuration: users would notice a change."""

from __future__ import annotations

import importlib
import pydoc
import subprocess
import sys

import pytest

import appsvc_runtime

PUBLIC = {
    "appsvc_runtime": """
        AppLoadError AppServiceASGIMiddleware AppServiceError AppServiceMiddleware ConfigError
        ConnectionString Finding Health Json Principal RequestFilter RequestInfo Secret Settings
        SettingsError Url configure_logging dict_config load_settings parse_connection_string
        signed_in
    """,
    "appsvc_runtime.asgi": "AppServiceASGIMiddleware",
    "appsvc_runtime.django": """
        Choice allowed_hosts choices csrf_trusted_origins databases logging_config
        secure_cookies secure_proxy_ssl_header static_root
    """,
    "appsvc_runtime.errors": "AppLoadError AppServiceError ConfigError",
    "appsvc_runtime.findings": "Finding SettingsError errors",
    "appsvc_runtime.pydantic": "AppServiceSettingsSource",
    "appsvc_runtime.runserver": "main",
    "appsvc_runtime.worker": "beat main stop_requested wait_for_stop",
    "appsvc_runtime.wsgi": "LazyApplication application",
}


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names(module: str) -> None:
    """Each module offers these names, and no others."""
    loaded = importlib.import_module(module)
    assert sorted(loaded.__all__) == sorted(PUBLIC[module].split())
    for name in loaded.__all__:
        assert getattr(loaded, name) is not None


def test_gunicorn_finds_its_settings() -> None:
    """gunicorn reads this module as a file of settings: the names are gunicorn's own."""
    code = "import appsvc_runtime.gunicorn_conf as c; print(c.bind, c.workers, c.worker_class)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert "0.0.0.0:" in result.stdout


def test_dir_and_help_show_them_all() -> None:
    """Names that are loaded at their first use are listed as well."""
    assert set(PUBLIC["appsvc_runtime"].split()) <= set(dir(appsvc_runtime))
    shown = pydoc.plain(pydoc.render_doc(appsvc_runtime))
    for name in PUBLIC["appsvc_runtime"].split():
        assert name in shown
