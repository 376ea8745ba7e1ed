"""Amazon SageMaker: endpoints, inference components, notebook instances, clusters, training plans, feature groups, models."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from finops.collectors.aws.place import Place, Resource, text

SERVICE = "sagemaker"
STOPS_ITSELF = re.compile(
    r"auto-?_?stop|stop[-_]notebook[-_]instance|(?<!\w)--(?:time|idle[-_]?(?:time|timeout))\b[ =]", re.IGNORECASE
)
"""In a lifecycle script: it stops the instance when nobody uses it."""


def endpoints(place: Place) -> list[Resource]:
    """Endpoints with the variants of the configuration that is in use; shadow variants too, for they are billed."""
    listed = place.listed(SERVICE, "list_endpoints", "Endpoints")
    described = place.each(
        lambda each: place.described(SERVICE, "describe_endpoint", EndpointName=each["EndpointName"]), listed
    )
    names = sorted({each["EndpointConfigName"] for each in described if each.get("EndpointConfigName")})
    configs = dict(zip(names, place.each(lambda name: _config(place, name), names), strict=True))
    least = place.if_allowed(lambda: _capacities(place))
    components = (place.if_allowed(lambda: _components(place)) if described else None) or []
    with_components = {each["EndpointName"] for each in components}
    return [
        _endpoint(
            each, configs.get(each.get("EndpointConfigName", ""), {}), least, each["EndpointName"] in with_components
        )
        for each in described
    ]


def _config(place: Place, name: str) -> dict[str, Any]:
    """An endpoint's configuration; nothing where it was deleted while the endpoint lives on."""
    return place.described(SERVICE, "describe_endpoint_config", EndpointConfigName=name) or {}


def _capacities(place: Place) -> dict[str, int]:
    """The least instances that auto scaling leaves, by ``endpoint/NAME/variant/NAME``."""
    found = place.listed(
        "application-autoscaling", "describe_scalable_targets", "ScalableTargets", ServiceNamespace=SERVICE
    )
    return {each["ResourceId"]: each["MinCapacity"] for each in found if each["ScalableDimension"] == _INSTANCES}


_INSTANCES = "sagemaker:variant:DesiredInstanceCount"


def _components(place: Place) -> list[dict[str, Any]]:
    return place.listed(SERVICE, "list_inference_components", "InferenceComponents")


def _endpoint(
    each: dict[str, Any], config: dict[str, Any], least: dict[str, int] | None, has_components: bool
) -> Resource:
    wanted = {
        variant["VariantName"]: variant
        for field in ("ProductionVariants", "ShadowProductionVariants")
        for variant in config.get(field) or ()
    }
    running = {
        variant["VariantName"]: variant
        for field in ("ProductionVariants", "ShadowProductionVariants")
        for variant in each.get(field) or ()
    }
    variants = [_variant(name, wanted.get(name, {}), running.get(name, {})) for name in running or wanted]
    models = sorted({variant["ModelName"] for variant in wanted.values() if variant.get("ModelName")})
    bounds = [_least(least or {}, each["EndpointName"], name, running.get(name, {})) for name in running or wanted]
    stated = [bound for bound in bounds if bound is not None]
    known = bool(config or running)
    return Resource(
        "AWS::SageMaker::Endpoint",
        each["EndpointArn"],
        each["EndpointName"],
        each.get("EndpointStatus"),
        each.get("CreationTime"),
        each.get("LastModifiedTime"),
        properties={
            "Variants": variants,
            "Async": bool(each.get("AsyncInferenceConfig") or config.get("AsyncInferenceConfig")),
            "Serverless": any(each["MemorySizeInMB"] for each in variants) if known else None,
            "InferenceComponents": has_components or (bool(wanted) and not models),
            "ConfigName": each.get("EndpointConfigName"),
            "ModelNames": models if config else None,
            "MinCapacity": sum(stated) if stated else None,
            "ShadowVariants": [variant["VariantName"] for variant in each.get("ShadowProductionVariants") or ()],
        },
    )


def _least(bounds: dict[str, int], endpoint: str, name: str, running: dict[str, Any]) -> int | None:
    """How few instances a variant may have: by auto scaling, or as SageMaker itself manages it. None: neither is known."""
    managed = running.get("ManagedInstanceScaling") or {}
    own: int | None = managed.get("MinInstanceCount") if managed.get("Status") == "ENABLED" else None
    return bounds.get(f"endpoint/{endpoint}/variant/{name}", own)


