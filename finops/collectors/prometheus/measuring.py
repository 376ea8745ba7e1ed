"""From answers to measures: each series finds its machine, and several series of one GPU become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from finops.collectors.activity import Measure
from finops.collectors.prometheus import questions
from finops.collectors.prometheus.api import Api, Series, names
from finops.collectors.prometheus.machines import Labels, Machine, Machines

BLANK = 0x7FFFFFF0
"""The least of the numbers by which DCGM says that it has none. No GPU has so many MiB."""

Key = tuple[str, str | None, datetime]
"""Resource, part, hour."""


@dataclass
class Hours:
    """What is known of a metric: by GPU and hour the greatest value, the sum of all, and how many there were."""

    most: dict[Key, float] = field(default_factory=dict)
    total: dict[Key, float] = field(default_factory=dict)
    count: dict[Key, float] = field(default_factory=dict)

    def average(self, key: Key) -> float | None:
        """The mean of all values in the hour, whichever series they were in."""
        count = self.count.get(key)
        return self.total[key] / count if count and key in self.total else None


def measure(api: Api, order: Sequence[str], since: date, until: date) -> Iterator[Measure]:
    """All that is measured from ``since`` until before ``until``.

    Args:
        order: labels that may name the machine of a GPU.

    Raises:
        Trouble: a question was not answered, or not whole.
    """
    machines = Machines(names(api.hours(questions.nodes(), since, until)))
    yield from _gpus(api, order, machines, since, until)
    yield from _pods(api, machines, since, until)


def _gpus(api: Api, order: Sequence[str], machines: Machines, since: date, until: date) -> Iterator[Measure]:
    labels = ["cluster", *order, *questions.DEVICE]

    def asked(metric: str) -> Hours:
        found = {}
        for how in ("max", "sum", "count"):
            series = api.hours(questions.gpu(metric, how, labels), since, until)
            found[how] = _joined(series, machines, order, greatest=how == "max")
        return Hours(found["max"], found["sum"], found["count"])

    for metric, unit, limit in ((questions.UTILISATION, "Percent", 100), (questions.ENGINE, "1", 1)):
        hours = asked(metric)
        for key, most in hours.most.items():
            yield from _measures(key, metric, unit, limit, most, hours.average(key))
    used, free = asked(questions.MEMORY_USED), asked(questions.MEMORY_FREE)
    for key, most in used.most.items():
        mean, left = used.average(key), free.average(key)
        is_blank = most >= BLANK or free.most.get(key, BLANK) >= BLANK
        if mean is not None and left is not None and mean + left > 0 and not is_blank:
            whole = mean + left
            yield from _measures(
                key, questions.MEMORY, "Percent", 100, min(100 * most / whole, 100.0), 100 * mean / whole
            )


def _measures(key: Key, metric: str, unit: str, limit: float, most: float, mean: float | None) -> Iterator[Measure]:
    """Maximum and average. What cannot be, a blank of DCGM's, is not measured."""
    resource, part, hour = key
    for statistic, value in (("Maximum", most), ("Average", mean)):
        if value is not None and 0 <= value <= limit and 0 <= most <= limit:
            yield Measure(resource, metric, statistic, part, unit, hour, value)


def _joined(series: Iterable[Series], machines: Machines, order: Sequence[str], *, greatest: bool) -> dict[Key, float]:
    found: dict[Key, float] = {}
    for each in series:
        device = _device(each.labels)
        for hour, value in each.values.items():
            owner = machines.of_gpu(each.labels, order, hour)
            if owner:
                key = (owner.resource_id, _part(owner, device), hour)
                before = found.get(key)
                found[key] = value if before is None else max(before, value) if greatest else before + value
    return found


def _pods(api: Api, machines: Machines, since: date, until: date) -> Iterator[Measure]:
    """What pods ask for, and what their nodes offer. A zero counts only in an hour in which pods were told of."""
    told = {
        (each.labels.get("cluster", ""), hour)
        for each in api.hours(questions.pods_seen(), since, until)
        for hour, count in each.values.items()
        if count >= questions.OFTEN
    }
    for metric, statistic, query in (
        (questions.POD_GPUS, "Maximum", questions.pod_gpus("max")),
        (questions.POD_GPUS, "Average", questions.pod_gpus("avg")),
        (questions.NODE_GPUS, "Maximum", questions.node_gpus()),
    ):
        found: dict[Key, float] = {}
        for each in api.hours(query, since, until):
            cluster = each.labels.get("cluster", "")
            for hour, value in each.values.items():
                owner = machines.of_node(each.labels, hour)
                if owner and (value > 0 or (cluster, hour) in told):
                    key = (owner.resource_id, owner.member or None, hour)
                    found[key] = max(value, found.get(key, value))
        for (resource, part, hour), value in found.items():
            yield Measure(resource, metric, statistic, part, "Count", hour, value)


def _device(labels: Labels) -> str:
    index, uuid, instance = (labels.get(name, "") for name in questions.DEVICE)
    return "/".join(filter(None, [index or uuid, instance]))


def _part(owner: Machine, device: str) -> str | None:
    return "/".join(filter(None, [owner.member, device])) or None
