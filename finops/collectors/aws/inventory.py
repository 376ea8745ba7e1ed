"""What an account has in a region, service by service. A service that could not be read whole is said to be so, never empty."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from finops.collectors.aws import inventory_bedrock as bedrock
from finops.collectors.aws import inventory_ec2 as ec2
from finops.collectors.aws import inventory_jobs as jobs
from finops.collectors.aws import inventory_sagemaker as sagemaker
from finops.collectors.aws import inventory_studio as studio
from finops.collectors.aws.place import Place, Resource, Unsupported, action_of, tags_of, text
from finops.collectors.interface import Outcome, Trouble

UNSUPPORTED = "unsupported"
"""The outcome where a service is not in a region: nothing is missing."""

Reader = Callable[[Place, date], list[Resource]]


def _whole(reader: Callable[[Place], list[Resource]]) -> Reader:
    return lambda place, since: reader(place)


SERVICES: Mapping[str, tuple[Reader, ...]] = {
    "sagemaker": (
        _whole(sagemaker.endpoints),
        _whole(sagemaker.inference_components),
        _whole(sagemaker.notebook_instances),
        _whole(studio.domains),
        _whole(studio.user_profiles),
        _whole(studio.spaces),
        _whole(studio.apps),
        jobs.training_jobs,
        jobs.processing_jobs,
        jobs.transform_jobs,
        jobs.tuning_jobs,
        _whole(sagemaker.clusters),
        _whole(sagemaker.training_plans),
        _whole(sagemaker.feature_groups),
        _whole(sagemaker.models),
    ),
    "bedrock": (
        _whole(bedrock.provisioned_throughputs),
        _whole(bedrock.custom_models),
        _whole(bedrock.imported_models),
    ),
    "ec2": (_whole(ec2.instances), _whole(ec2.capacity_reservations)),
    "ebs": (_whole(ec2.volumes), _whole(ec2.snapshots)),
    "efs": (_whole(ec2.file_systems),),
}
"""What is read of each service. The names are those of ``inventory.reads``."""
TAGGED = ["sagemaker", "bedrock"]
"""Services whose own answers have no tags: they are asked for in bulk."""


@dataclass(frozen=True)
class Reading:
    """What became of reading a service."""

    service: str
    resources: list[Resource] = field(default_factory=list)
    """What could be read, even where it is not all."""
    troubles: list[Trouble] = field(default_factory=list)
    unsupported: str = ""
    """Why the service is not there."""

    @property
    def outcome(self) -> str:
        """For ``inventory.reads``."""
        if self.troubles:
            return self.troubles[0].outcome
        if self.unsupported:
            return UNSUPPORTED
        return Outcome.COMPLETE if self.resources or self.service == "tags" else Outcome.EMPTY

    @property
    def what(self) -> str:
        """In words; empty where all is well."""
        return "; ".join(dict.fromkeys(each.what for each in self.troubles)) or self.unsupported

    @property
    def next_step(self) -> str:
        """What mends it."""
        return " ".join(dict.fromkeys(each.next_step for each in self.troubles))


def read(place: Place, service: str, since: date) -> Reading:
    """Read one service. What is denied does not stop the rest; what fails for long, or has expired, does.

    Args:
        since: jobs that ended before are left out.
    """
    found, troubles = Reading(service), []
    for number, reader in enumerate(SERVICES[service]):
        try:
            found.resources.extend(reader(place, since))
        except Unsupported as error:
            if number == 0:
                return replace(found, unsupported=str(error))
        except Trouble as trouble:
            troubles.append(trouble.of(f"{place.where}, {service}", None))
            if trouble.outcome is not Outcome.DENIED:
                break
        except KeyError as error:
            what = f"an answer lacks {error}"
            troubles.append(Trouble(Outcome.CHANGED, what, where=f"{place.where}, {service}", next_step="Report it."))
    return replace(found, troubles=troubles)


def read_tags(place: Place) -> tuple[Reading, dict[str, dict[str, str]]]:
    """The tags of what has no tags in its own answers, by ARN. What has never had a tag is not among them."""
    try:
        listed = place.listed(
            "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", ResourceTypeFilters=TAGGED
        )
    except Unsupported as error:
        return Reading("tags", unsupported=str(error)), {}
    except Trouble as trouble:
        return Reading("tags", troubles=[trouble.of(f"{place.where}, tags", None)]), {}
    found = {each["ResourceARN"]: tags_of(each.get("Tags")) for each in listed}
    return Reading("tags"), found


def with_tags(reading: Reading, tags: Mapping[str, dict[str, str]]) -> Reading:
    """The same with the tags that are known."""
    tagged = [each if each.tags is not None else replace(each, tags=tags.get(each.id)) for each in reading.resources]
    return replace(reading, resources=tagged)


def lines(place: Place, reading: Reading) -> str:
    """The snapshot as lines of JSON, in the order of types and ids; of an empty one a line that says whose it is."""
    nothing = Resource("", "", None, None, None)
    every = sorted(reading.resources, key=lambda each: (each.type, each.id)) or [nothing]
    return "".join(
        json.dumps(
            {
                "aws_account": place.account,
                "region": place.region,
                "service": reading.service,
                "type": each.type or None,
                "id": each.id or None,
                "name": each.name,
                "state": each.state,
                "created_at": text(each.created_at),
                "changed_at": text(each.changed_at),
                "tags": each.tags,
                "properties": each.properties,
            },
            sort_keys=True,
            ensure_ascii=False,
            default=str,
        )
        + "\n"
        for each in every
    )


LISTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "sagemaker": tuple(
        ("sagemaker", f"list_{each}")
        for each in (
            "endpoints", "inference_components", "notebook_instances", "domains", "user_profiles", "spaces", "apps",
            "training_jobs", "processing_jobs", "transform_jobs", "hyper_parameter_tuning_jobs", "clusters",
            "training_plans", "feature_groups", "models",
        )
    ),
    "bedrock": tuple(
        ("bedrock", f"list_{each}") for each in ("provisioned_model_throughputs", "custom_models", "imported_models")
    ),
    "ec2": (("ec2", "describe_instances"), ("ec2", "describe_capacity_reservations")),
    "ebs": (("ec2", "describe_volumes"), ("ec2", "describe_snapshots")),
    "efs": (("efs", "describe_file_systems"),),
}  # fmt: skip
"""The calls that list what a service has, for ``finops doctor``."""
DETAILS = tuple(
    action_of("sagemaker", each)
    for each in (
        "describe_endpoint", "describe_endpoint_config", "describe_inference_component", "describe_notebook_instance",
        "describe_domain", "describe_user_profile", "describe_space", "describe_app", "describe_training_job",
        "describe_processing_job", "describe_transform_job", "describe_hyper_parameter_tuning_job", "describe_cluster",
        "list_cluster_nodes", "describe_feature_group", "describe_model",
    )
)  # fmt: skip
"""The calls that describe what was listed."""
OPTIONAL = {
    action_of("sagemaker", "describe_notebook_instance_lifecycle_config"): "whether a notebook instance stops itself",
    action_of("application-autoscaling", "describe_scalable_targets"): "how far an endpoint scales in",
    action_of("ec2", "describe_instance_types"): "how many accelerators an instance has",
    action_of("resourcegroupstaggingapi", "get_resources"): "tags of SageMaker and Bedrock, which may name teams",
}
"""Details without which the rest comes, and what is then not known."""
