"""Builds the classes of `model` from merged nodes.

Takes nodes and returns model objects; a value that no level sets is the schema's default. Must not
know of levels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .model import (
    Action,
    Condition,
    DefaultDocument,
    FastCgiApplication,
    Handler,
    HttpPlatform,
    RequestFiltering,
    Rule,
    StaticContent,
)
from .nodes import Entry, Node
from .schema import Schema

__all__ = ["BUILDERS"]

_STATUS = {"Permanent": 301, "Found": 302, "SeeOther": 303, "Temporary": 307}
# The number that IIS documents. A web.config may write 0, which leaves the number to IIS.
_SOME_INSTANCES = 4


class _Reader:
    """Reads one node: the value that it sets, else the schema's default."""

    def __init__(self, schema: Schema, node: Node) -> None:
        self._schema = schema
        self.node = node

    def __call__(self, name: str, otherwise: Any = None) -> Any:
        """Return a value; `otherwise`: for an attribute that not every version has."""
        value = self.node.values.get(name)
        known = self._schema.attributes.get(name)
        return (known.default if known else otherwise) if value is None else value

    def child(self, name: str) -> _Reader:
        schema = self._schema.elements.get(name) or Schema.of(name)
        return _Reader(schema, self.node.children.get(name) or Node())

    def items(self) -> list[tuple[_Reader, Entry]]:
        collection = self._schema.collection
        if collection is None:
            return []
        return [(_Reader(collection.item, entry.node), entry) for entry in self.node.entries]


def _pairs(variables: _Reader) -> tuple[tuple[str, str], ...]:
    return tuple((item("name"), item("value")) for item, _ in variables.items())


def _app_settings(read: _Reader) -> Mapping[str, str]:
    return MappingProxyType({item("key"): item("value") for item, _ in read.items()})


def _handlers(read: _Reader) -> tuple[Handler, ...]:
    return tuple(
        Handler(
            name=item("name"),
            path=item("path"),
            verb=item("verb"),
            modules=item("modules"),
            script_processor=item("scriptProcessor"),
            resource_type=item("resourceType"),
            require_access=item("requireAccess"),
            response_buffer_limit=item("responseBufferLimit"),
            place=item.node.place,
        )
        for item, _ in read.items()
    )


def _http_platform(read: _Reader) -> HttpPlatform:
    settings = _pairs(read.child("handlerSettings"))
    # Version 2 drops the output of its processes if this setting is the word "false".
    redirected = dict(settings).get("enableOutOfProcessConsoleRedirection", "").lower() != "false"
    return HttpPlatform(
        process_path=read("processPath"),
        arguments=read("arguments"),
        startup_time_limit=read("startupTimeLimit"),
        startup_retry_count=read("startupRetryCount", 0),
        rapid_fails_per_minute=read("rapidFailsPerMinute"),
        request_timeout=read("requestTimeout"),
        stdout_log_enabled=read("stdoutLogEnabled") and redirected,
        stdout_log_file=read("stdoutLogFile"),
        processes_per_application=read("processesPerApplication"),
        forward_windows_auth_token=read("forwardWindowsAuthToken"),
        recycle_on_file_change=tuple(
            item("path") for item, _ in read.child("recycleOnFileChange").items()
        ),
        handler_settings=settings,
        environment_variables=_pairs(read.child("environmentVariables")),
        place=read.node.place,
    )


def _fast_cgi(read: _Reader) -> tuple[FastCgiApplication, ...]:
    return tuple(
        FastCgiApplication(
            full_path=item("fullPath"),
            arguments=item("arguments"),
            max_instances=item("maxInstances") or _SOME_INSTANCES,
            max_instances_set=bool(item.node.values.get("maxInstances")),
            idle_timeout=item("idleTimeout"),
            activity_timeout=item("activityTimeout"),
            request_timeout=item("requestTimeout"),
            instance_max_requests=item("instanceMaxRequests"),
            signal_before_terminate_seconds=item("signalBeforeTerminateSeconds"),
            queue_length=item("queueLength"),
            rapid_fails_per_minute=item("rapidFailsPerMinute"),
            environment_variables=_pairs(item.child("environmentVariables")),
            place=item.node.place,
        )
        for item, _ in read.items()
    )


