"""The WSGI application, for every server that runs this site."""

import os

from django.core.wsgi import get_wsgi_application

from appsvc_runtime import AppServiceMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = AppServiceMiddleware(get_wsgi_application())
