"""What there is in a Google Cloud project, as its APIs list it: Vertex AI, Workbench, TPUs, GPU machines, what they leave behind.

Of each resource only the fields that are named here are kept: jobs and machines have environment variables, start-up scripts and
keys among their settings, and notebooks the addresses of their owners. A line of JSON per resource; queries/normalise/ maps it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from finops.collectors.gcp.rest import Rest
from finops.collectors.interface import Outcome, Trouble

Resource = dict[str, Any]

LONGEST_JOB = timedelta(days=35)
"""A job that ended lately was made at most so long before: Vertex AI stops custom jobs after 28 days."""
NEXT = "Usually nothing: the next run has it. If it stays, look at Google Cloud's status."
_NOTHING = "NO_RESULTS_ON_PAGE"
"""The warning of a zone that has nothing."""
_FAMILIES = re.compile(r"/(?:a[2-9]x?|g[2-9]|ct\w+|tpu\w+)-[^/]*$")
"""Machine types that have accelerators built in."""


@dataclass(frozen=True)
class Kind:
    """One list of an API."""

    service: str
    type: str
    """Google's asset type."""
    path: str
    """With {project} and {location}."""
    field: str
    """Where a page has its items; of an aggregated list, where each zone has them."""
    keep: str
    """The fields that are kept, in the notation of Google's field masks."""
    job: bool = False
    """Is it done some time? Those that have ended before the history are left out."""
    mask: str = ""
    """Fields to ask for, where the whole would be huge."""
    wanted: Callable[[Resource], bool] = lambda item: True

    @property
    def permission(self) -> str:
        """What listing it needs."""
        return f"{self.service}.{self.field}.list"

    def params(self, history_from: date) -> dict[str, str]:
        """What is asked for, besides pages."""
        if self.service == "compute":
            return {"maxResults": "500", "returnPartialSuccess": "true"}
        asked = {"pageSize": "100"}
        if self.job:
            since = history_from - LONGEST_JOB
            running = "PIPELINE_STATE_RUNNING" if "ipeline" in self.type else "JOB_STATE_RUNNING"
            asked["filter"] = f'create_time>="{since}T00:00:00Z" OR state="{running}"'
        if self.mask:
            asked["readMask"] = self.mask
        return asked


def is_accelerated(machine: Resource) -> bool:
    """Has the machine GPUs or TPUs?"""
    return bool(machine.get("guestAccelerators")) or bool(_FAMILIES.search("/" + str(machine.get("machineType", ""))))


_NAMED = "name,displayName,createTime,updateTime,labels"
_JOB = f"{_NAMED},state,startTime,endTime,error(code,message)"
_MACHINE = "machineSpec(machineType,acceleratorType,acceleratorCount)"
_POOLS = f"workerPoolSpecs({_MACHINE},replicaCount),scheduling(strategy)"
_REPLICAS = "minReplicaCount,maxReplicaCount"
_DEPLOYED = f"dedicatedResources({_MACHINE},{_REPLICAS},spot),automaticResources({_REPLICAS})"
_ZONAL = "id,name,selfLink,status,creationTimestamp,labels"


def _vertex(type_: str, field: str, keep: str, *, job: bool = False, mask: str = "") -> Kind:
    path = f"/v1/projects/{{project}}/locations/{{location}}/{field}"
    return Kind("aiplatform", f"aiplatform.googleapis.com/{type_}", path, field, keep, job, mask)


KINDS = (
    _vertex(
        "Endpoint",
        "endpoints",
        f"{_NAMED},deployedModels(id,model,displayName,createTime,sharedResources,{_DEPLOYED})",
    ),
    _vertex("CustomJob", "customJobs", f"{_JOB},jobSpec({_POOLS})", job=True),
    _vertex(
        "TrainingPipeline",
        "trainingPipelines",
        f"{_JOB},trainingTaskInputs({_POOLS}),trainingTaskMetadata(backingCustomJob)",
        job=True,
    ),
    _vertex(
        "PipelineJob",
        "pipelineJobs",
        _JOB,
        job=True,
        mask="name,displayName,createTime,updateTime,labels,state,startTime,endTime,error",
    ),
    _vertex(
        "HyperparameterTuningJob",
        "hyperparameterTuningJobs",
        f"{_JOB},maxTrialCount,parallelTrialCount,trialJobSpec({_POOLS})",
        job=True,
    ),
    _vertex(
        "BatchPredictionJob",
        "batchPredictionJobs",
        f"{_JOB},model,dedicatedResources({_MACHINE},startingReplicaCount,maxReplicaCount)",
        job=True,
    ),
    _vertex(
        "Featurestore",
        "featurestores",
        f"{_NAMED},state,onlineServingConfig(fixedNodeCount,scaling(minNodeCount,maxNodeCount))",
    ),
    _vertex(
        "FeatureOnlineStore",
        "featureOnlineStores",
        f"{_NAMED},state,optimized,bigtable(autoScaling(minNodeCount,maxNodeCount))",
    ),
    _vertex(
        "IndexEndpoint", "indexEndpoints", f"{_NAMED},deployedIndexes(id,index,displayName,createTime,{_DEPLOYED})"
    ),
    Kind(
        "notebooks",
        "notebooks.googleapis.com/Instance",
        "/v2/projects/{project}/locations/-/instances",
        "instances",
        f"{_NAMED},state,gceSetup(machineType,acceleratorConfigs,metadata(idle-timeout-seconds,enable-guest-attributes),"
        "bootDisk(diskSizeGb),dataDisks(diskSizeGb))",
    ),
    Kind(
        "tpu",
        "tpu.googleapis.com/Node",
        "/v2/projects/{project}/locations/-/nodes",
        "nodes",
        "id,name,state,createTime,labels,acceleratorType,acceleratorConfig,multisliceNode,queuedResource,"
        "schedulingConfig(preemptible,spot,reserved),networkEndpoints(ipAddress)",
    ),
    Kind(
        "compute",
        "compute.googleapis.com/Instance",
        "/compute/v1/projects/{project}/aggregated/instances",
        "instances",
        f"{_ZONAL},zone,machineType,guestAccelerators,lastStartTimestamp,scheduling(provisioningModel,preemptible)",
    ),
    Kind(
        "compute",
        "compute.googleapis.com/Reservation",
        "/compute/v1/projects/{project}/aggregated/reservations",
        "reservations",
        f"{_ZONAL},zone,commitment,deleteAtTime,specificReservationRequired,"
        "specificReservation(count,inUseCount,instanceProperties(machineType,guestAccelerators))",
    ),
    Kind(
        "compute",
        "compute.googleapis.com/Disk",
        "/compute/v1/projects/{project}/aggregated/disks",
        "disks",
        f"{_ZONAL},zone,region,type,sizeGb,users,lastAttachTimestamp,lastDetachTimestamp",
        wanted=lambda disk: not disk.get("users"),
    ),
    Kind(
        "compute",
        "compute.googleapis.com/Snapshot",
        "/compute/v1/projects/{project}/global/snapshots",
        "snapshots",
        f"{_ZONAL},sourceDisk,diskSizeGb,storageBytes,storageLocations",
    ),
)
INSTANCES = next(each for each in KINDS if each.type == "compute.googleapis.com/Instance")
SERVICES = tuple(dict.fromkeys(each.service for each in KINDS))


