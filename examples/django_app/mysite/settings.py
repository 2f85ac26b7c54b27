"""Settings, the same file for a laptop and for App Service; the environment decides.

`appsvc settings --django` shows what the functions of `appsvc_runtime.django` return, and why.
"""

from __future__ import annotations

import warnings
from pathlib import Path

from appsvc_runtime import django as appsvc
from appsvc_runtime import load_settings

BASE_DIR = Path(__file__).resolve().parent.parent
settings = load_settings(folder=BASE_DIR)

DEBUG = settings.value("DJANGO_DEBUG", bool, default=False)
if settings.on_platform:
    SECRET_KEY = settings.value("SECRET_KEY")
else:
    SECRET_KEY = settings.value(
        "SECRET_KEY", default="django-insecure-development-only-key-never-used-on-app-service"
    )

ALLOWED_HOSTS = appsvc.allowed_hosts(settings)
CSRF_TRUSTED_ORIGINS = appsvc.csrf_trusted_origins(settings)
SECURE_PROXY_SSL_HEADER = appsvc.secure_proxy_ssl_header(settings)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = appsvc.secure_cookies(settings)

# The pages need no database, but a connection string is used if there is one.
DATABASES = appsvc.databases(settings, required=False)

TIME_ZONE = "UTC"
ROOT_URLCONF = "mysite.urls"
WSGI_APPLICATION = "mysite.wsgi.application"
INSTALLED_APPS = ["django.contrib.staticfiles"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = appsvc.static_root(settings, BASE_DIR)
# Serve static/ even if collectstatic has not run, and do not warn that STATIC_ROOT is missing.
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", "No directory at", UserWarning)

LOGGING = appsvc.logging_config(settings)
