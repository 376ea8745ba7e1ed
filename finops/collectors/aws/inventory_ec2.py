"""Amazon EC2's accelerator instances, capacity reservations, EBS volumes and snapshots, and EFS file systems."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from finops.collectors.aws.place import Place, Resource, tags_of, text

ACCELERATED = re.compile(r"(?:ml\.)?(?:p|g|gr|trn|inf|dl)\d")
"""Instance types that have a GPU or another accelerator."""
_IMAGE = re.compile(r"\bami-[0-9a-f]+")
"""Named in the description of a snapshot that an image was made of."""
_STUDIO_TAG = "ManagedByAmazonSageMakerResource"
"""What SageMaker writes on the file systems that it makes: the domain's ARN."""


def instances(place: Place) -> list[Resource]:
    """Instances of the families that have accelerators, with how many each has."""
    reservations = place.listed("ec2", "describe_instances", "Reservations")
    found = [
        each
        for reservation in reservations
        for each in reservation.get("Instances") or ()
        if ACCELERATED.match(each["InstanceType"])
    ]
    types = sorted({each["InstanceType"] for each in found})
    counts = (place.if_allowed(lambda: _accelerators(place, types)) if types else None) or {}
    return [_instance(place, each, counts.get(each["InstanceType"])) for each in found]


def _accelerators(place: Place, types: list[str]) -> dict[str, int | None]:
    """How many accelerators a type has. At most 100 types go into one call."""
    found: dict[str, int | None] = {}
    for start in range(0, len(types), 100):
        asked = types[start : start + 100]
        for each in place.listed("ec2", "describe_instance_types", "InstanceTypes", InstanceTypes=asked):
            devices = (
                [
                    *((each.get("GpuInfo") or {}).get("Gpus") or ()),
                    *((each.get("NeuronInfo") or {}).get("NeuronDevices") or ()),
                ]
                or (each.get("InferenceAcceleratorInfo") or {}).get("Accelerators")
                or []
            )
            found[each["InstanceType"]] = sum(device.get("Count") or 0 for device in devices) or None
    return found


def _instance(place: Place, each: dict[str, Any], count: int | None) -> Resource:
    tags, launched = tags_of(each.get("Tags")), each.get("LaunchTime")
    return Resource(
        "AWS::EC2::Instance",
        each["InstanceId"],
        tags.get("Name"),
        (each.get("State") or {}).get("Name"),
        _made_at(each),
        launched,
        tags,
        {
            "InstanceType": each["InstanceType"],
            "GpuCount": count,
            "Spot": each.get("InstanceLifecycle") == "spot",
            "CapacityReservationId": each.get("CapacityReservationId"),
            "Aliases": [_arn(place, "instance", each["InstanceId"])],
        },
    )


def _made_at(each: dict[str, Any]) -> datetime | None:
    """A start again changes the launch time; the first network interface and the root volume keep when they were attached."""
    attached = [
        *((card.get("Attachment") or {}).get("AttachTime") for card in each.get("NetworkInterfaces") or ()),
        *((disk.get("Ebs") or {}).get("AttachTime") for disk in each.get("BlockDeviceMappings") or ()),
        each.get("LaunchTime"),
    ]
    return min(filter(None, attached), default=None)


def capacity_reservations(place: Place) -> list[Resource]:
    """Capacity that is billed whether it is used or not."""
    listed = place.listed("ec2", "describe_capacity_reservations", "CapacityReservations")
    return [
        Resource(
            "AWS::EC2::CapacityReservation",
            each["CapacityReservationId"],
            tags_of(each.get("Tags")).get("Name"),
            each.get("State"),
            each.get("CreateDate"),
            each.get("StartDate"),
            tags_of(each.get("Tags")),
            {
                "InstanceType": each.get("InstanceType"),
                "TotalInstanceCount": each.get("TotalInstanceCount"),
                "AvailableInstanceCount": each.get("AvailableInstanceCount"),
                "EndDate": text(each.get("EndDate")),
                "Aliases": [each["CapacityReservationArn"]] if each.get("CapacityReservationArn") else None,
            },
        )
        for each in listed
    ]


def volumes(place: Place) -> list[Resource]:
    """EBS volumes and what they are attached to."""
    return [
        Resource(
            "AWS::EC2::Volume",
            each["VolumeId"],
            tags_of(each.get("Tags")).get("Name"),
            each.get("State"),
            each.get("CreateTime"),
            None,
            tags_of(each.get("Tags")),
            {
                "SizeGiB": each.get("Size"),
                "VolumeType": each.get("VolumeType"),
                "AttachedTo": sorted(
                    one["InstanceId"] for one in each.get("Attachments") or () if one.get("InstanceId")
                ),
                "SnapshotId": each.get("SnapshotId") or None,
                "Aliases": [_arn(place, "volume", each["VolumeId"])],
            },
        )
        for each in place.listed("ec2", "describe_volumes", "Volumes")
    ]


def snapshots(place: Place) -> list[Resource]:
    """EBS snapshots that the account owns."""
    return [
        Resource(
            "AWS::EC2::Snapshot",
            each["SnapshotId"],
            tags_of(each.get("Tags")).get("Name"),
            each.get("State"),
            each.get("StartTime"),
            None,
            tags_of(each.get("Tags")),
            {
                "VolumeId": each.get("VolumeId"),
                "SizeGiB": each.get("VolumeSize"),
                "StorageTier": each.get("StorageTier"),
                "OfImage": bool(_IMAGE.search(each.get("Description") or "")),
                "Aliases": [_arn(place, "snapshot", each["SnapshotId"])],
            },
        )
        for each in place.listed("ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"])
    ]


def file_systems(place: Place) -> list[Resource]:
    """EFS file systems; those of SageMaker Studio name their domain in a tag."""
    return [
        Resource(
            "AWS::EFS::FileSystem",
            each.get("FileSystemArn") or _file_system_arn(place, each["FileSystemId"]),
            each.get("Name") or None,
            each.get("LifeCycleState"),
            each.get("CreationTime"),
            None,
            tags_of(each.get("Tags")),
            {
                "FileSystemId": each["FileSystemId"],
                "SizeInBytes": (each.get("SizeInBytes") or {}).get("Value"),
                "NumberOfMountTargets": each.get("NumberOfMountTargets"),
                "DomainId": tags_of(each.get("Tags")).get(_STUDIO_TAG, "").rpartition("/")[2] or None,
                "Aliases": [each["FileSystemId"]],
            },
        )
        for each in place.listed("efs", "describe_file_systems", "FileSystems")
    ]


def _arn(place: Place, kind: str, name: str) -> str:
    return f"arn:{_partition(place.region)}:ec2:{place.region}:{place.account}:{kind}/{name}"


def _file_system_arn(place: Place, name: str) -> str:
    return f"arn:{_partition(place.region)}:elasticfilesystem:{place.region}:{place.account}:file-system/{name}"


def _partition(region: str) -> str:
    return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rpartition("-")[0].rpartition("-")[0], "aws")
