"""The SQL files of ``queries/``: their headers, the catalogue of shipped and own files, their contract."""
