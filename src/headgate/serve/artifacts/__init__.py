"""The files that dbt leaves in `target/` and that other tools read, in dbt's shapes. Each module makes one from spec values."""
