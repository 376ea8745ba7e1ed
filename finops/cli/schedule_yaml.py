"""A schedule for GitHub Actions, and for Kubernetes."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

from finops import __version__
from finops.cli.scheduled import WAIT, Job
from finops.cli.timetable import Timetable
from finops.errors import UsageError

_UNPRINTABLE = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
PYTHON = "python:3.13-slim"
_UNITS = {"K": 1, "M": 2, "G": 3}
FROZEN = "[paths] frozen"
"""A person freezes months and commits them: a run only reads what is in the repository."""
POD = "/ledger"
"""Where the workspace is in a pod."""


def quoted(text: str) -> str:
    """A string of YAML, whatever is in the text. JSON's are, but for characters that YAML wants escaped and JSON does not."""
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(text, ensure_ascii=False))


def workflow(job: Job, at: Timetable, zone: str) -> str:
    """A workflow for the repository that the workspace is in."""
    root = repository(job.folder) or job.folder
    place = job.folder.relative_to(root).as_posix()
    variables = "".join(f"\n          {name}: ${{{{ secrets.{name} }}}}" for name in job.variables)
    kept = " ".join(quoted_shell(path) for key, path in kept_inside(job).items() if key != FROZEN)
    clouds = {each.type.split("-")[0] for each in job.workspace.config.sources.values()}
    reports = PurePosixPath(place) / job.workspace.config.reports.path.as_posix()
    return f"""\
# finops {__version__}: the scheduled job. Save it as .github/workflows/finops.yml.
# Bills and reports become artifacts, which everyone who can read the repository can download: use a private repository.
name: finops
on:
  schedule:
    - cron: {quoted(at.cron)}
      timezone: {quoted(zone)}
  workflow_dispatch: {{}}
permissions:
  actions: read     # the ledger of the last run is an artifact
  contents: read
  id-token: write   # to sign in to AWS, Google Cloud or Azure without a stored key
concurrency:
  group: finops
  cancel-in-progress: false
jobs:
  run:
    runs-on: ubuntu-latest
    env:
      WORKSPACE: {_expression_free(place)}
      CONFIG: {_expression_free(job.config.name)}
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.13"
      # From the package index that pip is set up for; a wheel of your own or git+https://… will do as well.
      - run: pip install {quoted_shell(f"finops-ledger{job.extras}=={__version__}")}
{_sign_in(clouds)}\
      - name: Take up the ledger of the last run
        id: ledger
        env:
          GH_TOKEN: ${{{{ github.token }}}}
        run: |
          last=$(gh api "repos/$GITHUB_REPOSITORY/actions/artifacts?name=finops-ledger&per_page=100" --jq \\
            '[.artifacts[] | select((.expired | not) and .workflow_run.head_branch == env.GITHUB_REF_NAME)]
            | max_by(.created_at) | .workflow_run.id // empty')
          if [ -n "$last" ]; then
            gh run download "$last" --repo "$GITHUB_REPOSITORY" --name finops-ledger --dir "$RUNNER_TEMP/last"
            tar --extract --gzip --file "$RUNNER_TEMP/last/ledger.tgz" --directory "$WORKSPACE"
          fi
      - name: Collect, build, report, send
        timeout-minutes: 120
        env:
          NO_COLOR: "1"{variables}
        run: finops --config "$WORKSPACE/$CONFIG" run
      - name: The report
        if: ${{{{ !cancelled() }}}}
        uses: actions/upload-artifact@v4
        with:
          name: finops-reports
          path: {_expression_free(reports.as_posix())}
          retention-days: 90
      # Landed bills, the ledger, what was found since when, what was mailed to whom: kept 90 days, and taken up by the next run.
      - name: Pack the ledger
        if: ${{{{ !cancelled() && steps.ledger.outcome == 'success' }}}}
        run: |
          cd "$WORKSPACE"
          for each in {kept}; do if [ -e "./$each" ]; then printf '%s\\0' "./$each"; fi; done |
            tar --create --gzip --null --files-from=- --file "$RUNNER_TEMP/ledger.tgz"
      - name: Keep the ledger
        if: ${{{{ !cancelled() && steps.ledger.outcome == 'success' }}}}
        uses: actions/upload-artifact@v4
        with:
          name: finops-ledger
          path: ${{{{ runner.temp }}}}/ledger.tgz
          retention-days: 90
"""


def kept_inside(job: Job) -> dict[str, str]:
    """What must outlive a run, by its key, relative to the workspace.

    Raises:
        UsageError: something of it is outside.
    """
    for key, path in job.kept.items():
        if not path.is_relative_to(job.folder):
            raise UsageError(
                f"{key} is {path}, outside of the workspace: it would be lost after each run",
                where=str(job.config),
                next_step="Give a path below the workspace.",
            )
    return {key: path.relative_to(job.folder).as_posix() for key, path in job.kept.items()}


def repository(folder: Path) -> Path | None:
    """The root of the git repository that a folder is in."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def cron_job(job: Job, at: Timetable, zone: str, name: str, image: str) -> str:
    """A CronJob and the volume of its workspace.

    Args:
        image: one that has finops; empty: the plain image of Python, into which it is installed before each run.
    """
    kept_inside(job)
    install = _install(job) if not image else ""
    program = quoted("finops" if image else "/venv/bin/finops")
    volume = "            - {name: venv, emptyDir: {}}\n" if not image else ""
    mount = "                - {name: venv, mountPath: /venv, readOnly: true}\n" if not image else ""
    memory = memory_mebibytes(job.workspace.config.warehouse.memory_limit)
    return f"""\
