"""Tables of the emulated sections: every attribute with its type, default and range.

Data only. Must not know how a file is read. Sources: IIS_schema.xml, FX_schema.xml (appSettings)
and rewrite_schema.xml as IIS 10 has them; the HttpPlatformHandler configuration reference, and
lextudio's HttpPlatformHandler v2 where it differs.
"""

from __future__ import annotations

from .schema import Attribute, Collection, Schema

__all__ = ["GROUPS", "HTTP_PLATFORM", "SECTIONS", "VERSIONS", "sections"]

VERSIONS = (1, 2)
# Elements that only hold sections.
GROUPS = frozenset({"system.webServer", "system.webServer/rewrite", "system.webServer/security"})
HTTP_PLATFORM = "system.webServer/httpPlatform"


def _text(name: str, **options: object) -> Attribute:
    return Attribute(name, **options)  # type: ignore[arg-type]


def _flag(name: str, default: bool, *, emulated: bool = True) -> Attribute:
    return Attribute(name, "bool", default, emulated=emulated)


def _uint(name: str, default: int, low: int = 0, high: int = 4_294_967_295) -> Attribute:
    return Attribute(name, "uint", default, low=low, high=high)


def _enum(name: str, words: str, default: str, *, emulated: bool = True) -> Attribute:
    return Attribute(name, "enum", default, values=tuple(words.split()), emulated=emulated)


def _ignored(*names: str) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, emulated=False) for name in names)


def _list(name: str, *attributes: Attribute, key: str, options: str = "") -> Schema:
    """Return the schema of an element that consists of a list only."""
    item = Schema.of("add", *attributes)
    return Schema.of(name, *_ignored(*options.split()), collection=Collection(item, key=(key,)))


_KEY = {"required": True, "non_empty": True}

APP_SETTINGS = Schema.of(
    "appSettings",
    *_ignored("file"),
    # FX_schema.xml declares `key` unique. IIS itself never reads the section for a Python app,
    # however: wfastcgi.py does, and uses the last value, as .NET does.
    collection=Collection(
        Schema.of("add", _text("key", required=True), _text("value")), key=("key",), override=True
    ),
)

HANDLERS = Schema.of(
    "handlers",
    *_ignored("accessPolicy"),
    collection=Collection(
        Schema.of(
            "add",
            _text("name", case_sensitive=True, **_KEY),
            _text("path", **_KEY),
            _text("verb", required=True),
            _text("modules", default="ManagedPipelineHandler"),
            _text("scriptProcessor"),
            _enum("resourceType", "File Directory Either Unspecified", "Unspecified"),
            _enum("requireAccess", "None Read Write Script Execute", "Script"),
            _flag("allowPathInfo", False, emulated=False),
            _uint("responseBufferLimit", 4_194_304),
            *_ignored("type", "preCondition"),
        ),
        key=("name",),
        append=False,
    ),
)

_VARIABLES = Schema.of(
    "environmentVariables",
    collection=Collection(
        Schema.of("environmentVariable", _text("name", **_KEY), _text("value")),
        add="environmentVariable",
        key=("name",),
    ),
)


def _module_list(name: str, *attributes: Attribute, add: str, key: str = "") -> Schema:
    """Return the schema of a list in HttpPlatformHandler's own schema files.

    In them no list has a <remove> or a unique key. The module itself keeps the last variable of a
    name: version 2 (GetMap of its ConfigurationSection), and the first AspNetCoreModule, which was
    made from version 1 (Populate of ASPNETCORE_CONFIG).
    """
    return Schema.of(
        name,
        collection=Collection(
            Schema.of(add, *attributes),
            add=add,
            remove="",
            key=(key,) if key else (),
            override=bool(key),
        ),
    )


def _http_platform(version: int) -> Schema:
    """Return the schema of <httpPlatform>: HPH for version 1, HttpPlatformHandler v2 for 2.

    The lists are those of httpplatform_schema.xml: for version 1 as the ASP.NET documentation for
    Nano Server has it, for version 2 from the module's repository.
    """
    pair = _text("name", **_KEY), _text("value", required=True)
    first = version == 1
    timeout = (
        Attribute("requestTimeout", "time", 120, high=2_592_000, step=60)
        if first
        else Attribute("requestTimeout", "time", 120, high=1_296_000)
    )
    return Schema.of(
        "httpPlatform",
        _text("processPath"),  # required, but another level may set it: `merge` checks it
        _text("arguments"),
        _uint("startupTimeLimit", 10 if first else 120, 0, 3600),
        # Version 2 does not count retries: only rapidFailsPerMinute limits them.
        *((_uint("startupRetryCount", 10, 0, 100),) if first else ()),
        _uint("rapidFailsPerMinute", 10, 0, 100),
        timeout,
        _flag("stdoutLogEnabled", False),
        _text("stdoutLogFile", default="httpplatform-stdout"),
        _uint("processesPerApplication", 1, 1, 100),
        _flag("forwardWindowsAuthToken", not first, emulated=False),
        elements=(
            _module_list("environmentVariables", *pair, add="environmentVariable", key="name"),
            _module_list("recycleOnFileChange", _text("path", **_KEY), add="file"),
            *(
                ()
                if first
                else (_module_list("handlerSettings", *pair, add="handlerSetting", key="name"),)
            ),
        ),
    )


