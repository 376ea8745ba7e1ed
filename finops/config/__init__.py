"""``finops.toml`` as one typed object."""
