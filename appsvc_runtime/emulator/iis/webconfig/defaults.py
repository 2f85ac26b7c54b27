"""The settings that IIS has before any web.config: the level of applicationHost.config, as data.

Must not know how levels are merged. Sources: applicationHost.config as IIS ships it; the default
documents are those of an App Service site (AD:configure-common), which has three more. The PHP and
.NET handlers of App Service are left out, because no Python site needs them.
"""

from __future__ import annotations

from .mime_types import MIME_TYPES
from .nodes import Entry, Node
from .schema import Value

__all__ = ["DEFAULTS"]

_HANDLERS: tuple[dict[str, Value], ...] = (
    {
        "name": "TRACEVerbHandler",
        "path": "*",
        "verb": "TRACE",
        "modules": "ProtocolSupportModule",
        "requireAccess": "None",
    },
    {
        "name": "OPTIONSVerbHandler",
        "path": "*",
        "verb": "OPTIONS",
        "modules": "ProtocolSupportModule",
        "requireAccess": "None",
    },
    {
        "name": "StaticFile",
        "path": "*",
        "verb": "*",
        "modules": "StaticFileModule,DefaultDocumentModule,DirectoryListingModule",
        "resourceType": "Either",
        "requireAccess": "Read",
    },
)
_DOCUMENTS = (
    "Default.htm Default.html Default.asp index.htm index.html iisstart.htm default.aspx index.php "
    "hostingstart.html"
)
_HIDDEN = (
    "web.config bin App_code App_GlobalResources App_LocalResources App_WebReferences App_Data "
    "App_Browsers"
)
_DENIED = (
    ".asa .asax .ascx .master .skin .browser .sitemap .config .cs .csproj .vb .vbproj .webinfo "
    ".licx .resx .resources .mdb .vjsproj .java .jsl .ldb .dsdgm .ssdgm .lsad .ssmap .cd "
    ".dsprototype .lsaprototype .sdm .sdmDocument .mdf .ldf .ad .dd .ldd .sd .adprototype "
    ".lddprototype .exclude .refresh .compiled .msgx .vsdisco .rules"
)


def _entry(key: str, values: dict[str, Value]) -> Entry:
    return Entry("add", (key,), Node(values))


def _words(text: str, name: str, **more: Value) -> Node:
    words = text.split()
    return Node(entries=tuple(_entry(word.lower(), {name: word, **more}) for word in words))


# By section path, as in `sections`; entries are in the order in which IIS tries them.
DEFAULTS: dict[str, Node] = {
    "system.webServer/handlers": Node(
        entries=tuple(_entry(str(values["name"]), values) for values in _HANDLERS)
    ),
    "system.webServer/staticContent": Node(
        entries=tuple(
            _entry(extension, {"fileExtension": extension, "mimeType": mime})
            for extension, mime in MIME_TYPES.items()
        )
    ),
    "system.webServer/defaultDocument": Node(children={"files": _words(_DOCUMENTS, "value")}),
    "system.webServer/security/requestFiltering": Node(
        children={
            "hiddenSegments": _words(_HIDDEN, "segment"),
            "fileExtensions": _words(_DENIED, "fileExtension", allowed=False),
        }
    ),
}
