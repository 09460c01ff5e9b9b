"""Files as a source: CSV, TSV, JSON, NDJSON, Parquet, Avro, ORC, Excel, Delta and Iceberg, local or remote."""

from headgate.ports.source import Manifest, Option

FORMATS = ("auto", "csv", "tsv", "json", "ndjson", "parquet", "avro", "orc", "excel", "delta", "iceberg")
COMPRESSIONS = ("auto", "none", "gzip", "zstd", "snappy", "lz4")

MANIFEST = Manifest(
    name="files",
    summary="Files on local disk, S3, GCS or HTTP(S); new and changed ones are found by a manifest with content hashes",
    module="headgate.sources.files.source",
    options=(
        Option(
            "path", "any", "a glob or a list of globs: relative to the project, absolute, s3://, gs:// or https://", required=True
        ),
        Option("format", "text", "how the files are written; auto: by their names' endings", default="auto", choices=FORMATS),
        Option(
            "compression", "text", "how the files are packed; auto: by their names' endings", default="auto", choices=COMPRESSIONS
        ),
        Option("allow_missing", "boolean", "a glob that matches nothing is no error", default=False),
        Option("settle", "number", "seconds that a file must have been left alone before it is read", default=0),
        Option("union_by_name", "boolean", "match Parquet and Avro columns of several files by name", default=True),
        Option("sample_rows", "number", "rows of a file that are looked at to infer types", default=20_480),
        Option("delimiter", "text", "CSV: the character between values; without it, it is found out"),
        Option("quote", "text", "CSV: the quoting character", default='"'),
        Option("escape", "text", "CSV: the character that escapes a quote", default='"'),
        Option("header", "boolean", "CSV and Excel: the first line holds the columns' names", default=True),
        Option("skip", "number", "CSV: lines to leave out at the top", default=0),
        Option("encoding", "text", "CSV: the text's encoding, such as latin-1 or utf-16", default="utf-8"),
        Option("null_values", "list", "CSV: texts that mean NULL, beside the empty one"),
        Option("date_format", "text", "CSV and JSON: a strptime pattern for dates"),
        Option("timestamp_format", "text", "CSV and JSON: a strptime pattern for timestamps"),
        Option("types", "mapping", "column name -> DuckDB type, where the inferred type is not the wanted one"),
        Option("records", "text", "JSON: the path of the list of records in the document, such as data.items"),
        Option("sheet", "text", "Excel: the sheet; without it, the first"),
        Option("range", "text", "Excel: the cells, such as A1:F200"),
    ),
    capabilities=("units", "dead_letters", "incremental"),
)