# finops {__version__}: the scheduled job. It reads finops.toml and the mapping files from ConfigMaps, secrets from a Secret:
#   kubectl create configmap {name}-config --from-file=finops.toml
#   kubectl create configmap {name}-mappings --from-file=mappings/
#   kubectl create secret generic {name}-secrets{"".join(f" --from-literal={each}=…" for each in job.variables)}
# Queries and templates of your own: put them into an image, or copy them to the volume.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {quoted(name)}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: 20Gi
---
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {quoted(name)}
spec:
  schedule: {quoted(at.cron)}
  timeZone: {quoted("Etc/UTC" if zone == "UTC" else zone)}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 21600
  successfulJobsHistoryLimit: 3
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      backoffLimit: 0       # not 0 is a failed job, also 3 (a source is missing) and 5 (mail)
      activeDeadlineSeconds: 21600
      template:
        spec:
          restartPolicy: Never
          # serviceAccountName: finops   # one that may read the bills: IRSA, EKS Pod Identity, GKE Workload Identity
          automountServiceAccountToken: false
          securityContext:
            runAsNonRoot: true
            runAsUser: 10001
            runAsGroup: 10001
            fsGroup: 10001
            seccompProfile: {{type: RuntimeDefault}}
{install}\
          containers:
            - name: finops
              image: {quoted(image or PYTHON)}
              command: [{program}]
              args: [--config, {POD}/finops.toml, --no-color, run, --wait, "{WAIT}"]
              workingDir: {POD}
              envFrom:
                - secretRef: {{name: {quoted(f"{name}-secrets")}, optional: true}}
              env:
                - {{name: HOME, value: /tmp}}
              resources:
                requests: {{cpu: "1", memory: {memory // 2}Mi}}
                limits: {{memory: {memory}Mi}}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{drop: [ALL]}}
              volumeMounts:
                - {{name: workspace, mountPath: {POD}}}
                - {{name: config, mountPath: {POD}/finops.toml, subPath: finops.toml, readOnly: true}}
                - {{name: mappings, mountPath: {quoted(f"{POD}/{_mappings(job)}")}, readOnly: true}}
                - {{name: tmp, mountPath: /tmp}}
{mount}\
          volumes:
            - {{name: workspace, persistentVolumeClaim: {{claimName: {quoted(name)}}}}}
            - {{name: config, configMap: {{name: {quoted(f"{name}-config")}}}}}
            - {{name: mappings, configMap: {{name: {quoted(f"{name}-mappings")}, optional: true}}}}
            - {{name: tmp, emptyDir: {{}}}}
{volume}"""


def memory_mebibytes(limit: str) -> int:
    """What a pod may take: DuckDB's limit, and a gibibyte and a half for the rest."""
    found = re.fullmatch(r"([\d.]+) ?([KMG])(i?)B", limit)
    assert found, "the configuration has checked it"
    size = float(found[1]) * (1024 if found[3] else 1000) ** _UNITS[found[2]]
    return -(-int(size) // 2**20) + 1536


def _install(job: Job) -> str:
    package = quoted_shell(f"finops-ledger{job.extras}=={__version__}")
    script = f"python -m venv /venv && /venv/bin/pip install --no-cache-dir {package}"
    return f"""\
          # From the package index that pip is set up for. An image of your own that has finops starts faster: --image IMAGE.
          initContainers:
            - name: install
              image: {quoted(PYTHON)}
              command: [sh, -c, {quoted(script)}]
              env:
                - {{name: HOME, value: /tmp}}
              resources:
                requests: {{cpu: 500m, memory: 512Mi}}
                limits: {{memory: 1Gi}}
              securityContext:
                allowPrivilegeEscalation: false
                readOnlyRootFilesystem: true
                capabilities: {{drop: [ALL]}}
              volumeMounts:
                - {{name: venv, mountPath: /venv}}
                - {{name: tmp, mountPath: /tmp}}
"""


def _mappings(job: Job) -> str:
    path = job.workspace.path(job.workspace.config.paths.mappings)
    return path.relative_to(job.folder).as_posix() if path.is_relative_to(job.folder) else "mappings"


def _sign_in(clouds: set[str]) -> str:
    steps = ""
    if "aws" in clouds:
        steps += """\
      # Without a stored key: a role that trusts this repository.
      # - uses: aws-actions/configure-aws-credentials@v4
      #   with: {role-to-assume: "arn:aws:iam::111122223333:role/finops-read", aws-region: us-east-1}
"""
    if "gcp" in clouds:
        steps += """\
      # Without a stored key: a workload identity pool that trusts this repository.
      # - uses: google-github-actions/auth@v2
      #   with: {workload_identity_provider: "projects/123456789/locations/global/workloadIdentityPools/github/providers/finops",
      #          service_account: "finops-read@acme-billing.iam.gserviceaccount.com"}
"""
    if "azure" in clouds:
        steps += """\
      # Without a stored key: an application with a federated credential for this repository.
      # - uses: azure/login@v2
      #   with: {client-id: "…", tenant-id: "…", subscription-id: "…"}
"""
    return steps


def quoted_shell(text: str) -> str:
    """A word of a shell, which GitHub leaves as it is."""
    return f"'{_shell(text)}'".replace("${{", "$''{{")


def _shell(text: str) -> str:
    return text.replace("'", "'\\''")


def _expression_free(text: str) -> str:
    """A string of YAML in which GitHub sees no expression."""
    return quoted(text.replace("${{", "${{ '${{' }}"))
