"""What the collectors must be allowed, as text to copy: the least privilege that collecting and ``finops doctor`` need."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from finops.collectors.interface import Permission


def policies(needs: Mapping[str, Sequence[Permission]]) -> dict[str, str]:
    """A text per provider.

    Args:
        needs: the permissions of each source, by its name.
    """
    every = [each for permissions in needs.values() for each in permissions]
    kinds = {
        "AWS, an IAM policy": (aws_policy, [each for each in every if re.fullmatch(r"[a-z0-9-]+:\w+", each.action)]),
        "Google Cloud, custom roles": (
            gcp_roles,
            [each for each in every if re.fullmatch(r"[a-z]+(\.\w+)+", each.action)],
        ),
    }
    azure = [each for each in every if "/" in each.action and each.action.startswith("Microsoft.")]
    if azure:
        kinds["Azure, a role assignment"] = (azure_roles, azure)
    covered = [each for _, some in kinds.values() for each in some]
    others = [each for each in every if each not in covered]
    texts = {name: make(some) for name, (make, some) in kinds.items() if some}
    if others:
        texts["Others"] = "".join(f"{each.action} on {each.resource}: {each.why}\n" for each in _once(others))
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


def gcp_roles(permissions: Iterable[Permission]) -> str:
    """What a custom role must contain, per resource that it is to be granted on."""
    grouped: dict[str, list[Permission]] = {}
    for each in _once(permissions):
        grouped.setdefault(each.resource, []).append(each)
    lines = []
    for resource, some in grouped.items():
        lines.append(f"# to be granted on {resource}\ntitle: finops collector\nstage: GA\nincludedPermissions:\n")
        lines += [f"- {each.action}  # {'optional: ' if each.optional else ''}{each.why}\n" for each in some]
    return "".join(lines)


def azure_roles(permissions: Iterable[Permission]) -> str:
    """The actions per scope. The built-in role Storage Blob Data Reader has those on blobs."""
    grouped: dict[str, list[Permission]] = {}
    for each in _once(permissions):
        grouped.setdefault(each.resource, []).append(each)
    lines = []
    for scope, some in grouped.items():
        lines.append(f"# on {scope}: the role Storage Blob Data Reader, which has\n")
        lines += [f"- {each.action}  # {each.why}\n" for each in some]
    return "".join(lines)


def _once(permissions: Iterable[Permission]) -> list[Permission]:
    first: dict[tuple[str, str], Permission] = {}
    for each in permissions:
        first.setdefault((each.action, each.resource), each)
    return list(first.values())
