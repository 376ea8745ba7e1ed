"""Amazon Bedrock: what is billed while nobody calls it. Models of others, and tokens, are no resources of the account."""

from __future__ import annotations

from finops.collectors.aws.place import Place, Resource, text

SERVICE = "bedrock"


def provisioned_throughputs(place: Place) -> list[Resource]:
    """Model units by the hour, with the end of their commitment."""
    listed = place.listed(SERVICE, "list_provisioned_model_throughputs", "provisionedModelSummaries")
    return [
        Resource(
            "AWS::Bedrock::ProvisionedModelThroughput",
            each["provisionedModelArn"],
            each.get("provisionedModelName"),
            each.get("status"),
            each.get("creationTime"),
            each.get("lastModifiedTime"),
            properties={
                "ModelUnits": each.get("modelUnits"),
                "CommitmentDuration": each.get("commitmentDuration"),
                "CommitmentExpiresAt": text(each.get("commitmentExpirationTime")),
                "FoundationModelArn": each.get("foundationModelArn"),
                "ModelArn": each.get("modelArn"),
            },
        )
        for each in listed
    ]


def custom_models(place: Place) -> list[Resource]:
    """Models that the account has customised; their storage is billed by the month."""
    listed = place.listed(SERVICE, "list_custom_models", "modelSummaries", isOwned=True)
    return [
        Resource(
            "AWS::Bedrock::CustomModel",
            each["modelArn"],
            each.get("modelName"),
            each.get("modelStatus"),
            each.get("creationTime"),
            properties={"BaseModelArn": each.get("baseModelArn"), "CustomizationType": each.get("customizationType")},
        )
        for each in listed
    ]


def imported_models(place: Place) -> list[Resource]:
    """Models that were brought along; active copies and storage are billed."""
    listed = place.listed(SERVICE, "list_imported_models", "modelSummaries")
    return [
        Resource(
            "AWS::Bedrock::ImportedModel",
            each["modelArn"],
            each.get("modelName"),
            None,
            each.get("creationTime"),
            properties={"ModelArchitecture": each.get("modelArchitecture")},
        )
        for each in listed
    ]
