"""The platform's names, headers, addresses and defaults. Data only.

Imports no other module of this package. Each group names its source; *AD* is the App Service
documentation (MicrosoftDocs/azure-docs, articles/app-service), *Oryx* is github.com/microsoft/Oryx,
*HPH* is the HttpPlatformHandler configuration reference.
"""

from __future__ import annotations

# Both are set on every App Service host and on nothing else (AD: reference-app-settings).
SITE_NAME = "WEBSITE_SITE_NAME"
INSTANCE_ID = "WEBSITE_INSTANCE_ID"
HOSTNAME = "WEBSITE_HOSTNAME"

# Every app setting appears again with this prefix (AD: configure-common).
APP_SETTING_PREFIX = "APPSETTING_"
# The prefix for each "type" of connection string in the portal, and the kind of string it means
# (AD: reference-app-settings); "" is any kind. Of two strings with one name, the first in this
# order is found.
CONNECTION_PREFIXES = {
    "SQLCONNSTR_": "sqlserver",
    "SQLAZURECONNSTR_": "sqlserver",
    "MYSQLCONNSTR_": "mysql",
    "POSTGRESQLCONNSTR_": "postgresql",
    "CUSTOMCONNSTR_": "",
    "NOTIFICATIONHUBCONNSTR_": "notificationhub",
    "SERVICEBUSCONNSTR_": "servicebus",
    "EVENTHUBCONNSTR_": "eventhub",
    "DOCDBCONNSTR_": "cosmosdb",
    "REDISCACHECONNSTR_": "redis",
    "AZUREFILESSTORAGE_": "storage",
    "AZUREBLOBSTORAGE_": "storage",
    "FILESHARESTORAGE_": "storage",
}
# The names that Service Connector uses: AZURE_<SERVICE>_CONNECTIONSTRING, as plain app settings
# (learn.microsoft.com/azure/service-connector/concept-service-connector-internals).
CONNECTOR_PREFIX = "AZURE_"
CONNECTOR_SUFFIX = "_CONNECTIONSTRING"
CONNECTOR_SERVICES = {
    "SQL": "sqlserver",
    "MYSQL": "mysql",
    "POSTGRESQL": "postgresql",
    "COSMOS": "cosmosdb",
    "REDIS": "redis",
    "STORAGEBLOB": "storage",
    "STORAGEFILE": "storage",
    "STORAGEQUEUE": "storage",
    "STORAGETABLE": "storage",
    "SERVICEBUS": "servicebus",
    "EVENTHUB": "eventhub",
}

# Set by HttpPlatformHandler for the process it starts (HPH).
HTTP_PLATFORM_PORT = "HTTP_PLATFORM_PORT"
# Set by version 2 of the module, and by some releases of version 1: ASP.NET 5 reads it, which was
# written for these (IISPlatformHandlerAddressExtensions.cs in aspnet/Hosting).
HTTP_PLATFORM_APPL_PATH = "HTTP_PLATFORM_APPL_PATH"
# Version 2 alone sets it, always, and alone appends to X-Forwarded-* (SetupAppToken in
# serverprocess.cpp of github.com/lextudio/httpplatformhandlerv2).
HTTP_PLATFORM_TOKEN = "HTTP_PLATFORM_TOKEN"

# wfastcgi keeps the undecoded value of PATH_INFO under this key of every request's environ, and no
# other server does: the key shows that a request came through IIS (wfastcgi.py, RAW_VALUE_NAMES).
# A client cannot set it: header names become HTTP_*.
WFASTCGI_MARK = "wsgi.path_info"
# IIS's variable for an application: /LM/W3SVC/1/ROOT for the site's own, else with its path.
APPL_MD_PATH = "APPL_MD_PATH"

# The front end reaches the app from inside the data centre: loopback under IIS, link-local in the
# Linux container, private addresses elsewhere (169.254.x.x in AD: configure-language-python).
# Written out because ipaddress.is_private also counts the documentation networks as private.
FRONT_END_NETWORKS = (
    "127.0.0.0/8",
    "::1/128",
    "169.254.0.0/16",
    "fe80::/10",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
)

