"""Every key that the project's files may hold, in one place: the readers check against it, the reference is made from it."""

from __future__ import annotations

# headgate.yml (dbt_project.yml has more, and is read leniently)
PROJECT_KEYS = (
    "name", "version", "lake", "state", "environments", "secrets", "alerts", "vars", "model-paths", "seed-paths",
    "snapshot-paths", "test-paths", "macro-paths", "source-paths", "docs-paths", "analysis-paths", "packages-install-path",
    "models", "seeds", "snapshots", "tests", "data_tests", "sources", "exposures", "prices", "quotas", "publish_groups",
    "audit_columns", "dispatch", "dead_letters_max", "on-run-start", "on-run-end", "threads", "retention", "layers",
    "config-version", "quoting", "query-comment", "flags",
)  # fmt: skip
DBT_PROJECT_KEYS = (
    "profile", "target-path", "clean-targets", "require-dbt-version", "log-path", "asset-paths", "data-paths",
    "config-version", "metrics", "semantic-models", "saved-queries", "unit_tests", "model-paths", "functions",
    "function-paths", "dbt-cloud", "restrict-access", "profiles",
)  # fmt: skip
# what headgate.yml leaves out is taken from a dbt_project.yml beside it
SHARED_PROJECT_KEYS = (
    "name", "vars", "model-paths", "seed-paths", "snapshot-paths", "test-paths", "macro-paths", "docs-paths", "analysis-paths",
    "packages-install-path", "models", "seeds", "snapshots", "tests", "data_tests", "sources", "exposures", "dispatch",
    "on-run-start", "on-run-end", "query-comment",
)  # fmt: skip
LAKE_KEYS = ("catalog", "data", "name", "options")
ENVIRONMENT_KEYS = ("schema_prefix", "schema", "vars", "lake", "state", "threads", "alerts")
PRICE_KEYS = ("cpu_hour", "tb_written", "currency")
QUOTA_KEYS = ("backfill_rows_max", "backfill_seconds_max", "backfill_cost_max")
PATH_DEFAULTS = {
    "model-paths": ("models",),
    "seed-paths": ("seeds",),
    "snapshot-paths": ("snapshots",),
    "test-paths": ("tests",),
    "macro-paths": ("macros",),
    "source-paths": ("sources",),
    "docs-paths": (),
    "analysis-paths": ("analyses",),
}

CONFIGURED = (  # what folder-level configs are of, besides tests
    "models", "seeds", "snapshots", "sources", "exposures", "unit_tests", "metrics", "semantic-models", "saved-queries",
)  # fmt: skip
OLD_PATHS = {"seed-paths": "data-paths", "model-paths": "source-paths"}  # dbt's names before 1.0

# the top of a property file
PROPERTY_KEYS = (
    "version", "models", "seeds", "snapshots", "sources", "macros", "exposures", "data_tests", "tests", "unit_tests",
    "metrics", "semantic_models", "saved_queries", "groups", "analyses", "anchors", "functions", "time_spine",
)  # fmt: skip
LISTED = ("unit_tests", "metrics", "semantic_models", "saved_queries", "groups", "analyses", "functions", "macros")
UNRENDERED = ("unit_tests", "metrics", "semantic_models", "saved_queries", "macros")  # their templates are used later or kept
CONSTRAINTS = ("not_null", "unique", "primary_key", "foreign_key", "check", "custom")
ACCESS = ("private", "protected", "public")

_OURS = (
    "owner", "grain", "tier", "publish_group", "reconcile", "partition_by", "sort_by", "history", "incremental_order",
    "inferred_members", "schedule", "audit_columns", "views", "scd", "leave_duplicates", "end", "external_inputs", "key_is_group",
    "predicates",
)  # fmt: skip
_DBT_NODE = (
    "enabled", "alias", "schema", "database", "tags", "meta", "group", "access", "materialized", "incremental_strategy",
    "batch_size", "lookback", "begin", "event_time", "concurrent_batches", "persist_docs", "pre_hook", "post_hook",
    "pre-hook", "post-hook", "quoting", "column_types", "full_refresh", "unique_key", "on_schema_change",
    "on_configuration_change", "grants", "packages", "docs", "contract", "freshness", "static_analysis", "sql_header",
    "incremental_predicates", "merge_update_columns", "merge_exclude_columns", "merge_clauses", "location", "format",
    "options", "glue_register", "partitioned_by", "indexes", "description", "latest_version", "deprecation_date",
    "time_spine", "submission_method", "python_version", "delimiter",
)  # fmt: skip
OUR_CONFIG = frozenset(_OURS)
MODEL_CONFIG = OUR_CONFIG | frozenset(_DBT_NODE)
SEED_CONFIG = MODEL_CONFIG | {"delimiter", "quote_columns"}
SNAPSHOT_CONFIG = MODEL_CONFIG | {
    "strategy", "target_schema", "target_database", "updated_at", "check_cols", "snapshot_meta_column_names",
    "dbt_valid_to_current", "hard_deletes", "invalidate_hard_deletes", "relation",
}  # fmt: skip
CONFIG_OF = {"model": MODEL_CONFIG, "seed": SEED_CONFIG, "snapshot": SNAPSHOT_CONFIG}
_NODE = ("name", "description", "columns", "config", "meta", "tags", "docs", "data_tests", "tests", "owner", "grain", "tier")
MODEL_KEYS = (
    *_NODE, "publish_group", "access", "group", "versions", "latest_version", "deprecation_date", "constraints", "contract",
    "freshness", "time_spine", "alias", "reconcile", "derived_semantics", "primary_entity", "semantic_model",
    "agg_time_dimension", "metrics",
)  # fmt: skip
SEED_KEYS = (*_NODE, "quote_columns")
SNAPSHOT_KEYS = (*_NODE, "relation")
NODE_KEYS = {"model": MODEL_KEYS, "seed": SEED_KEYS, "snapshot": SNAPSHOT_KEYS}
COLUMN_KEYS = (
    "name", "description", "data_type", "classification", "meta", "tags", "data_tests", "tests", "config", "quote",
    "policy_tags", "constraints", "granularity", "entity", "dimension",
)  # fmt: skip