FAST_CGI = Schema.of(
    "fastCgi",
    collection=Collection(
        Schema.of(
            "application",
            _text("fullPath", **_KEY),
            _text("arguments"),
            # The schema's default is 0, which leaves the number to IIS; the documented one is 4.
            _uint("maxInstances", 4, 0, 10_000),
            _uint("idleTimeout", 300, 10, 2_592_000),
            _uint("activityTimeout", 70, 10, 2_592_000),
            _uint("requestTimeout", 90, 10, 2_592_000),
            _uint("instanceMaxRequests", 200, 1, 10_000_000),
            _uint("signalBeforeTerminateSeconds", 0, 0, 60),
            _uint("queueLength", 1000, 1, 100_000_000),
            _uint("rapidFailsPerMinute", 10),
            *_ignored("monitorChangesTo"),
            _enum(
                "stderrMode",
                "ReturnStdErrIn500 ReturnGeneric500 IgnoreAndReturn200 TerminateProcess",
                "ReturnStdErrIn500",
                emulated=False,
            ),
            _enum("protocol", "NamedPipe Tcp", "NamedPipe", emulated=False),
            _flag("flushNamedPipe", False, emulated=False),
            elements=(_VARIABLES,),
        ),
        add="application",
        remove="",
        clear="",
        key=("fullPath", "arguments"),
    ),
)

_CONDITIONS = Schema.of(
    "conditions",
    _enum("logicalGrouping", "MatchAll MatchAny", "MatchAll"),
    _flag("trackAllCaptures", False),
    collection=Collection(
        Schema.of(
            "add",
            _text("input"),
            _enum("matchType", "Pattern IsFile IsDirectory", "Pattern"),
            _text("pattern"),
            _flag("ignoreCase", True),
            _flag("negate", False),
        ),
        remove="",
        clear="",
    ),
)
_ACTION = Schema.of(
    "action",
    _enum("type", "None Rewrite Redirect CustomResponse AbortRequest", "None"),
    _text("url"),
    _flag("appendQueryString", True),
    _flag("logRewrittenUrl", False, emulated=False),
    _enum("redirectType", "Permanent Found SeeOther Temporary", "Permanent"),
    Attribute("statusCode", "uint", 0, low=300, high=307, outside=True),
    _uint("subStatusCode", 0, 0, 999),
    _text("statusReason"),
    _text("statusDescription"),
)
RULES = Schema.of(
    "rules",
    collection=Collection(
        Schema.of(
            "rule",
            _text("name", required=True),
            _flag("enabled", True),
            _enum("patternSyntax", "ECMAScript Wildcard ExactMatch", "ECMAScript"),
            _flag("stopProcessing", False),
            elements=(
                Schema.of(
                    "match",
                    _text("url", non_empty=True),
                    _flag("ignoreCase", True),
                    _flag("negate", False),
                ),
                _CONDITIONS,
                _ACTION,
            ),
            others="serverVariables",
        ),
        add="rule",
        key=("name",),
    ),
)

STATIC_CONTENT = Schema.of(
    "staticContent",
    *_ignored("defaultDocFooter"),
    _flag("isDocFooterFileName", False, emulated=False),
    _flag("enableDocFooter", False, emulated=False),
    elements=(
        Schema.of(
            "clientCache",
            _enum("cacheControlMode", "NoControl DisableCache UseMaxAge UseExpires", "NoControl"),
            Attribute("cacheControlMaxAge", "time", 86_400),
            _text("cacheControlCustom"),
            *_ignored("httpExpires", "setEtag"),
        ),
    ),
    collection=Collection(
        Schema.of("mimeMap", _text("fileExtension", required=True), _text("mimeType", **_KEY)),
        add="mimeMap",
        key=("fileExtension",),
    ),
)

DEFAULT_DOCUMENT = Schema.of(
    "defaultDocument",
    _flag("enabled", True),
    elements=(
        Schema.of(
            "files",
            collection=Collection(
                Schema.of("add", _text("value", required=True)), key=("value",), append=False
            ),
        ),
    ),
)

REQUEST_FILTERING = Schema.of(
    "requestFiltering",
    _flag("allowDoubleEscaping", False),
    *_ignored("allowHighBitCharacters", "unescapeQueryString", "removeServerHeader"),
    elements=(
        Schema.of(
            "requestLimits",
            _uint("maxAllowedContentLength", 30_000_000),
            _uint("maxUrl", 4096),
            _uint("maxQueryString", 2048),
            elements=(
                _list(
                    "headerLimits",
                    _text("header", **_KEY),
                    Attribute("sizeLimit", "uint", 0, required=True),
                    key="header",
                ),
            ),
        ),
        _list("hiddenSegments", _text("segment", **_KEY), key="segment", options="applyToWebDAV"),
        _list(
            "fileExtensions",
            _text("fileExtension", **_KEY),
            Attribute("allowed", "bool", True, required=True),
            key="fileExtension",
            options="allowUnlisted applyToWebDAV",
        ),
    ),
    others="verbs alwaysAllowedUrls alwaysAllowedQueryStrings denyUrlSequences "
    "denyQueryStringSequences filteringRules",
)

SECTIONS = {
    "appSettings": APP_SETTINGS,
    "system.webServer/handlers": HANDLERS,
    "system.webServer/fastCgi": FAST_CGI,
    "system.webServer/rewrite/rules": RULES,
    "system.webServer/staticContent": STATIC_CONTENT,
    "system.webServer/defaultDocument": DEFAULT_DOCUMENT,
    "system.webServer/security/requestFiltering": REQUEST_FILTERING,
}
_BY_VERSION = {number: SECTIONS | {HTTP_PLATFORM: _http_platform(number)} for number in VERSIONS}


def sections(httpplatform_version: int = 1) -> dict[str, Schema]:
    """Return the sections by path; <httpPlatform> as in version 1, else as in 2."""
    return _BY_VERSION.get(httpplatform_version, _BY_VERSION[2])
