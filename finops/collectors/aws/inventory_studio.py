"""Amazon SageMaker Studio: domains, user profiles, spaces and the apps that run in them."""

from __future__ import annotations

from typing import Any

from finops.collectors.aws.inventory_sagemaker import SERVICE
from finops.collectors.aws.place import Place, Resource, text

_APP = ("DomainId", "UserProfileName", "SpaceName", "AppType", "AppName")


def domains(place: Place) -> list[Resource]:
    """Domains with their file system and the idle time after which apps are shut down."""

    def describe(each: dict[str, Any]) -> Resource | None:
        found = place.described(SERVICE, "describe_domain", DomainId=each["DomainId"])
        if found is None:
            return None
        minutes = _idle_minutes(found.get("DefaultUserSettings") or {})
        return Resource(
            "AWS::SageMaker::Domain",
            each["DomainArn"],
            each.get("DomainName"),
            found.get("Status"),
            found.get("CreationTime"),
            found.get("LastModifiedTime"),
            properties={
                "DomainId": each["DomainId"],
                "HomeEfsFileSystemId": found.get("HomeEfsFileSystemId"),
                "AppIdleTimeoutMinutes": max(minutes.values(), default=None),
                "IdleTimeoutMinutesByApp": minutes,
            },
        )

    return place.each(describe, place.listed(SERVICE, "list_domains", "Domains"))


def _idle_minutes(settings: dict[str, Any]) -> dict[str, int]:
    """By kind of app, where idle shutdown is on."""
    found = {}
    for kind in ("JupyterLab", "CodeEditor"):
        management = (settings.get(f"{kind}AppSettings") or {}).get("AppLifecycleManagement") or {}
        idle = management.get("IdleSettings") or {}
        if idle.get("LifecycleManagement") == "ENABLED" and idle.get("IdleTimeoutInMinutes") is not None:
            found[kind] = idle["IdleTimeoutInMinutes"]
    return found


def user_profiles(place: Place) -> list[Resource]:
    """Who may open apps."""

    def describe(each: dict[str, Any]) -> Resource | None:
        domain, name = each["DomainId"], each["UserProfileName"]
        found = place.described(SERVICE, "describe_user_profile", DomainId=domain, UserProfileName=name)
        if found is None:
            return None
        return _made("AWS::SageMaker::UserProfile", found["UserProfileArn"], name, each, {"DomainId": domain})

    return place.each(describe, place.listed(SERVICE, "list_user_profiles", "UserProfiles"))


def spaces(place: Place) -> list[Resource]:
    """Where apps run and keep their volumes."""

    def describe(each: dict[str, Any]) -> Resource | None:
        domain, name = each["DomainId"], each["SpaceName"]
        found = place.described(SERVICE, "describe_space", DomainId=domain, SpaceName=name)
        if found is None:
            return None
        owner = (each.get("OwnershipSettingsSummary") or {}).get("OwnerUserProfileName")
        storage = (found.get("SpaceSettings") or {}).get("SpaceStorageSettings") or {}
        size = (storage.get("EbsStorageSettings") or {}).get("EbsVolumeSizeInGb")
        properties = {"DomainId": domain, "OwnerUserProfile": owner, "VolumeSizeInGB": size}
        return _made("AWS::SageMaker::Space", found["SpaceArn"], name, each, properties)

    return place.each(describe, place.listed(SERVICE, "list_spaces", "Spaces"))


def apps(place: Place) -> list[Resource]:
    """Apps with the times of their last use and their last health check. Deleted ones are listed for a day, and left out."""

    def describe(each: dict[str, Any]) -> Resource | None:
        asked = {field: each[field] for field in _APP if each.get(field)}
        found = place.described(SERVICE, "describe_app", **asked)
        if found is None:
            return None
        properties = {
            "AppType": each.get("AppType"),
            "DomainId": each.get("DomainId"),
            "UserProfileName": each.get("UserProfileName"),
            "SpaceName": each.get("SpaceName"),
            "InstanceType": (found.get("ResourceSpec") or {}).get("InstanceType"),
            "LastUserActivityAt": text(found.get("LastUserActivityTimestamp")),
            "LastHealthCheckAt": text(found.get("LastHealthCheckTimestamp")),
        }
        return _made("AWS::SageMaker::App", found["AppArn"], each["AppName"], {**each, **found}, properties)

    listed = place.listed(SERVICE, "list_apps", "Apps")
    return place.each(describe, [each for each in listed if each.get("Status") != "Deleted"])


def _made(kind: str, arn: str, name: str, each: dict[str, Any], properties: dict[str, Any]) -> Resource:
    state, created, changed = each.get("Status"), each.get("CreationTime"), each.get("LastModifiedTime")
    return Resource(kind, arn, name, state, created, changed, properties=properties)
