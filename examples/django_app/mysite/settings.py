"""Settings, the same file for a laptop and for App Service; the environment tells which."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent
ON_APP_SERVICE = "WEBSITE_SITE_NAME" in os.environ

DEBUG = os.environ.get("DJANGO_DEBUG", "").lower() in {"1", "true", "yes", "on"}

SECRET_KEY = os.environ.get("SECRET_KEY", "")
if not SECRET_KEY:
    if ON_APP_SERVICE:
        raise ImproperlyConfigured("Set SECRET_KEY in the app settings of this App Service site.")
    SECRET_KEY = "django-insecure-development-only-key-never-used-on-app-service"

# WEBSITE_HOSTNAME is the *.azurewebsites.net name; custom domains go into ALLOWED_HOSTS.
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
for names in (os.environ.get("WEBSITE_HOSTNAME", ""), os.environ.get("ALLOWED_HOSTS", "")):
    ALLOWED_HOSTS += [name.strip() for name in names.split(",") if name.strip()]

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
DATABASES: dict[str, dict[str, object]] = {}

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
# Serve static/ where nobody has run collectstatic, and do not warn that STATIC_ROOT is missing.
WHITENOISE_USE_FINDERS = True
warnings.filterwarnings("ignore", "No directory at", UserWarning)

# Django's own console handler is silent when DEBUG is off; the host collects what is printed.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {"django": {"handlers": ["console"], "level": "INFO", "propagate": False}},
}