def listed(api: Rest, kind: Kind, project: str, location: str, history_from: date) -> list[Resource]:
    """Every resource of a kind, with the fields that are kept.

    Raises:
        Trouble: the list was denied, failed or is not whole.
        Unsupported: there is no such thing here.
    """
    found: list[Resource] = []
    unreachable: set[str] = set()
    path, mask = kind.path.format(project=project, location=location), fields(kind.keep)
    params = kind.params(history_from)
    for page in api.pages(kind.service, path, params, project=project, permission=kind.permission, location=location):
        items = page.get("items" if kind.service == "compute" else kind.field) or ()
        if isinstance(items, dict):  # by zone, each with its list and perhaps a warning
            for zone, inside in items.items():
                found += [picked(item, mask) for item in inside.get(kind.field, ())]
                if inside.get("warning", {}).get("code", _NOTHING) != _NOTHING:
                    unreachable.add(zone.rpartition("/")[2])
        else:
            found += [picked(item, mask) for item in items]
        unreachable |= {str(each).rpartition("/")[2] for each in page.get("unreachable", page.get("unreachables", ()))}
    if unreachable:
        raise Trouble(
            Outcome.INCOMPLETE,
            f"{kind.permission} could not reach {', '.join(sorted(unreachable))}",
            where=f"project {project}, {kind.service}",
            next_step=NEXT,
        )
    began = f"{history_from}T00:00:00"
    return [each for each in found if kind.wanted(each) and not (kind.job and str(each.get("endTime") or "9") < began)]


Fields = dict[str, Any]


def fields(mask: str) -> Fields:
    """``name,jobSpec(scheduling(strategy))`` as a tree: what has nothing below it is kept whole."""
    tree: Fields = {}
    stack = [tree]
    last = ""
    for part in re.findall(r"[\w-]+|[(),]", mask):
        if part == "(":
            stack.append(stack[-1].setdefault(last, {}))
        elif part == ")":
            stack.pop()
        elif part != ",":
            last = part
            stack[-1][last] = {}
    return tree


def picked(item: Any, tree: Fields) -> Any:
    """An answer with the fields of a tree only."""
    if isinstance(item, list):
        return [picked(each, tree) for each in item]
    if not tree or not isinstance(item, dict):
        return item
    return {name: picked(item[name], below) for name, below in tree.items() if name in item}


def resource_id(project: str, type_: str, resource: Resource) -> str:
    """As bills name it, with the project's id: ``//compute.googleapis.com/projects/acme-ml/zones/us-east1-b/instances/gpu-1``."""
    name = str(resource.get("selfLink") or resource.get("name", "")).partition("projects/")[2].partition("/")[2]
    return f"//{type_.partition('/')[0]}/projects/{project}/{name}"


def other_ids(id_: str, project: str, number: str, numeric: str = "") -> list[str]:
    """How else a bill or a metric may name it: with the project's number, with its own number."""
    host, _, path = id_.partition(f"/projects/{project}/")
    paths = [path, f"{path.rpartition('/')[0]}/{numeric}"] if numeric else [path]
    every = [f"{host}/projects/{each}/{path}" for each in filter(None, (project, number)) for path in paths]
    return [each for each in dict.fromkeys(every) if each != id_]


def line(
    project: str,
    number: str,
    service: str,
    type_: str | None = None,
    resource: Resource | None = None,
    ids: Sequence[str] = (),
) -> str:
    """A resource as landing keeps it; without one, whose list of what it is: an empty list has that line alone."""
    content = {
        "project": project,
        "projectNumber": number or None,
        "service": service,
        "assetType": type_,
        "resourceId": ids[0] if ids else None,
        "aliases": list(ids[1:]),
        "resource": resource,
    }
    return json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":")) + "\n"


def number_in(resources: Iterable[Resource]) -> str:
    """The project's number, as Vertex AI names its resources with it; empty where none does."""
    for each in resources:
        if found := re.match(r"projects/(\d+)/", str(each.get("name", ""))):
            return found[1]
    return ""