def _variant(name: str, wanted: dict[str, Any], running: dict[str, Any]) -> dict[str, Any]:
    serverless = running.get("CurrentServerlessConfig") or wanted.get("ServerlessConfig") or {}
    pools = [each.get("InstanceType") for each in wanted.get("InstancePools") or running.get("InstancePools") or ()]
    return {
        "VariantName": name,
        "InstanceType": wanted.get("InstanceType") or next(filter(None, pools), None),
        "CurrentInstanceCount": running.get("CurrentInstanceCount"),
        "ProvisionedConcurrency": serverless.get("ProvisionedConcurrency"),
        "MemorySizeInMB": serverless.get("MemorySizeInMB"),
    }


def inference_components(place: Place) -> list[Resource]:
    """Inference components with the copies that they hold."""

    def describe(each: dict[str, Any]) -> Resource | None:
        name = each["InferenceComponentName"]
        found = place.described(SERVICE, "describe_inference_component", InferenceComponentName=name)
        if found is None:
            return None
        return Resource(
            "AWS::SageMaker::InferenceComponent",
            each["InferenceComponentArn"],
            name,
            each.get("InferenceComponentStatus"),
            each.get("CreationTime"),
            each.get("LastModifiedTime"),
            properties={
                "EndpointArn": each.get("EndpointArn"),
                "EndpointName": each.get("EndpointName"),
                "VariantName": each.get("VariantName"),
                "CopyCount": (found.get("RuntimeConfig") or {}).get("CurrentCopyCount"),
            },
        )

    return place.each(describe, _components(place))


def notebook_instances(place: Place) -> list[Resource]:
    """Notebook instances, and whether a lifecycle script stops them. The scripts themselves are not kept."""
    listed = place.listed(SERVICE, "list_notebook_instances", "NotebookInstances")
    names = sorted({each["NotebookInstanceLifecycleConfigName"] for each in listed if _lifecycle(each)})
    stops = dict(zip(names, place.each(lambda name: (_auto_stop(place, name),), names), strict=True))

    def describe(each: dict[str, Any]) -> Resource | None:
        found = place.described(
            SERVICE, "describe_notebook_instance", NotebookInstanceName=each["NotebookInstanceName"]
        )
        if found is None:
            return None
        name = _lifecycle(each)
        return Resource(
            "AWS::SageMaker::NotebookInstance",
            each["NotebookInstanceArn"],
            each["NotebookInstanceName"],
            found.get("NotebookInstanceStatus"),
            found.get("CreationTime"),
            found.get("LastModifiedTime"),
            properties={
                "InstanceType": found.get("InstanceType"),
                "VolumeSizeInGB": found.get("VolumeSizeInGB"),
                "LifecycleConfigName": name,
                "AutoStop": stops[name][0] if name else False,
            },
        )

    return place.each(describe, listed)


def _lifecycle(each: dict[str, Any]) -> str | None:
    return each.get("NotebookInstanceLifecycleConfigName") or None


def _auto_stop(place: Place, name: str) -> bool | None:
    """Does a script of the lifecycle configuration stop the instance when it is idle? None: it could not be read."""
    found = place.if_allowed(
        lambda: place.described(
            SERVICE,
            "describe_notebook_instance_lifecycle_config",
            NotebookInstanceLifecycleConfigName=name,
        )
    )
    if found is None:
        return None
    scripts = [script.get("Content", "") for field in ("OnCreate", "OnStart") for script in found.get(field) or ()]
    return stops_itself(scripts)


def stops_itself(scripts: Iterable[str]) -> bool | None:
    """The same of scripts in Base64; None: they are no text."""
    try:
        return any(STOPS_ITSELF.search(base64.b64decode(each).decode("utf-8")) for each in scripts)
    except ValueError:
        return None


