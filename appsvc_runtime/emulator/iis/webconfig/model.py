"""The classes that hold the settings of a web.config: one per section, with IIS's defaults.

Data only. Must not know of XML, files or how levels are merged. The place of a setting does not
count in comparisons: two entries with the same values are equal, just as IIS identifies a FastCGI
application by the program that it runs.
Sources: *schema* is IIS_schema.xml with learn.microsoft.com/iis/configuration, *HPH* the
HttpPlatformHandler configuration reference, *rewrite* the URL Rewrite Module 2.0 configuration
reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ...xml.place import Place

__all__ = [
    "Action",
    "Condition",
    "Config",
    "DefaultDocument",
    "FastCgiApplication",
    "Handler",
    "HttpPlatform",
    "RequestFiltering",
    "Rule",
    "StaticContent",
]


def _nothing() -> Mapping[str, Any]:
    # A mapping proxy has no hash before Python 3.12, so dataclasses refuse it as a plain default.
    return MappingProxyType({})


@dataclass(frozen=True)
class Handler:
    """One entry of `handlers`, in the order in which IIS tries them (schema)."""

    name: str
    path: str  # one or more patterns with * and ?, separated by commas
    verb: str  # "*", or verbs separated by commas
    modules: str = ""  # names separated by commas
    script_processor: str = ""  # for FastCgiModule: full path, a bar, arguments
    resource_type: str = "Unspecified"  # File, Directory, Either, Unspecified
    require_access: str = "Script"  # None, Read, Write, Script, Execute
    response_buffer_limit: int = 4 * 1024 * 1024  # bytes that are held back; 0: none
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class HttpPlatform:
    """The element `httpPlatform`, times in seconds (HPH; defaults are those of version 1)."""

    process_path: str = ""
    arguments: str = ""
    startup_time_limit: float = 10
    startup_retry_count: int = 10  # version 1 only
    rapid_fails_per_minute: int = 10
    request_timeout: float = 120
    stdout_log_enabled: bool = False
    stdout_log_file: str = "httpplatform-stdout"
    processes_per_application: int = 1
    forward_windows_auth_token: bool = False  # read, but not emulated
    recycle_on_file_change: tuple[str, ...] = ()  # files as written, unexpanded
    handler_settings: tuple[tuple[str, str], ...] = ()  # version 2 only
    # In the order of the file, unexpanded.
    environment_variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class FastCgiApplication:
    """One `application` of `fastCgi`, times in seconds (schema)."""

    full_path: str
    arguments: str = ""
    max_instances: int = 4
    idle_timeout: int = 300
    activity_timeout: int = 70  # the value in the schema of IIS 10; the documentation says 30
    request_timeout: int = 90
    instance_max_requests: int = 200
    signal_before_terminate_seconds: int = 0
    queue_length: int = 1000
    rapid_fails_per_minute: int = 10
    environment_variables: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    max_instances_set: bool = field(default=False, compare=False)  # False: IIS chooses the number
    place: Place = field(default=Place(), compare=False)

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it: path and arguments, without regard to case or outer blanks."""
        return self.full_path.strip().lower(), self.arguments.strip().lower()


@dataclass(frozen=True)
class Condition:
    """One condition of a rewrite rule (rewrite)."""

    input: str
    match_type: str = "Pattern"  # Pattern, IsFile, IsDirectory
    pattern: str = ""
    ignore_case: bool = True
    negate: bool = False
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class Action:
    """The action of a rewrite rule (rewrite)."""

    type: str = "None"  # None, Rewrite, Redirect, CustomResponse, AbortRequest
    url: str = ""
    append_query_string: bool = True
    redirect_status: int = 301
    status_code: int = 0
    sub_status_code: int = 0
    status_reason: str = ""
    status_description: str = ""


@dataclass(frozen=True)
class Rule:
    """One enabled rule of `rewrite/rules` (rewrite).

    `folder` is the folder of the web.config (or location) that defines the rule, "" or "a/b". An
    inherited rule still matches the URL below the folder of the request's own configuration, as in
    IIS.
    """

    name: str
    url: str = ""  # the pattern of match
    pattern_syntax: str = "ECMAScript"  # or Wildcard, ExactMatch
    ignore_case: bool = True
    negate: bool = False
    stop_processing: bool = False
    match_any: bool = False  # logicalGrouping: MatchAny instead of MatchAll
    track_all_captures: bool = False
    conditions: tuple[Condition, ...] = ()
    action: Action = Action()
    folder: str = ""
    place: Place = field(default=Place(), compare=False)


@dataclass(frozen=True)
class StaticContent:
    """MIME types by extension (".css", lower case) and the cache header, or "" (schema)."""

    types: Mapping[str, str] = field(default_factory=_nothing)
    cache_control: str = ""


@dataclass(frozen=True)
class DefaultDocument:
    """The files that IIS tries for the URL of a folder (schema)."""

    enabled: bool = True
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequestFiltering:
    """The requests that IIS refuses before any other module sees them (schema); sizes in bytes."""

    max_allowed_content_length: int = 30_000_000
    max_url: int = 4096
    max_query_string: int = 2048
    header_limits: Mapping[str, int] = field(default_factory=_nothing)  # by name, lower case
    hidden_segments: tuple[str, ...] = ()
    denied_extensions: tuple[str, ...] = ()  # with the dot, lower case
    allow_double_escaping: bool = False


@dataclass(frozen=True)
class Config:
    """The settings for one path of the site, with all levels merged."""

    app_settings: Mapping[str, str] = field(default_factory=_nothing, repr=False)
    handlers: tuple[Handler, ...] = ()
    http_platform: HttpPlatform | None = None
    fast_cgi: tuple[FastCgiApplication, ...] = ()
    rules: tuple[Rule, ...] = ()
    static_content: StaticContent = StaticContent()
    default_document: DefaultDocument = DefaultDocument()
    request_filtering: RequestFiltering = RequestFiltering()
