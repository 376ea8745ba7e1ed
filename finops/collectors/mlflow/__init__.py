"""MLflow's experiments and runs, from a server, a file store or exported files."""
