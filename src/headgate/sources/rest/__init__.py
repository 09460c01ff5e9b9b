"""REST interfaces as a source: declared resources, pages, credentials; nested data stays nested."""

from headgate.ports.source import Manifest, Option

MANIFEST = Manifest(
    name="rest",
    summary="Resources of an HTTP interface that answers JSON: pagination, credentials with refresh, rate limits, incremental",
    module="headgate.sources.rest.source",
    options=(
        Option("path", "text", "the resource's path below base_url", required=True, level="table"),
        Option("params", "mapping", "query parameters", level="table"),
        Option("headers", "mapping", "request headers", level="table"),
        Option(
            "data_selector",
            "text",
            "where the rows are in an answer, as a JSONPath; without it, the list is found",
            level="table",
        ),
        Option(
            "paginator",
            "mapping",
            "kind (page_number, offset, cursor, json_link, header_link, header_cursor, single_page) and its settings",
        ),
        Option("method", "text", "the request's method", default="GET", choices=("GET", "POST"), level="table"),
        Option("body", "mapping", "the JSON that a POST sends", level="table"),
        Option(
            "response_actions",
            "list",
            "answers that are no error: mappings with status_code, content (a part of it) and action: ignore",
        ),
        Option("end_param", "text", "the parameter that takes the end of a backfill", level="table"),
        Option("initial_value", "any", "what start_param is given before there is a position", level="table"),
        Option(
            "append", "text", "append new and changed rows, or everything", default="changes", choices=("changes", "everything")
        ),
        Option("start_param", "text", "the parameter that takes the cursor's last value", level="table"),
        Option("page_bytes_max", "number", "the largest answer that is accepted, in bytes", default=268_435_456),
    ),
    capabilities=("incremental",),
    extra="rest",
    requires=("dlt",),
)
