"""Words for the kinds of work that ``x_WorkloadKind`` knows, for sentences and tables."""

from __future__ import annotations

_KINDS = {
    "training.hyperpod": "HyperPod cluster",
    "training": "training job",
    "training.job": "training job",
    "training.spot": "training job on spot",
    "training.warmpool": "training warm pool",
    "training.plan": "training plan",
    "inference.endpoint": "endpoint",
    "inference.async": "async endpoint",
    "inference.serverless": "serverless endpoint",
    "inference.provisioned_concurrency": "provisioned concurrency",
    "inference.batch": "batch transform",
    "inference.provisioned": "provisioned throughput",
    "notebook.instance": "notebook instance",
    "notebook.studio": "Studio app",
    "notebook.canvas": "Canvas session",
    "notebook.rstudio": "RStudio session",
    "processing": "processing job",
    "training.customization": "model customisation job",
    "gpu.ec2": "GPU instance",
    "gpu.gce": "GPU instance",
    "gpu.azure": "GPU instance",
    "tpu": "TPU node",
    "compute.azureml": "Azure ML compute",
    "reservation.unused": "unused capacity reservation",
    "storage.notebook": "notebook storage",
    "storage.training": "training storage",
    "storage.object": "object storage",
    "storage.ebs": "volume",
    "storage.snapshot": "snapshot",
    "tokens.input": "input tokens",
    "tokens.output": "output tokens",
    "tokens.cache_read": "cached input tokens",
    "tokens.cache_write": "tokens written to a cache",
    "tokens.other": "other tokens",
    "commitment": "commitment",
    "marketplace": "marketplace product",
    "tax": "tax",
    "credit": "credit",
    "support": "support",
    "other": "not machine learning",
}


def kind_label(kind: str | None) -> str:
    """``HyperPod cluster`` for ``training.hyperpod``; an unknown kind is spelt out."""
    if not kind:
        return ""
    if kind in _KINDS:
        return _KINDS[kind]
    return " ".join(reversed(kind.replace("_", " ").split(".")))


def short_id(name: str, longest: int = 34) -> str:
    """A name that fits into a line: its middle left out if it must."""
    return name if len(name) <= longest else f"{name[: longest - 9]}\N{HORIZONTAL ELLIPSIS}{name[-8:]}"
