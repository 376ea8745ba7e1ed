"""The DuckDB file and the landing folder. duckdb is imported here only."""