# Headers in which a front end reports facts about a request (AD:
# overview-authentication-authorization, and recorded requests). WSGI spelling, as all names below.
FORWARDED_FOR = "HTTP_X_FORWARDED_FOR"
FORWARDED_HOST = "HTTP_X_FORWARDED_HOST"
FORWARDED_PROTO = "HTTP_X_FORWARDED_PROTO"
FORWARDED_PREFIX = "HTTP_X_FORWARDED_PREFIX"  # of gateways; the front end does not set it
ARR_SSL = "HTTP_X_ARR_SSL"
IDENTITY_PREFIXES = ("HTTP_X_MS_CLIENT_", "HTTP_X_MS_TOKEN_")
FORWARDED_PREFIXES = ("HTTP_X_FORWARDED_", "HTTP_X_AZURE_", *IDENTITY_PREFIXES)

# Headers of other proxies that report one of these facts as well. Each is read by a library:
# python-ipware, tornado, webob, falcon, hypercorn, CherryPy, sentry-sdk, flask-talisman.
# One client's address:
ADDRESS_HEADERS = frozenset(
    {
        "HTTP_CLIENT_IP",
        "HTTP_X_CLIENT_IP",
        "HTTP_X_CLUSTER_CLIENT_IP",
        "HTTP_X_ENVOY_EXTERNAL_ADDRESS",
        "HTTP_X_ORIGINATING_IP",
        "HTTP_X_PROXYUSER_IP",
        "HTTP_X_REAL_IP",
        "HTTP_X_REMOTE_ADDR",
        "HTTP_X_REMOTE_IP",
    }
)
# The scheme, with their values for http and for https:
SCHEME_HEADERS = {
    "HTTP_FRONT_END_HTTPS": ("off", "on"),
    "HTTP_X_APPSERVICE_PROTO": ("http", "https"),
    "HTTP_X_FORWARDED_HTTPS": ("off", "on"),
    "HTTP_X_FORWARDED_PROTOCOL": ("http", "https"),
    "HTTP_X_FORWARDED_SCHEME": ("http", "https"),
    "HTTP_X_FORWARDED_SSL": ("off", "on"),
    "HTTP_X_SCHEME": ("http", "https"),
    "HTTP_X_URL_SCHEME": ("http", "https"),
}
# A port:
CLIENT_PORT = "HTTP_X_CLIENT_PORT"
FORWARDED_PORT = "HTTP_X_FORWARDED_PORT"
# Lists of addresses in other formats, several of these facts at once, or another host:
OTHER_FORWARDED_HEADERS = frozenset(
    {
        "HTTP_FORWARDED",
        "HTTP_FORWARDED_FOR",
        "HTTP_X_FORWARDED",
        FORWARDED_HOST,
        "HTTP_X_FORWARDED_SERVER",
        "HTTP_X_HOST",
        "HTTP_X_ORIGINAL_FOR",
        "HTTP_X_ORIGINAL_FORWARDED_FOR",
        "HTTP_X_ORIGINAL_HOST",
        "HTTP_X_ORIGINAL_PROTO",
    }
)
# Headers in which content delivery networks report a client's address.
CDN_HEADERS = frozenset(
    {
        "HTTP_CDN_SRC_IP",
        "HTTP_CF_CONNECTING_IP",
        "HTTP_CF_CONNECTING_IPV6",
        "HTTP_CLOUDFRONT_VIEWER_ADDRESS",
        "HTTP_DO_CONNECTING_IP",
        "HTTP_FASTLY_CLIENT_IP",
        "HTTP_FLY_CLIENT_IP",
        "HTTP_INCAP_CLIENT_IP",
        "HTTP_TRUE_CLIENT_IP",
        "HTTP_X_APPENGINE_USER_IP",
        "HTTP_X_AZURE_CLIENTIP",
        "HTTP_X_AZURE_SOCKETIP",
        "HTTP_X_NF_CLIENT_CONNECTION_IP",
        "HTTP_X_SUCURI_CLIENTIP",
    }
)
# All headers that only a front end may set, together with the prefixes above.
FORWARDED_HEADERS = ADDRESS_HEADERS.union(
    SCHEME_HEADERS,
    OTHER_FORWARDED_HEADERS,
    CDN_HEADERS,
    {
        ARR_SSL,
        CLIENT_PORT,
        FORWARDED_FOR,
        FORWARDED_PORT,
        FORWARDED_PROTO,
        "HTTP_DISGUISED_HOST",
        "HTTP_X_ARR_CLIENTCERT",
        "HTTP_X_AZURE_FDID",
        "HTTP_X_ORIGINAL_URL",
        "HTTP_X_REWRITE_URL",
        "HTTP_X_WAWS_UNENCODED_URL",
    },
)
# App Service authentication is on: only then does the front end set the identity headers.
AUTH_ENABLED = "WEBSITE_AUTH_ENABLED"
AUTH_ENCRYPTION_KEY = "WEBSITE_AUTH_ENCRYPTION_KEY"
# The platform itself responds to all paths below this one, even if the app has such a path.
AUTH_PATH = "/.auth/"
LOGIN_PATH = "/.auth/login/"