def clusters(place: Place) -> list[Resource]:
    """HyperPod clusters with their nodes."""

    def describe(each: dict[str, Any]) -> Resource | None:
        name = each["ClusterName"]
        found = place.described(SERVICE, "describe_cluster", ClusterName=name)
        if found is None:
            return None
        nodes = place.listed(SERVICE, "list_cluster_nodes", "ClusterNodeSummaries", ClusterName=name)
        kept = ("InstanceGroupName", "InstanceType", "CurrentCount", "TargetCount")
        groups = [*(found.get("InstanceGroups") or ()), *(found.get("RestrictedInstanceGroups") or ())]
        return Resource(
            "AWS::SageMaker::Cluster",
            each["ClusterArn"],
            name,
            found.get("ClusterStatus"),
            each.get("CreationTime"),
            properties={
                "InstanceGroups": [{field: group.get(field) for field in kept} for group in groups],
                "InstanceIds": sorted(node["InstanceId"] for node in nodes if node.get("InstanceId")),
                "TrainingPlanArns": each.get("TrainingPlanArns"),
            },
        )

    return place.each(describe, place.listed(SERVICE, "list_clusters", "ClusterSummaries"))


def training_plans(place: Place) -> list[Resource]:
    """Capacity that was bought ahead."""
    found = []
    for each in place.listed(SERVICE, "list_training_plans", "TrainingPlanSummaries"):
        capacities = each.get("ReservedCapacitySummaries") or []
        types = sorted({capacity["InstanceType"] for capacity in capacities if capacity.get("InstanceType")})
        states = sorted({capacity["Status"] for capacity in capacities if capacity.get("Status")})
        properties = {
            "StartTime": text(each.get("StartTime")),
            "EndTime": text(each.get("EndTime")),
            "TotalInstanceCount": each.get("TotalInstanceCount"),
            "AvailableInstanceCount": each.get("AvailableInstanceCount"),
            "InUseInstanceCount": each.get("InUseInstanceCount"),
            "InstanceType": types[0] if len(types) == 1 else None,
            "InstanceTypes": types,
            "CapacityStatus": states[0] if len(states) == 1 else None,
            "TargetResources": each.get("TargetResources"),
        }
        name, state = each.get("TrainingPlanName"), each.get("Status")
        made = Resource(
            "AWS::SageMaker::TrainingPlan", each["TrainingPlanArn"], name, state, None, properties=properties
        )
        found.append(made)
    return found


def feature_groups(place: Place) -> list[Resource]:
    """Feature groups with their stores."""

    def describe(each: dict[str, Any]) -> Resource | None:
        found = place.described(SERVICE, "describe_feature_group", FeatureGroupName=each["FeatureGroupName"])
        if found is None:
            return None
        return Resource(
            "AWS::SageMaker::FeatureGroup",
            each["FeatureGroupArn"],
            each["FeatureGroupName"],
            found.get("FeatureGroupStatus"),
            found.get("CreationTime"),
            found.get("LastModifiedTime"),
            properties={
                "OnlineStoreEnabled": bool((found.get("OnlineStoreConfig") or {}).get("EnableOnlineStore")),
                "OfflineStoreUri": ((found.get("OfflineStoreConfig") or {}).get("S3StorageConfig") or {}).get("S3Uri"),
                "ThroughputMode": (found.get("ThroughputConfig") or {}).get("ThroughputMode"),
            },
        )

    return place.each(describe, place.listed(SERVICE, "list_feature_groups", "FeatureGroupSummaries"))


def models(place: Place) -> list[Resource]:
    """Models with where their artefacts lie."""

    def describe(each: dict[str, Any]) -> Resource | None:
        found = place.described(SERVICE, "describe_model", ModelName=each["ModelName"])
        if found is None:
            return None
        containers = [found["PrimaryContainer"]] if found.get("PrimaryContainer") else []
        urls = [_artifact(container) for container in containers + (found.get("Containers") or [])]
        return Resource(
            "AWS::SageMaker::Model",
            each["ModelArn"],
            each["ModelName"],
            None,
            each.get("CreationTime"),
            properties={"ArtifactUrls": sorted({url for url in urls if url})},
        )

    return place.each(describe, place.listed(SERVICE, "list_models", "Models"))


def _artifact(container: dict[str, Any]) -> str | None:
    lies: str | None = container.get("ModelDataUrl")
    return lies or ((container.get("ModelDataSource") or {}).get("S3DataSource") or {}).get("S3Uri")