def _rules(read: _Reader) -> tuple[Rule, ...]:
    return tuple(_rule(item, entry.folder) for item, entry in read.items() if item("enabled"))


def _rule(read: _Reader, folder: str) -> Rule:
    match, conditions = read.child("match"), read.child("conditions")
    return Rule(
        name=read("name"),
        url=match("url"),
        pattern_syntax=read("patternSyntax"),
        ignore_case=match("ignoreCase"),
        negate=match("negate"),
        stop_processing=read("stopProcessing"),
        match_any=conditions("logicalGrouping") == "MatchAny",
        track_all_captures=conditions("trackAllCaptures"),
        conditions=tuple(_condition(item) for item, _ in conditions.items()),
        action=_action(read.child("action")),
        folder=folder,
        place=read.node.place,
    )


def _condition(read: _Reader) -> Condition:
    return Condition(
        input=read("input"),
        match_type=read("matchType"),
        pattern=read("pattern"),
        ignore_case=read("ignoreCase"),
        negate=read("negate"),
        place=read.node.place,
    )


def _action(read: _Reader) -> Action:
    return Action(
        type=read("type"),
        url=read("url"),
        append_query_string=read("appendQueryString"),
        redirect_status=_STATUS[read("redirectType")],
        status_code=read("statusCode"),
        sub_status_code=read("subStatusCode"),
        status_reason=read("statusReason"),
        status_description=read("statusDescription"),
    )


def _static_content(read: _Reader) -> StaticContent:
    cache = read.child("clientCache")
    mode = cache("cacheControlMode")
    parts = {"DisableCache": "no-cache", "UseMaxAge": f"max-age={cache('cacheControlMaxAge')}"}
    control = [part for part in (parts.get(mode, ""), cache("cacheControlCustom")) if part]
    return StaticContent(
        types=MappingProxyType(
            {item("fileExtension").lower(): item("mimeType") for item, _ in read.items()}
        ),
        cache_control=",".join(control),
    )


def _default_document(read: _Reader) -> DefaultDocument:
    files = tuple(item("value") for item, _ in read.child("files").items())
    return DefaultDocument(enabled=read("enabled"), files=files)


def _request_filtering(read: _Reader) -> RequestFiltering:
    limits = read.child("requestLimits")
    headers = {
        item("header").lower(): item("sizeLimit")
        for item, _ in limits.child("headerLimits").items()
    }
    return RequestFiltering(
        max_allowed_content_length=limits("maxAllowedContentLength"),
        max_url=limits("maxUrl"),
        max_query_string=limits("maxQueryString"),
        header_limits=MappingProxyType(headers),
        hidden_segments=tuple(item("segment") for item, _ in read.child("hiddenSegments").items()),
        denied_extensions=tuple(
            item("fileExtension").lower()
            for item, _ in read.child("fileExtensions").items()
            if not item("allowed")
        ),
        allow_double_escaping=read("allowDoubleEscaping"),
    )


def _builder(make: Callable[[_Reader], Any]) -> Callable[[Schema, Node], Any]:
    return lambda schema, node: make(_Reader(schema, node))


# By section path: the field of Config, and the function that builds its value.
BUILDERS: dict[str, tuple[str, Callable[[Schema, Node], Any]]] = {
    "appSettings": ("app_settings", _builder(_app_settings)),
    "system.webServer/handlers": ("handlers", _builder(_handlers)),
    "system.webServer/httpPlatform": ("http_platform", _builder(_http_platform)),
    "system.webServer/fastCgi": ("fast_cgi", _builder(_fast_cgi)),
    "system.webServer/rewrite/rules": ("rules", _builder(_rules)),
    "system.webServer/staticContent": ("static_content", _builder(_static_content)),
    "system.webServer/defaultDocument": ("default_document", _builder(_default_document)),
    "system.webServer/security/requestFiltering": (
        "request_filtering",
        _builder(_request_filtering),
    ),
}
