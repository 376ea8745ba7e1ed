"""No text that finops prints or keeps quotes a secret, nor what is secret within one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finops.config import secrets
from finops.config.secrets import Secret, without_secrets

LINES = ["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj", "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3S", "Qg=="]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *LINES, "-----END PRIVATE KEY-----", ""])
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
SAS = "sv=2026-02-06&ss=b&srt=co&sp=rl&se=2027-01-01T00%3A00%3A00Z&sig=5aZ%2Bq1%2FwV8eX0uKk3mN%3D"


@pytest.fixture(autouse=True)
def _nothing_revealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "_revealed", set())


def reveal(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("FINOPS_A_SECRET", secret)
    assert Secret("env:FINOPS_A_SECRET").reveal() == secret.strip()


def test_a_secret_is_hidden_once_it_has_been_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reveal(monkeypatch, "sk-admin-of-the-tests-1\n")
    (tmp_path / "key").write_text(" sk-admin-of-the-tests-2\n")
    Secret("file:key").reveal(tmp_path)
    assert without_secrets("no: sk-admin-of-the-tests-1, sk-admin-of-the-tests-2") == "no: ***, ***"


@pytest.mark.parametrize("indent", [None, 2])
def test_what_is_secret_in_a_key_of_google_is_hidden(monkeypatch: pytest.MonkeyPatch, indent: int | None) -> None:
    reveal(
        monkeypatch,
        json.dumps(
            {
                "type": "service_account", "project_id": "acme-of-the-tests", "private_key": PEM,
                "token_uri": "https://oauth2.example/of-the-tests", "subject_token_type": "urn:of-the-tests",
                "client_email": "finops@acme-of-the-tests.example",
                "more": [{"client_secret": "GOCSPX-of-the-tests", "refresh_token": "1//0g-of-the-tests"}],
            },
            indent=indent,
        ),
    )  # fmt: skip
    said = f"bad key {PEM} and {PEM!r} of GOCSPX-of-the-tests, or 1//0g-of-the-tests?"
    for secret in (*LINES[:2], "GOCSPX-of-the-tests", "1//0g-of-the-tests"):
        assert secret in said
        assert secret not in without_secrets(said)
    public = "finops@acme-of-the-tests.example, urn:of-the-tests at https://oauth2.example/of-the-tests"
    assert without_secrets(public) == public


def test_what_is_secret_in_a_connection_string_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    reveal(
        monkeypatch, f"DefaultEndpointsProtocol=https;AccountName=acmetests;AccountKey={ACCOUNT_KEY};EndpointSuffix=x"
    )
    assert without_secrets(f"acmetests does not take {ACCOUNT_KEY}") == "acmetests does not take ***"
    reveal(monkeypatch, f"BlobEndpoint=https://acmetests.example/;SharedAccessSignature={SAS}")
    assert without_secrets(f"GET https://acmetests.example/a?{SAS}") == "GET https://acmetests.example/a?***"


@pytest.mark.parametrize("secret", [SAS.replace("5aZ", "6bY"), f"?{SAS.replace('5aZ', '6bY')}"])
@pytest.mark.parametrize("signature", ["6bY%2Bq1%2FwV8eX0uKk3mN%3D", "6bY+q1/wV8eX0uKk3mN="])
def test_the_signature_is_hidden_in_another_order_and_unquoted(
    monkeypatch: pytest.MonkeyPatch, secret: str, signature: str
) -> None:
    reveal(monkeypatch, secret)
    assert without_secrets(f"of sp=rl: sig={signature}&sv=2026-02-06") == "of sp=rl: sig=***&sv=2026-02-06"


@pytest.mark.parametrize("secret", ["a", "is", "the", '{"client_secret": "costs"}', "AccountKey=bills"])
def test_what_is_too_short_for_a_key_garbles_no_text(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    reveal(monkeypatch, secret)
    assert without_secrets("this is the account that costs bills") == "this is the account that costs bills"


@pytest.mark.parametrize("secret", ['{"a":', "[" * 5000, '{"a":' * 5000, '{"private_key": 12345678, "b": null}'])
def test_what_only_looks_structured_is_hidden_as_a_whole(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    reveal(monkeypatch, secret)
    assert without_secrets(f"not: {secret}") == "not: ***"
