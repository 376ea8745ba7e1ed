"""Which cloud machine a node of Kubernetes was in an hour, from ``kube_node_info``: a name may be another machine tomorrow."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

Labels = Mapping[str, str]

_INSTANCE = re.compile(r"(i-(?:[0-9a-f]{8}|[0-9a-f]{17}))(?![0-9a-f])")
_PORT = re.compile(r":\d+$")


@dataclass(frozen=True)
class Machine:
    """A cloud machine, as the bill names it."""

    provider: str | None
    account: str
    """The project or subscription; empty where the id does not say it."""
    resource_id: str
    member: str = ""
    """Of a scale set, which the bill names as a whole: the machine's number."""


def machine(provider_id: str) -> Machine | None:
    """The machine of a node's provider id: ``aws:///us-east-1a/i-0abc``, ``gce://project/zone/name``, ``azure:///subscriptions/…``."""
    kind, found, rest = provider_id.partition("://")
    path = rest.strip("/")
    if not (found and path):
        return None
    if kind == "aws":
        return Machine("AWS", "", path.rpartition("/")[2])
    if kind == "gce" and path.count("/") == 2:
        project, zone, name = path.split("/")
        return Machine("GCP", project, f"//compute.googleapis.com/projects/{project}/zones/{zone}/instances/{name}")
    if kind == "azure":
        parts = path.split("/")
        account = parts[1] if len(parts) > 1 else ""
        is_member = len(parts) > 2 and parts[-2].lower() == "virtualmachines" and "virtualMachineScaleSets" in parts
        return Machine(
            "Azure", account, "/" + "/".join(parts[:-2] if is_member else parts), parts[-1] if is_member else ""
        )
    return Machine(None, "", provider_id)


def instance_of(value: str) -> Machine | None:
    """The EC2 instance that a label's value is, or begins with."""
    found = _INSTANCE.match(value)
    return Machine("AWS", "", found[1]) if found else None


class Machines:
    """The nodes of the clusters, hour by hour."""

    def __init__(self, infos: Sequence[tuple[Labels, Sequence[datetime]]]) -> None:
        """``infos``: the labels of ``kube_node_info``, each with the hours in which it was there."""
        self._known: dict[str, dict[str, dict[Machine, set[datetime]]]] = defaultdict(lambda: defaultdict(dict))
        for labels, hours in infos:
            found = machine(labels.get("provider_id", ""))
            if found is None:
                continue
            for name in {node_of(labels), labels.get("internal_ip", "")} - {""}:
                self._known[name][labels.get("cluster", "")].setdefault(found, set()).update(hours)

    def of_node(self, labels: Labels, hour: datetime | None) -> Machine | None:
        """The machine of a node's own metric."""
        return self._named(node_of(labels), labels.get("cluster", ""), hour) or instance_of(node_of(labels))

    def of_gpu(self, labels: Labels, order: Sequence[str], hour: datetime | None) -> Machine | None:
        """The machine of a GPU's metric: the first of the labels ``order`` that names one does."""
        for name in order:
            value = labels.get(name, "")
            found = self._named(_PORT.sub("", value), labels.get("cluster", ""), hour) if value else None
            if found := found or instance_of(value):
                return found
        return None

    def _named(self, name: str, cluster: str, hour: datetime | None) -> Machine | None:
        """The one that was called so in that hour; in an hour of which nothing is known, the only one that ever was.

        Without an hour: any that was, if only to know that there is one.
        """
        clusters = self._known.get(name, {})
        found: dict[Machine, set[datetime]] = {}
        for each, machines in clusters.items():
            if not cluster or each in ("", cluster):
                for one, hours in machines.items():
                    found.setdefault(one, set()).update(hours)
        if hour is None:
            return next(iter(found), None)
        then = [one for one, hours in found.items() if hour in hours]
        if then:
            return then[0] if len(then) == 1 else None
        return next(iter(found)) if len(found) == 1 else None


def node_of(labels: Labels) -> str:
    """The node that a metric of kube-state-metrics is about."""
    return labels.get("exported_node") or labels.get("node", "")