# The platform requests this path until the container responds (AD: reference-app-settings).
WARMUP_PATH = "WEBSITE_WARMUP_PATH"
DEFAULT_WARMUP_PATH = "/robots933456.txt"
# User agents of the platform's probes, as recorded; health checks follow no redirect
# (AD: monitor-instances-health-check).
PROBE_AGENTS = ("AlwaysOn", "HealthCheck/1.0", "ReadyForRequest/1.0 (HealthCheck)")

# The load balancer ends a request after this time without data (AD: troubleshoot-http-502).
REQUEST_LIMIT_SECONDS = 230
# A container has this long to stop, unless WEBSITES_CONTAINER_STOP_TIME_LIMIT is set.
STOP_TIME_LIMIT = "WEBSITES_CONTAINER_STOP_TIME_LIMIT"
DEFAULT_STOP_SECONDS = 5
MAX_STOP_SECONDS = 120

# The Linux container (Oryx: src/startupscriptgenerator/src/python).
DEFAULT_PORT = 8000
SITE_FOLDER = "/home/site/wwwroot"
DEFAULT_SITE_FOLDER = "/opt/defaultsite"
DEFAULT_SITE_APP = "application:app"
VIRTUAL_ENVIRONMENT = "antenv"
FLASK_FILES = ("application.py", "app.py", "run.py", "index.py", "server.py", "wsgi.py")
FASTAPI_FILES = (
    "main.py",
    "app.py",
    "application.py",
    "server.py",
    "asgi.py",
    "api.py",
    "index.py",
    "run.py",
)
FASTAPI_SINCE = (3, 14)
FASTAPI_WORKER = "uvicorn_worker.UvicornWorker"
DISABLE_FASTAPI = "DISABLE_FASTAPI_DETECTION"
GUNICORN_TIMEOUT = 600
ENABLE_MULTIWORKERS = "PYTHON_ENABLE_GUNICORN_MULTIWORKERS"
CUSTOM_WORKERS = "PYTHON_GUNICORN_CUSTOM_WORKER_NUM"
CUSTOM_THREADS = "PYTHON_GUNICORN_CUSTOM_THREAD_NUM"
# The documentation misspells this name; it is the one that the code reads (Oryx:
# ext_var_names.go).
GUNICORN_CONFIG_PATH = "PYTHON_USE_GUNICORN_CONFIG_FROM_PATH"
# The image sets that variable to its own file, and puts a folder of modules on PYTHONPATH
# (Azure-App-Service/ImageBuilder: GenerateDockerFiles/python).
IMAGE_FOLDER = "/opt/startup"
IMAGE_GUNICORN_CONFIG = f"{IMAGE_FOLDER}/gunicorn.conf.py"
IMAGE_PYTHONPATH = f"{IMAGE_FOLDER}/app_logs"
# What the container's script exports: the folder that the app runs in. A built site is unpacked to
# a folder of /tmp at each start; any other runs where it was deployed to.
APP_PATH = "APP_PATH"
BUILT_PARENT = "/tmp"
PRE_RUN_COMMAND = "PRE_RUN_COMMAND"
# The agent of Application Insights, if it is switched on for the site: packages, and a
# sitecustomize.py that starts it (microsoft/Oryx#2685).
AGENTS_FOLDER = "/agents/python"
