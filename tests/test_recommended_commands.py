"""Every command that a rule recommends: AWS's own models know the operation, its parameters, and which of them it needs."""

from __future__ import annotations

import re
import shlex
from functools import cache
from typing import Any

import pytest
from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel
from rules_kit import CATALOGUE

COMMANDS = [
    (query.id, key, who, text)
    for query in CATALOGUE.layer("findings")
    for key in ("check", "change")
    for who, text in query.extra.get(key, {}).items()
]
FILLED = {"{id}", "{name}", "{parent}", "{account}", "{region}", "{zone}", "{path1}", "{path2}", "{path3}", "{path4}"}
TOOLS = {"AWS": "aws", "GCP": "gcloud", "Azure": "az"}
GLOBAL = {"--region"}
# gcloud and az have no models to ask: group and verb, with the options that they need, from their reference pages.
OTHERS = {
    "gcloud ai endpoints describe": {"--region"},
    "gcloud ai endpoints undeploy-model": {"--region", "--deployed-model-id"},
    "gcloud ai index-endpoints describe": {"--region"},
    "gcloud ai index-endpoints undeploy-index": {"--region", "--deployed-index-id"},
    "gcloud ai custom-jobs describe": {"--region"},
    "gcloud ai custom-jobs list": {"--region", "--filter"},
    "gcloud ai custom-jobs cancel": {"--region"},
    "gcloud ai hp-tuning-jobs describe": {"--region"},
    "gcloud ai hp-tuning-jobs cancel": {"--region"},
    "gcloud asset list": {"--asset-types"},
    "gcloud compute disks describe": {"--zone"},
    "gcloud compute disks delete": {"--zone"},
    "gcloud compute instances describe": {"--zone"},
    "gcloud compute instances stop": {"--zone"},
    "gcloud compute instance-groups managed delete-instances": {"--zone", "--instances"},
    "gcloud compute reservations describe": {"--zone"},
    "gcloud compute reservations delete": {"--zone"},
    "gcloud compute snapshots describe": set[str](),
    "gcloud compute snapshots delete": set[str](),
    "gcloud compute tpus tpu-vm describe": {"--zone"},
    "gcloud compute tpus tpu-vm delete": {"--zone"},
    "gcloud workbench instances describe": {"--location"},
    "gcloud workbench instances stop": {"--location"},
    "gcloud workbench instances delete": {"--location"},
    "az cognitiveservices account deployment list": {"--name", "--resource-group", "--subscription"},
    "az cognitiveservices account deployment delete": {
        "--name", "--resource-group", "--deployment-name", "--subscription",
    },
    "az ml compute stop": {"--name", "--resource-group", "--workspace-name", "--subscription"},
    "az resource show": {"--ids"},
    "az resource delete": {"--ids"},
    "az vm show": {"--ids"},
    "az vm deallocate": {"--ids"},
}  # fmt: skip


@cache
def model(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def test_there_are_commands_for_every_provider() -> None:
    assert {who.split()[0] for _, _, who, _ in COMMANDS} == set(TOOLS)


@pytest.mark.parametrize(("rule", "key", "who", "text"), COMMANDS)
def test_a_command_is_one_that_its_tool_has(rule: str, key: str, who: str, text: str) -> None:
    tool, *words = shlex.split(text)
    assert tool == TOOLS[who.split()[0]]
    assert set(re.findall(r"\{[^}]*\}", text)) <= FILLED
    options = {word.partition("=")[0] for word in words if word.startswith("--")}
    if tool == "aws":
        _check_aws(words, options)
        return
    verbs = [word for word in words if not word.startswith("-") and not re.match(r"[{A-Z]", word)]
    needed = OTHERS[" ".join([tool, *verbs])]
    assert options == (needed | {"--project"} if tool == "gcloud" else needed)


def _check_aws(words: list[str], options: set[str]) -> None:
    service = model(words[0])
    names = {xform_name(name, "-"): name for name in service.operation_names}
    assert words[1] in names
    shape = service.operation_model(names[words[1]]).input_shape
    assert shape is not None
    members: dict[str, Any] = {"--" + xform_name(name, "-"): member for name, member in shape.members.items()}
    needed = {"--" + xform_name(name, "-") for name in shape.required_members}
    assert needed <= options <= members.keys() | GLOBAL
    for option, value in zip(words, [*words[1:], ""], strict=True):
        if option in members and members[option].type_name == "structure":
            assert value.partition("=")[0] in members[option].members
