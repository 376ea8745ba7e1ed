"""What the collectors must be allowed, as text to copy: the least privilege that collecting and ``finops doctor`` need.

An identity's sources share a policy, and two identities never do: each would be allowed what only the other needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from finops.collectors.interface import Permission
from finops.config.source import Source

_AWS = re.compile(r"[a-z0-9-]+:\w+")
_GCP = re.compile(r"[a-z]+(\.\w+)+")
_TAKES_ON = ("sts:AssumeRole", "iam.serviceAccounts.getAccessToken")
"""What the identity that finops runs as needs, to become the one that the source names."""
LONGEST_TITLE = 100
"""Bytes that Google takes for the title of a role."""


@dataclass(frozen=True)
class Need:
    """What one source needs."""

    source_id: str
    source: Source
    permissions: Sequence[Permission]


def policies(needs: Iterable[Need]) -> dict[str, str]:
    """A text by its title: per provider, and per identity where the provider grants to identities."""
    asked: dict[tuple[str, str], tuple[list[str], list[Permission]]] = {}
    for need in needs:
        for each in need.permissions:
            names, some = asked.setdefault(_receiver(need.source, each), ([], []))
            names += [need.source_id] if need.source_id not in names else []
            some.append(each)
    texts = {}
    for (kind, whom), (names, some) in sorted(asked.items(), key=lambda each: list(_KINDS).index(each[0][0])):
        title, make = _KINDS[kind]
        of = f" for {whom} (source{'s' if len(names) > 1 else ''} {', '.join(names)})" if whom else ""
        texts[_line(title + of)] = make(some, names)
    return texts


def aws_policy(permissions: Iterable[Permission]) -> str:
    """An IAM policy as JSON: one statement for what is allowed on the same resource; what is optional stands apart."""
    statements: dict[tuple[bool, tuple[str, ...]], set[str]] = {}
    resources: dict[tuple[bool, str], set[str]] = {}
    for each in permissions:
        resources.setdefault((each.optional, each.action), set()).add(each.resource)
    needed = {action: found for (optional, action), found in resources.items() if not optional}
    for (optional, action), found in resources.items():
        left = found - needed.get(action, set()) if optional else found
        if left:
            statements.setdefault((optional, tuple(sorted(left))), set()).add(action)
    return (
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": f"{'Optional' if optional else 'Needed'}{number}",
                        "Effect": "Allow",
                        "Action": sorted(actions),
                        "Resource": where[0] if len(where) == 1 else list(where),
                    }
                    for number, ((optional, where), actions) in enumerate(sorted(statements.items()), start=1)
                ],
            },
            indent=2,
        )
        + "\n"
    )


def gcp_roles(permissions: Iterable[Permission], names: Sequence[str] = ()) -> str:
    """A custom role per resource that it is to be granted on, each a YAML document as ``gcloud iam roles create`` takes it.

    Args:
        names: the sources, the first of which is in the roles' titles.
    """
    roles = []
    for number, (resource, some) in enumerate(_by_resource(permissions).items(), start=1):
        title = f"finops {''.join(names[:1])} {number}: {resource}".encode()[:LONGEST_TITLE].decode(errors="ignore")
        lines = [
            f"# to be granted on {_line(resource)}",
            f"title: {json.dumps(title)}",
            "stage: GA",
            "includedPermissions:",
        ]
        lines += [f"- {each.action}  # {'optional: ' if each.optional else ''}{_line(each.why)}" for each in some]
        roles.append("\n".join(lines) + "\n")
    return "---\n".join(roles)


def azure_roles(permissions: Iterable[Permission]) -> str:
    """The actions per scope. The built-in role Storage Blob Data Reader has those on blobs."""
    lines = []
    for scope, some in _by_resource(permissions).items():
        lines.append(f"# on {scope}: the role Storage Blob Data Reader, which has\n")
        lines += [f"- {each.action}  # {each.why}\n" for each in some]
    return "".join(lines)


def _others(permissions: Iterable[Permission]) -> str:
    return "".join(f"{each.action} on {each.resource}: {each.why}\n" for each in _once(permissions))


_KINDS: dict[str, tuple[str, Callable[[Sequence[Permission], Sequence[str]], str]]] = {
    "aws": ("AWS, an IAM policy", lambda some, _: aws_policy(some)),
    "gcp": ("Google Cloud, custom roles", gcp_roles),
    "azure": ("Azure, a role assignment", lambda some, _: azure_roles(some)),
    "other": ("Others", lambda some, _: _others(some)),
}


def _receiver(source: Source, permission: Permission) -> tuple[str, str]:
    """Which kind of text a permission belongs into, and who is to get it."""
    action = permission.action
    if _AWS.fullmatch(action):
        role, profile = getattr(source, "role_arn", ""), getattr(source, "profile", "")
        caller = f"the profile {profile}" if profile else "the identity that finops runs as"
        if action in _TAKES_ON:
            return "aws", f"{caller}, to take on roles"
        return "aws", f"the role {role}" if role else caller
    if _GCP.fullmatch(action):
        account, key = getattr(source, "impersonate", ""), getattr(source, "credentials", None)
        caller = f"the identity in {key}" if key else "the identity that finops runs as"
        if action in _TAKES_ON:
            return "gcp", f"{caller}, to act as others"
        return "gcp", f"the service account {account}" if account else caller
    return ("azure", "") if action.startswith("Microsoft.") and "/" in action else ("other", "")


def _by_resource(permissions: Iterable[Permission]) -> dict[str, list[Permission]]:
    grouped: dict[str, list[Permission]] = {}
    for each in _once(permissions):
        grouped.setdefault(each.resource, []).append(each)
    return grouped


def _once(permissions: Iterable[Permission]) -> list[Permission]:
    """Each but once: needed, if one source needs what another can do without."""
    first: dict[tuple[str, str], Permission] = {}
    for each in permissions:
        known = first.setdefault((each.action, each.resource), each)
        if known.optional and not each.optional:
            first[each.action, each.resource] = each
    return list(first.values())


def _line(text: str) -> str:
    """Names come from the configuration: whatever they hold, they stay in their comment."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
