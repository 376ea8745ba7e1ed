"""Reports: compute first (frozen dataclasses), render second. jinja2 is imported here only."""
