"""GPU metrics by PromQL, and the cloud machines that they are about."""
