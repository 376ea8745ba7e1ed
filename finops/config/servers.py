"""Servers of the user's own, and what they take in ``finops.toml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from finops.config.secrets import Secret
from finops.config.source import Source


class HttpServer(Source):
    """A server of your own that is asked over HTTP."""

    url: Annotated[str, Field(pattern=r"^https?://")] = ""
    """Where it listens, such as https://prometheus.example.com."""
    token: Secret | None = None
    """Where a bearer token is kept."""
    username: str = ""
    """For basic authentication, with password."""
    password: Secret | None = None
    """Where the password is kept."""

    @field_validator("url")
    @classmethod
    def _without_secrets(cls, value: str) -> str:
        if "@" in value.partition("://")[2].partition("/")[0]:
            raise ValueError("must not hold a name or password: they go into username and password, or token")
        if "?" in value or "#" in value:
            raise ValueError("must end with the path: no ? and no #")
        return value

    @model_validator(mode="after")
    def _one_identity(self) -> HttpServer:
        if bool(self.username) != (self.password is not None) or (self.token is not None and self.password is not None):
            raise ValueError("needs either token, or username and password, or none of them")
        return self


class Prometheus(HttpServer):
    """GPU metrics by PromQL: DCGM exporter, nodes and pods of Kubernetes. Thanos, Mimir, Google's managed service answer too."""

    type: Literal["prometheus"]
    """The kind of source."""
    tenant: str = ""
    """Mimir's and Cortex' tenant, sent as X-Scope-OrgID."""
    node_labels: Annotated[list[Annotated[str, Field(pattern=r"^[a-zA-Z_]\w*$")]], Field(min_length=1)] = [
        "Hostname",
        "node",
        "kubernetes_node",
        "instance",
    ]
    """Labels of GPU metrics that may name the machine: the first whose value is a node of the cluster, or an instance id, does."""
    account: str = ""
    """The cloud account or project that the machines are in, where their names alone do not say it."""
    history_days: Annotated[int, Field(ge=1, le=92)] = 31
    """How many days the first run asks for."""

    @model_validator(mode="after")
    def _somewhere(self) -> Prometheus:
        if not self.url:
            raise ValueError("needs url")
        return self


class MLflow(HttpServer):
    """MLflow's experiments and runs, from a tracking server or from a folder into which runs were exported."""

    type: Literal["mlflow"]
    """The kind of source."""
    path: Path | None = None
    """Instead of url: a folder with a local file store (mlruns) or exported runs."""
    history_days: Annotated[int, Field(ge=1)] = 92
    """Runs that began longer ago are left out."""

    @model_validator(mode="after")
    def _one_place(self) -> MLflow:
        if bool(self.url) == (self.path is not None):
            raise ValueError("needs either url or path")
        return self
