"""Amazon SES: through moto's server, and through one that answers what a test wants."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from conftest import Workspace
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from moto.ses.models import ses_backends
from moto.sts.models import sts_backends

from .conftest import parsed, write_report
from .test_sending import REPORT


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHETESTS")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-tests")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def configure(workspace: Workspace, endpoint: str, more: str = "", to: str = '"cfo@example.com"') -> None:
    workspace.write(
        "finops.toml",
        f'[mail]\nfrom = "finops@example.com"\n[mail.ses]\nregion = "eu-west-1"\nendpoint = "{endpoint}"\n{more}\n'
        f"[[mail.recipients]]\nto = [{to}]\n",
    )


@dataclass
class Service:
    """What the service is asked, and what it answers."""

    endpoint: str = ""
    answers: list[tuple[int, dict[str, object], str]] = field(default_factory=list)
    """Status, body, error type; the last one is given again and again. A status of 0: it hangs up."""
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)


@contextmanager
def service(*answers: tuple[int, dict[str, object], str]) -> Iterator[Service]:
    """A server that speaks as the API of SES does."""
    it = Service(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            it.asked.append((self.path, json.loads(content or b"{}")))
            status, body, error = it.answers.pop(0) if len(it.answers) > 1 else it.answers[0]
            if not status:
                self.connection.close()
                return
            said = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            if error:
                self.send_header("x-amzn-ErrorType", error)
            self.end_headers()
            self.wfile.write(said)

        do_POST = do_GET = answer

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    it.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield it
    finally:
        server.shutdown()
        server.server_close()


SIGNED = {
    "Content-Type": "application/json",
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAOFTHETESTS/20261026/eu-west-1/ses/aws4_request, SignedHeaders=host, Signature=0",
}
FINE = (200, {"MessageId": "1"}, "")


def refused(error: str, message: str, status: int = 400) -> tuple[int, dict[str, object], str]:
    return status, {"message": message}, error


def test_moto_takes_it_as_ses_would(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(workspace.folder / REPORT)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    try:
        place = "{}:{}".format(*moto.get_host_and_port())
        configure(workspace, f"http://{place}")
        unknown = workspace.finops("send")
        assert (unknown.exit_code, unknown.out) == (5, "cfo@example.com  weekly-2026-W43  refused\n")
        assert "Did not have authority to send from email finops@example.com" in unknown.err
        connection = HTTPConnection(place)
        connection.request("POST", "/v2/email/identities", json.dumps({"EmailIdentity": "finops@example.com"}), SIGNED)
        assert connection.getresponse().status == 200
        connection.close()
        sent = workspace.finops("send")
        assert (sent.exit_code, sent.out) == (0, "cfo@example.com  weekly-2026-W43  sent\n"), sent.err
        (message,) = ses_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].sent_messages
        assert set(message.destinations) == {"cfo@example.com"}
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://{place}")
        configure(workspace, f"http://{place}", 'role_arn = "arn:aws:iam::123456789012:role/mail"')
        assert workspace.finops("send", "--force").exit_code == 0
        (role,) = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assumed_roles
        assert (role.role_arn, role.session_name) == ("arn:aws:iam::123456789012:role/mail", "finops-mail")
    finally:
        moto.stop()


def test_the_whole_mail_goes_as_it_is(workspace: Workspace) -> None:
    write_report(workspace.folder / REPORT)
    with service(FINE) as ses:
        configure(workspace, ses.endpoint, 'configuration_set = "reports"', '"a@example.com", "b@example.com"')
        assert workspace.finops("send").exit_code == 0
    (path, first), (_, second) = ses.asked
    assert path == "/v2/email/outbound-emails"
    assert first["FromEmailAddress"] == "finops@example.com"
    assert first["ConfigurationSetName"] == "reports"
    assert [each["Destination"] for each in (first, second)] == [
        {"ToAddresses": ["a@example.com"]}, {"ToAddresses": ["b@example.com"]},
    ]  # fmt: skip
    content = first["Content"]
    assert isinstance(content, dict)
    message = parsed(base64.b64decode(content["Raw"]["Data"]))
    assert message["To"] == "a@example.com"
    assert len(list(message.iter_attachments())) == 2


@pytest.mark.parametrize(
    ("answer", "outcome", "said"),
    [
        (refused("AccessDeniedException", "not authorized to perform ses:SendEmail", 403), "failed", "Allow ses:SendEmail"),
        (refused("MessageRejected", "Email address is not verified: cfo@example.com"), "failed", "in the sandbox cfo@example.com too"),
        (refused("MailFromDomainNotVerifiedException", "no"), "failed", "Verify finops@example.com in SES"),
        (refused("MessageRejected", "Illegal content"), "refused", "refused the mail: "),
        (refused("AccountSuspendedException", "suspended"), "failed", "does not send for this account"),
        (refused("SendingPausedException", "paused"), "failed", "does not send for this account"),
        (refused("LimitExceededException", "quota"), "failed", "takes no more at the moment"),
        (refused("NotFoundException", "Configuration set reports does not exist", 404), "failed", "Check [mail.ses] configuration_set"),
        (refused("InternalFailure", "oops", 500), "unknown may or may not have arrived", "It may or may not arrive"),
        ((0, {}, ""), "unknown may or may not have arrived", "ended before it answered"),
    ],
)  # fmt: skip
def test_answers(workspace: Workspace, answer: tuple[int, dict[str, object], str], outcome: str, said: str) -> None:
    write_report(workspace.folder / REPORT)
    with service(answer) as ses:
        configure(workspace, ses.endpoint)
        failed = workspace.finops("send")
    assert (failed.exit_code, failed.out) == (5, f"cfo@example.com  weekly-2026-W43  {outcome}\n")
    assert said in failed.err
    assert len(ses.asked) == 1, "the SDK's own retries might send a mail twice"
    assert "secret-of-the-tests" not in failed.err


def test_too_fast_is_tried_again_more_slowly(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finops.delivery.ses.WAIT", 0)
    write_report(workspace.folder / REPORT)
    too_fast = refused("TooManyRequestsException", "Maximum sending rate exceeded.", 429)
    with service(too_fast, too_fast, FINE) as ses:
        configure(workspace, ses.endpoint)
        assert workspace.finops("send").exit_code == 0
    assert len(ses.asked) == 3
    with service(too_fast) as ses:
        configure(workspace, ses.endpoint)
        failed = workspace.finops("send", "--force")
    assert (failed.exit_code, len(ses.asked)) == (5, 5)
    assert "takes no more at the moment" in failed.err


def test_a_service_that_is_not_there_and_a_profile_that_is_not(workspace: Workspace) -> None:
    write_report(workspace.folder / REPORT)
    configure(workspace, "http://127.0.0.1:9", to='"a@example.com", "b@example.com"')
    down = workspace.finops("send")
    assert down.exit_code == 5
    assert down.err.count("cannot be reached") == 1
    configure(workspace, "http://127.0.0.1:9", 'profile = "nobody-of-the-tests"')
    assert "The config profile (nobody-of-the-tests) could not be found" in workspace.finops("send").err