# Config that says who or how, not what is built: it is no part of a fingerprint.
DESCRIPTIVE = frozenset((
    "enabled", "tags", "meta", "docs", "description", "owner", "tier", "group", "access", "persist_docs", "grants",
    "schedule", "deprecation_date", "freshness", "alias", "schema", "database", "latest_version", "time_spine", "grain",
    "publish_group", "static_analysis",
    "reconcile", "concurrent_batches", "full_refresh",
))  # fmt: skip

SOURCE_KEYS = (
    "name", "description", "owner", "connector", "connection", "fallback_connection", "schedule", "tables", "schema",
    "database", "catalog", "config", "meta", "tags", "quoting", "overrides", "loader", "loaded_at_field", "loaded_at_query",
    "freshness", "tier", "dead_letters_max", "retries", "timeout", "on_schema_change", "lookback", "data_tests", "tests",
    "enabled",
)  # fmt: skip
SOURCE_TABLE_KEYS = (
    "name", "description", "identifier", "owner", "primary_key", "cursor", "lookback", "tier", "contract", "freshness",
    "on_schema_change", "columns", "schedule", "config", "meta", "tags", "quoting", "loaded_at_field", "loaded_at_query",
    "external", "loader", "data_tests", "tests", "dead_letters_max", "retries", "timeout", "connection",
    "fallback_connection", "enabled", "docs", "schema",
)  # fmt: skip
SOURCE_CONFIG = frozenset((
    "enabled", "event_time", "freshness", "loaded_at_field", "loaded_at_query", "meta", "tags", "schema", "database",
    "identifier",
))  # fmt: skip
FRESHNESS_KEYS = ("warn_after", "error_after", "filter", "loaded_at_field")
TEST_CONFIG = (
    "severity", "store_failures", "store_failures_as", "where", "limit", "fail_calc", "warn_if", "error_if", "enabled",
    "tags", "meta", "on_fail", "schema", "alias", "database", "group", "docs",
)  # fmt: skip
TEST_KEYS = (*TEST_CONFIG, "name", "test_name", "config", "arguments", "description", "column_name")
EXPOSURE_KEYS = (
    "name", "type", "owner", "label", "maturity", "url", "depends_on", "description", "meta", "tags", "config", "docs",
    "enabled",
)  # fmt: skip

UNIT_TEST_KEYS = (
    "name", "description", "model", "given", "expect", "overrides", "config", "versions", "tags", "meta", "enabled", "docs",
)  # fmt: skip
RESOURCE_CONFIG = frozenset(("enabled", "group", "meta", "tags", "export_as", "schema", "cache", "docs"))
FOLDER_KIND = {"metric": "metrics", "semantic_model": "semantic-models", "saved_query": "saved-queries"}
_KEPT = ("name", "description", "config", "meta", "tags", "docs", "label", "group")
RESOURCE_KEYS = {
    "group": (*_KEPT, "owner"),
    "macro": (*_KEPT, "arguments", "supported_languages"),
    "function": (*_KEPT, "arguments", "returns", "type"),
    "semantic_model": (*_KEPT, "model", "defaults", "entities", "dimensions", "measures", "primary_entity"),
    "metric": (
        *_KEPT, "type", "type_params", "filter", "time_granularity", "model", "calculation_method", "expression", "timestamp",
        "time_grains", "dimensions", "filters", "window", "agg", "expr", "numerator", "denominator",
    ),
    "saved_query": (*_KEPT, "query_params", "exports"),
}  # fmt: skip

MATERIALIZED = ("view", "table", "ephemeral", "incremental")
STRATEGIES = ("append", "merge", "delete+insert", "insert_overwrite", "microbatch")
BATCH_SIZES = ("hour", "day", "month", "year")
ON_SCHEMA_CHANGE = ("ignore", "fail", "append_new_columns", "sync_all_columns")
SNAPSHOT_STRATEGIES = ("timestamp", "check")
HARD_DELETES = ("ignore", "invalidate", "new_record")
ON_FAIL = ("block", "warn")
LAYERS = ("staging", "intermediate", "marts")
