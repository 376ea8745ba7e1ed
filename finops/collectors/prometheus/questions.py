"""The questions in PromQL. Each is asked per hour and says what was in the hour before; what is lost of a GPU's or pod's labels
is what several series of one GPU or pod differ in: the exporter's address, the pod that runs on the GPU, the replica that scraped.
"""

from __future__ import annotations

from collections.abc import Sequence

UTILISATION, ENGINE = "DCGM_FI_DEV_GPU_UTIL", "DCGM_FI_PROF_GR_ENGINE_ACTIVE"
MEMORY_USED, MEMORY_FREE = "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_FB_FREE"
MEMORY = "DCGM_FI_DEV_FB_USED_PERCENT"
"""What DCGM calls used ÷ (used + free)."""
POD_GPUS, NODE_GPUS = "kube_pod_gpu_requests", "kube_node_gpus"
DEVICE = ("gpu", "UUID", "GPU_I_ID")
"""Labels that tell one GPU of a machine, and one part of a divided GPU, from the others."""
NODE = ("cluster", "node", "exported_node")
"""Labels that name a node. Where kube-state-metrics is scraped without honor_labels, its own are called ``exported_…``."""

_POD = ("cluster", "namespace", "pod", "exported_namespace", "exported_pod")
_CONTAINER = ("container", "exported_container", "resource")
_ACCELERATORS = "nvidia_com_(gpu|mig).*|amd_com_gpu|google_com_tpu|habana_ai_gaudi|aws_amazon_com_neuron.*"
HOUR = "3599999ms"
"""An hour without its first moment, which is the last of the hour before: Prometheus 2 takes both ends of a span, 3 one."""
_STEP = "5m"
"""How often within the hour pods are counted: 12 times."""
OFTEN = 6
"""So often pods must have been told of in an hour in which no GPU pod is taken for none."""


def gpu(metric: str, how: str, labels: Sequence[str]) -> str:
    """``max``, ``sum`` or ``count`` of a GPU's values in the hour."""
    outer = "max" if how == "max" else "sum"
    return f"{outer} by ({', '.join(labels)}) ({how}_over_time({metric}[{HOUR}]))"


def nodes(span: str = HOUR) -> str:
    """Which machine a node was."""
    by = ", ".join((*NODE, "provider_id", "internal_ip"))
    return f"max by ({by}) (max_over_time(kube_node_info[{span}]))"


def node_gpus(span: str = HOUR) -> str:
    """How many GPUs a node offers to pods."""
    each = f'max_over_time(kube_node_status_allocatable{{resource=~"{_ACCELERATORS}"}}[{span}])'
    return f"sum by ({', '.join(NODE)}) (max by ({', '.join((*NODE, 'resource'))}) ({each})) > 0"


def pod_gpus(how: str) -> str:
    """How many GPUs the running pods of a node ask for, ``max`` or ``avg`` of the hour: 0 where it has GPUs and no such pod."""
    by = ", ".join(NODE)
    containers = ", ".join(dict.fromkeys((*NODE, *_POD, *_CONTAINER)))
    asked = f"sum by ({by}) (max by ({containers}) ({_running(_ACCELERATORS)}))"
    offered = f'sum by ({by}) (kube_node_status_allocatable{{resource=~"{_ACCELERATORS}"}}) > 0'
    return f"{how}_over_time(({asked} or 0 * ({offered}))[{HOUR}:{_STEP}])"


def pods_seen() -> str:
    """How often in the hour, of 12 times, kube-state-metrics told of requests of running pods, of whatever."""
    return f"count_over_time((count by (cluster) ({_running('.+')}))[{HOUR}:{_STEP}])"


def _running(resources: str) -> str:
    requests = f'kube_pod_container_resource_requests{{resource=~"{resources}"}}'
    return f'{requests} and on ({", ".join(_POD)}) (kube_pod_status_phase{{phase="Running"}} == 1)'


def present(labels: Sequence[str], span: str) -> str:
    """Which GPUs there were."""
    return f'count by ({", ".join(labels)}) (last_over_time({{__name__=~"{UTILISATION}|{ENGINE}"}}[{span}]))'
