# SPDX-License-Identifier: MIT
"""lppack agent: what is served to a simulated kernel by a folder and by a real web server."""

import errno
import functools
import http.server
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from lppack.abi import PatchPhase
from lppack.cli.main import commands
from lppack.engines.protocol import PatchState
from lppack.errors import (
    UNCHANGED,
    ApplyRefused,
    ApplyStuck,
    Level,
    ManifestError,
    Problem,
)
from lppack.model.patch_info import PatchInfo
from lppack.pipeline import agent
from lppack.pipeline.agent_files import AgentFiles, folder
from lppack.stages import fetch as fetching
from lppack.stages import journald, trust
from lppack.stages.agent import AgentOutcome, AgentState, decide, disabled, guarded
from lppack.stages.agent_policy import Index, Offer, Policy
from lppack.stages.host_status import HostStatus
from lppack.stages.journal import JournalRecord
from lppack.stages.status import report as status_report
from tests.kit.bundles import made
from tests.kit.command import check_shape
from tests.kit.journal import record
from tests.kit.keys import allow, make_key

FUTURE = "2999-01-01T00:00:00Z"


class Served:
    """A source with one signed bundle, and the policy of a host that reads it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, folder / "source"
        self.source.mkdir()
        self.bundle = made(folder / "in", self.source)
        self.key = make_key(folder, "key")
        self.signers = allow(folder, self.key, options='namespaces="lppack-*"')
        self.metrics = folder / "lppack-agent.prom"
        self.store = folder / "state/lppack/agent/on/simulated"
        self.policy: dict[str, Any] = {
            "lppack-agent": 1,
            "source": str(self.source),
            "signers": str(self.signers),
            "metrics": str(self.metrics),
        }
        self.sign(self.bundle)
        self.serve([{}])

    def sign(self, file: Path) -> None:
        run("sign", file, "--key", self.key, "--force", code=0)

    def serve(self, entries: list[dict[str, Any]], serial: int = 1) -> None:
        bundles = [{"file": self.bundle.name, **entry} for entry in entries]
        index = {"lppack-index": 1, "serial": serial, "bundles": bundles}
        (self.source / "index.yaml").write_text(yaml.safe_dump(index))
        self.sign(self.source / "index.yaml")

    def agent(self, *words: str, **policy: Any) -> Result:
        file = self.folder / "agent.yaml"
        file.write_text(yaml.safe_dump({**self.policy, **policy}))
        return run("agent", "--policy", file, "--engine", "simulated", "--format", "json", *words)

    def samples(self) -> dict[str, dict[str, str]]:
        families = text_string_to_metric_families(self.metrics.read_text())
        return {s.name: {**s.labels, "": f"{s.value:g}"} for f in families for s in f.samples}

    def refused(self, code: int, reason: str, **policy: Any) -> dict[str, Any]:
        """Run; it is refused so, nothing is live and nothing kept, and the metrics say it."""
        done = self.agent(**policy)
        assert done.exit_code == code, done.output
        said: dict[str, Any] = json.loads(done.stdout)
        assert (said["error"]["code"], said["error"]["reason"]) == (code, reason), said
        assert said["error"]["hint"]
        assert not live()
        assert not list(self.store.glob("bundles/*")), "what was refused is not kept"
        assert self.samples()["lppack_agent_code"] == {"reason": reason, "": str(code)}
        return said


def run(*words: str | Path, code: int | None = None) -> Result:
    done = CliRunner().invoke(commands, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        from lppack.cli.output import error_json
        from lppack.errors import LppackError

        if not isinstance(done.exception, LppackError):
            raise done.exception
        done.exit_code = done.exception.exit_code
        done.stdout_bytes = json.dumps(error_json(done.exception)).encode()
    assert code in (None, done.exit_code), done.output
    return done


def live() -> list[tuple[str, int]]:
    shown = run("status", "--engine", "simulated", "--format", "json")
    return [(patch["series"], patch["version"]) for patch in json.loads(shown.stdout)["patches"]]


def states(done: Result) -> list[tuple[str, str | None]]:
    said = json.loads(done.stdout)
    check_shape("agent", said)
    return [(row["state"], row["reason"]) for row in said["bundles"]]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(trust, "POLICY", tmp_path / "no-such-policy")
    return Served(tmp_path)


def test_a_good_one_is_applied_once(served: Served) -> None:
    assert states(served.agent("--dry-run")) == [("wanted", None)]
    assert not live()
    first = served.agent()
    assert (first.exit_code, states(first)) == (0, [("applied", None)])
    assert json.loads(first.stdout)["changed"] is True
    assert live() == [("conn-limit", 2)]
    assert served.samples()["lppack_agent_bundle"]["state"] == "applied"
    second = served.agent()
    assert (second.exit_code, states(second)) == (0, [("live", None)])
    assert json.loads(second.stdout)["changed"] is False
    served.bundle.unlink()
    run("revert", "conn-limit", "--engine", "simulated", code=0)
    assert states(served.agent()) == [("applied", None)], "from its store: it is not fetched again"


def test_a_tampered_bundle_is_refused(served: Served) -> None:
    data = bytearray(served.bundle.read_bytes())
    data[len(data) // 2] ^= 1
    served.bundle.write_bytes(data)
    said = served.refused(9, "wrong-signature")
    assert [(row["state"], row["code"]) for row in said["bundles"]] == [("refused", 9)]


def test_a_dry_run_tells_the_journal_of_systemd_nothing(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(agent, "send_outcome", lambda outcome, _on: told.append(outcome.reason))
    monkeypatch.setattr(agent, "send_refusal", lambda error, _on: told.append(error.reason))
    trust.signature_of(served.bundle).unlink()
    assert served.agent("--dry-run").exit_code == 9
    assert told == []
    assert served.agent().exit_code == 9
    assert told == ["unsigned"]
    trust.signature_of(served.source / "index.yaml").unlink()
    assert served.agent("--dry-run").exit_code == 9
    assert told == ["unsigned"]
    assert served.agent().exit_code == 9
    assert told == ["unsigned"] * 3, "the index, and the bundle that is not fetched then"


def test_an_unsigned_bundle_is_refused(served: Served) -> None:
    trust.signature_of(served.bundle).unlink()
    served.refused(9, "unsigned")


def test_one_that_a_stranger_signed_is_refused(served: Served) -> None:
    run("sign", served.bundle, "--key", make_key(served.folder, "other"), "--force", code=0)
    served.refused(9, "unknown-signer")


def test_what_is_stored_is_checked_again(served: Served) -> None:
    assert served.agent().exit_code == 0
    run("revert", "conn-limit", "--engine", "simulated", code=0)
    [kept] = served.store.glob("bundles/*.lpp")
    kept.write_bytes(b"spoilt")
    assert states(served.agent()) == [("applied", None)], "fetched anew"
    run("revert", "conn-limit", "--engine", "simulated", code=0)
    served.signers.write_text("")
    done = served.agent()
    assert done.exit_code == 9 and not live(), "who may sign is asked each time"


def test_the_index_is_signed_as_an_index(served: Served) -> None:
    index = served.source / "index.yaml"
    index.write_text(index.read_text().replace("serial: 1", "serial: 2"))
    served.refused(9, "wrong-signature")
    trust.signature_of(index).unlink()
    served.refused(9, "unsigned")
    shutil.copy(trust.signature_of(served.bundle), trust.signature_of(index))
    served.refused(9, "wrong-signature")
    # A right signature of these very bytes, for another purpose.
    words = ["ssh-keygen", "-q", "-Y", "sign", "-n", "lppack-bundle", "-f", str(served.key)]
    trust.signature_of(index).unlink()
    subprocess.run([*words, str(index)], check=True, capture_output=True)
    served.refused(9, "wrong-signature")


def test_an_older_index_is_refused(served: Served) -> None:
    served.serve([], serial=5)
    assert served.agent().exit_code == 0
    served.serve([{}], serial=4)
    served.refused(6, "older-index")
    served.serve([{}], serial=6)
    assert states(served.agent()) == [("applied", None)]
    (served.store / "index.json").write_text("what")
    assert served.agent().exit_code == 4, "what was seen is not forgotten in silence"


def test_another_index_of_the_same_serial_is_refused(served: Served) -> None:
    """Whichever of the two was meant: one signer with two indexes, or an intruder with an old one
    that was never seen here."""
    served.serve([], serial=5)
    assert served.agent().exit_code == 0
    kept = served.store / "index.json"
    before = kept.read_text()
    served.serve([{}], serial=5)
    said = served.refused(6, "changed-index")
    assert str(kept) in said["error"]["hint"]
    assert kept.read_text() == before
    served.serve([], serial=5)
    assert served.agent().exit_code == 0, "the same content, signed anew"
    kept.write_text('{"serial": 5}')  # of an lppack before 2026-12
    served.serve([{}], serial=5)
    assert states(served.agent()) == [("applied", None)]
    served.serve([], serial=5)
    assert served.agent().exit_code == 6, "from then on it is known"
    kept.write_text('{"sha256": "ab"}')
    assert served.agent().exit_code == 4


def test_an_older_bundle_is_refused(served: Served, tmp_path: Path) -> None:
    assert served.agent().exit_code == 0
    older = served.bundle.with_name(served.bundle.name.replace("-2_", "-1_"))
    served.serve([{"file": older.name}], serial=2)
    done = served.agent()
    assert done.exit_code == 6
    assert json.loads(done.stdout)["error"]["reason"] == "older-than-before"
    assert live() == [("conn-limit", 2)]


def test_a_bundle_under_the_name_of_another_is_refused(served: Served) -> None:
    later = served.bundle.with_name(served.bundle.name.replace("-2_", "-3_"))
    shutil.copy(served.bundle, later)
    shutil.copy(trust.signature_of(served.bundle), trust.signature_of(later))
    served.serve([{"file": later.name}])
    served.refused(9, "misnamed")


@pytest.mark.parametrize(
    ("entry", "policy", "found"),
    [
        ({"not-before": FUTURE}, {}, [("waits", "not-before")]),
        ({}, {"not-before": FUTURE}, [("waits", "not-before")]),
        ({"not-before": FUTURE}, {"not-before": "2000-01-01 00:00Z"}, [("waits", "not-before")]),
        ({"not-before": "2000-01-01T00:00:00+02:00"}, {}, [("applied", None)]),
        ({}, {"hold": ["conn-limit"]}, [("held", "hold")]),
        ({}, {"hold": True}, [("held", "hold")]),
        ({}, {"hold": False}, [("applied", None)]),
        ({}, {"hold": ["other"]}, [("applied", None)]),
        ({"rings": ["canary"]}, {}, []),
        ({"rings": ["canary"]}, {"ring": "broad"}, []),
        ({"rings": ["canary", "early"]}, {"ring": "early"}, [("applied", None)]),
        ({}, {"ring": "early"}, [("applied", None)]),
    ],
)
def test_rings_times_and_holds(
    served: Served,
    entry: dict[str, Any],
    policy: dict[str, Any],
    found: list[tuple[str, str | None]],
) -> None:
    served.serve([entry])
    done = served.agent(**policy)
    assert (done.exit_code, states(done)) == (0, found)
    if found == [("held", "hold")]:
        [row] = json.loads(done.stdout)["bundles"]
        assert row["message"] == "the policy of this host holds this series"
    assert bool(live()) == (("applied", None) in found)


def test_a_ring_that_is_due_is_not_held_up_by_a_later_one(served: Served) -> None:
    later = served.bundle.name.replace("-2_", "-3_")
    entries: list[dict[str, Any]] = [
        {"rings": ["canary"]},
        {"rings": ["broad"], "not-before": FUTURE},
        {"file": later, "rings": ["canary"], "not-before": FUTURE},
    ]
    served.serve(entries)
    assert states(served.agent(ring="broad")) == [("waits", "not-before")]
    done = served.agent(ring="canary")
    assert states(done) == [("applied", None), ("waits", "not-before")]
    assert json.loads(done.stdout)["bundles"][1]["until"] == FUTURE


def test_another_kernels_bundle_is_not_fetched(served: Served) -> None:
    assert served.agent().exit_code == 0  # from now on the simulated kernel has a release
    other = "ledger-1_6.1.0-99-amd64.lpp"
    served.serve([{"file": other}, {}], serial=2)
    assert states(served.agent()) == [("live", None)]


def test_one_that_fails_does_not_keep_others_from_being_applied(served: Served) -> None:
    other = served.bundle.name.replace("conn-limit", "another")
    served.serve([{"file": other}, {}])
    done = served.agent()
    said = json.loads(done.stdout)
    assert (done.exit_code, said["error"]["reason"]) == (4, "not-served")
    assert [row["state"] for row in said["bundles"]] == ["refused", "applied"]


#: As it is raised if a bundle's manifest is wrong.
WRONG = ManifestError(
    [Problem(file="a", line=1, column=1, level=Level.ERROR, rule="r", message="is wrong")]
)


@pytest.mark.parametrize(
    ("error", "code", "found"),
    [
        (WRONG, 6, ["refused", "refused", "applied"]),
        (ApplyStuck("it is stuck"), 8, ["refused", "failed", "wanted"]),
        (OSError(errno.ENOSPC, "No space left on device"), 6, ["refused", "refused", "applied"]),
    ],
    ids=["manifest", "stuck", "no space"],
)
def test_what_goes_on_after_a_refusal_and_a_failure(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: int,
    found: list[str],
) -> None:
    raised = {"aa": ApplyRefused("no"), "bb": error}

    def apply(_policy: Policy, outcome: AgentOutcome, *_: Any, **_kw: Any) -> AgentOutcome:
        if outcome.series in raised:
            raise raised[outcome.series]
        return replace(outcome, state=AgentState.APPLIED)

    monkeypatch.setattr(agent, "_apply", apply)
    monkeypatch.setattr(AgentFiles, "bundle", lambda _self, outcome, _away: Path(outcome.file))
    names = [served.bundle.name.replace("conn-limit", name) for name in ("aa", "bb", "cc")]
    served.serve([{"file": name} for name in names])
    done = served.agent()
    said = json.loads(done.stdout)
    assert [row["state"] for row in said["bundles"]] == found
    assert done.exit_code == said["error"]["code"] == code


def test_a_bundle_of_another_release_under_this_name_is_refused(served: Served) -> None:
    other = served.bundle.with_name("conn-limit-2_6.1.0-99-amd64.lpp")
    shutil.copy(served.bundle, other)
    shutil.copy(trust.signature_of(served.bundle), trust.signature_of(other))
    served.serve([{"file": other.name}])
    served.refused(9, "misnamed")


def test_what_a_run_that_died_was_fetching_is_removed(served: Served) -> None:
    left = served.store / "incoming" / ".draft-x.lpp"
    left.parent.mkdir(parents=True)
    left.touch()
    assert served.agent().exit_code == 0
    assert not left.exists()


def test_a_patch_that_is_not_converted_is_a_failure() -> None:
    state = PatchState(
        module="lppack_conn_limit_2",
        phase=PatchPhase.PATCHED,
        convert=False,
        converted=0,
        info=PatchInfo(series="conn-limit", version=2, transforms=("t",)),
    )
    found = HostStatus(
        kernel="6.1.0-47-amd64",
        can_patch=True,
        patches=(status_report(state, engine="livepatch", host="local"),),
    )
    offer = Offer(file="conn-limit-2_6.1.0-47-amd64.lpp", rings=None, not_before=None)
    [outcome] = decide(POLICY, Index(serial=1, offers=(offer,)), found, datetime.now(UTC))
    assert (outcome.state, outcome.code) == (AgentState.FAILED, 10)


def test_times_are_compared_as_times(served: Served) -> None:
    later = served.bundle.name
    entries: list[dict[str, Any]] = [
        {"file": later, "not-before": "2990-12-02T01:00:00+14:00"},
        {"file": later, "rings": ["a"], "not-before": "2990-12-01T23:00:00Z"},
    ]
    served.serve(entries)
    [row] = json.loads(served.agent(ring="a").stdout)["bundles"]
    assert row["until"] == "2990-12-01T11:00:00Z"


def test_a_serial_has_all_its_digits_in_the_metrics(served: Served) -> None:
    served.serve([{}], serial=2026100102)
    assert served.agent().exit_code == 0
    assert "lppack_agent_serial 2026100102\n" in served.metrics.read_text()
    assert live() == [("conn-limit", 2)]


@pytest.fixture
def small(served: Served) -> Iterator[Path]:
    """The store of the agent on a disk of its own, which is nearly full."""
    served.store.mkdir(parents=True)
    words = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(served.store)]
    subprocess.run(words, check=True)
    try:
        yield served.store
    finally:
        subprocess.run(["umount", str(served.store)], check=True)


@pytest.mark.slow  # and only root can mount
def test_a_full_disk_is_reported_and_leaves_nothing(served: Served, small: Path) -> None:
    (small / "ballast").write_bytes(bytes(16 << 10))
    said = served.refused(4, "not-stored")
    assert "No space left on device" in said["error"]["message"]
    (small / "ballast").unlink()
    assert not [file for file in small.rglob("*.lpp*") if file.is_file()]
    subprocess.run(["mount", "-o", "remount,size=1m", str(small)], check=True)
    assert states(served.agent()) == [("applied", None)]


@pytest.mark.parametrize(
    "changes",
    [{"source": "ftp://x"}, {"hold": 3, "ring": []}, {"lppack-agent": 2}, {"colour": "red"}],
)
def test_a_wrong_policy_is_refused_with_each_place(served: Served, changes: dict[str, Any]) -> None:
    done = served.agent(**changes)
    assert done.exit_code == 3
    message = json.loads(done.stdout)["error"]["message"]
    assert len([line for line in message.splitlines() if ": error[" in line]) == len(changes)
    assert "agent.yaml:" in message


def test_no_policy_is_no_policy(served: Served) -> None:
    done = run("agent", "--policy", served.folder / "none.yaml", "--engine", "simulated")
    assert done.exit_code == 3
    assert "does not exist" in done.stdout


def test_two_at_once_are_refused(served: Served) -> None:
    from lppack import store

    with store.locked(folder() / "lock"):
        done = served.agent()
    assert (done.exit_code, json.loads(done.stdout)["error"]["reason"]) == (6, "host-in-use")


Handler = Callable[[http.server.BaseHTTPRequestHandler], bool]


@pytest.fixture
def web(served: Served) -> Iterator[Callable[..., str]]:
    """A web server over the source; what it is given may answer first."""
    started: list[http.server.ThreadingHTTPServer] = []

    def start(first: Handler | None = None, tls: ssl.SSLContext | None = None) -> str:
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                if first is None or not first(self):
                    super().do_GET()

        handler = functools.partial(Quiet, directory=str(served.source))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        started.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


Web = Callable[..., str]


def test_a_web_server_is_as_good_as_a_folder(served: Served, web: Web) -> None:
    source = web(None)
    assert states(served.agent(source=source)) == [("applied", None)]
    assert states(served.agent(source=source + "/")) == [("live", None)]


def test_file_urls_too(served: Served) -> None:
    assert states(served.agent(source=f"file://{served.source}")) == [("applied", None)]


def _broken(request: http.server.BaseHTTPRequestHandler) -> bool:
    if request.path.endswith(".sig"):
        request.send_error(500)
        return True
    return False


def _short(request: http.server.BaseHTTPRequestHandler) -> bool:
    if not request.path.endswith(".lpp"):
        return False
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    request.wfile.write(b"x" * 10)
    return True


def _garbage(request: http.server.BaseHTTPRequestHandler) -> bool:
    request.wfile.write(b"\x1b[31m what is this\n\n")
    return True


@pytest.mark.parametrize("how", [_broken, _short, _garbage])
def test_a_server_that_does_not_serve_is_named(served: Served, web: Web, how: Handler) -> None:
    said = served.refused(4, "not-served", source=web(how))
    assert "\x1b" not in said["error"]["message"]
    assert "127.0.0.1" in said["error"]["message"]


def test_no_redirect_is_followed(served: Served, web: Web) -> None:
    """To one that would serve all of it."""
    other = web(None)

    def moved(request: http.server.BaseHTTPRequestHandler) -> bool:
        request.send_response(302)
        request.send_header("Location", other + request.path)
        request.end_headers()
        return True

    said = served.refused(4, "not-served", source=web(moved))
    assert "the server says 302" in said["error"]["message"]


def test_an_address_where_nobody_is(served: Served) -> None:
    served.refused(4, "not-served", source="http://127.0.0.1:1/x")


def test_tls_goes_by_the_certificates_of_the_system(
    served: Served, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a server that nobody vouches for nothing is taken; of one that the system trusts it is."""
    key, cert = served.folder / "tls.key", served.folder / "tls.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-keyout", str(key), "-out", str(cert), "-subj", "/CN=a"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(words, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    source = web(None, context)
    said = served.refused(4, "not-served", source=source)
    assert "CERTIFICATE_VERIFY_FAILED" in said["error"]["message"]
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    assert states(served.agent(source=source)) == [("applied", None)]


def test_without_allowed_signers_nothing_is_applied(served: Served) -> None:
    served.refused(4, "environment", signers=str(served.folder / "none"))


def _endless(request: http.server.BaseHTTPRequestHandler) -> bool:
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"x" * 65536)
    except OSError:
        return True


def test_endless_output_is_cut(served: Served, web: Web) -> None:
    served.refused(9, "too-large", source=web(_endless))


def _drip(request: http.server.BaseHTTPRequestHandler) -> bool:
    """A byte now and then, within the headers."""
    try:
        request.wfile.write(b"HTTP/1.0 200 OK\r\nX: ")
        for _ in range(600):
            request.wfile.write(b"x")
            request.wfile.flush()
            threading.Event().wait(0.05)
    except OSError:
        pass
    return True


def test_a_server_that_drips_is_left(
    served: Served, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching.fetch, "__kwdefaults__", {"seconds": 0.5})
    said = served.refused(4, "not-served", source=web(_drip))
    assert "was not fetched in 0.5 s" in said["error"]["message"]


POLICY = Policy(
    source="",
    signers=Path(),
    ring=None,
    not_before=None,
    hold=frozenset(),
    timeout=60,
    metrics=None,
)


WANTED = AgentOutcome(file="f.lpp", series="conn-limit", version=2, state=AgentState.WANTED)


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        ([], None),
        ([record("apply", version=2)], None),
        ([record("apply", version=2), record("revert")], "taken-back"),
        ([record("apply", version=2), record("revert", result="stuck")], None),
        ([record("apply", version=2), record("revert"), record("apply", version=1)], "taken-back"),
        ([record("apply", version=2), record("revert"), record("apply", version=2)], None),
        ([record("apply", version=1), record("revert")], None),
        ([record("apply", version=2, series="x"), record("revert", series="x")], None),
        (
            [
                record("apply", version=2),
                record("revert", series="lppack_conn_limit_2", module="lppack_conn_limit_2"),
            ],
            "taken-back",
        ),
        ([record("apply", version=2, result="rebooted")], "went-down"),
        ([record("apply", version=2, result=None)], "went-down"),
        ([record("apply", version=1, result="rebooted")], None),
        ([record("apply", version=2, result="rebooted"), record("apply", version=2)], None),
        ([record("apply", version=2, result="reversed")], None),
        ([record("apply", version=2, result="crashed")], "crashed"),
        ([record("apply", version=2, result="crashed"), record("revert")], "crashed"),
        ([record("apply", version=1, result="crashed")], None),
        ([record("apply", version=2, result="crashed"), record("apply", version=2)], None),
    ],
)
def test_what_was_taken_back_or_went_down_is_held(
    records: list[JournalRecord], reason: str | None
) -> None:
    found = guarded(WANTED, records)
    assert (found.state is AgentState.HELD, found.reason) == (reason is not None, reason)


def _no_source(served: Served) -> None:
    served.source.rename(served.folder / "away")


def _no_signature(served: Served) -> None:
    trust.signature_of(served.source / "index.yaml").unlink()


def _another_index(served: Served) -> None:
    (served.source / "index.yaml").write_text("what is this")


def _replayed(served: Served) -> None:
    served.serve([], serial=4)


def _of_the_same_serial(served: Served) -> None:
    served.serve([], serial=5)


@pytest.mark.parametrize(
    ("broken", "code", "reason"),
    [
        (_no_source, 4, "not-served"),
        (_no_signature, 9, "unsigned"),
        (_another_index, 9, "wrong-signature"),
        (_replayed, 6, "older-index"),
        (_of_the_same_serial, 6, "changed-index"),
    ],
)
def test_a_host_that_boots_without_its_source_gets_its_patches_back(
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
    broken: Callable[[Served], None],
    code: int,
    reason: str,
) -> None:
    told: list[str] = []
    monkeypatch.setattr(agent, "send_refusal", lambda error, _on: told.append(error.reason))
    served.serve([{}], serial=5)
    assert served.agent().exit_code == 0
    run("revert", "conn-limit", "--engine", "simulated", code=0)
    before = (served.store / "index.json").read_text()
    broken(served)
    done = served.agent()
    said = json.loads(done.stdout)
    assert (done.exit_code, said["error"]["reason"]) == (code, reason)
    assert states(done) == [("applied", None)]
    assert live() == [("conn-limit", 2)]
    assert told == [reason], "that it is not served is reported all the same"
    assert served.samples()["lppack_agent_code"] == {"reason": reason, "": str(code)}
    assert served.samples()["lppack_agent_bundle"]["state"] == "applied"
    assert (served.store / "index.json").read_text() == before
    done = served.agent()
    assert (done.exit_code, states(done)) == (code, [("live", None)])


def test_what_is_live_is_stored_for_the_next_boot(served: Served) -> None:
    """It may have been applied by hand, or named by an index again after it was not."""
    assert served.agent().exit_code == 0
    served.serve([], serial=2)
    assert states(served.agent()) == []
    served.serve([{}], serial=3)
    assert states(served.agent("--dry-run")) == [("live", None)]
    assert not list(served.store.glob("bundles/*"))
    assert states(served.agent()) == [("live", None)]
    run("revert", "conn-limit", "--engine", "simulated", code=0)
    _no_source(served)
    assert states(served.agent()) == [("applied", None)]


@pytest.mark.parametrize("spoilt", ["index.yaml", "index.yaml.sig", "index.json", "signers"])
def test_what_is_stored_of_an_index_is_checked_again(served: Served, spoilt: str) -> None:
    assert served.agent().exit_code == 0
    run("revert", "conn-limit", "--engine", "simulated", code=0)
    _no_source(served)
    if spoilt == "signers":
        served.signers.write_text("")
    else:
        (served.store / spoilt).write_text('{"serial": 5}')
    done = served.agent()
    assert (done.exit_code, json.loads(done.stdout)["error"]["reason"]) == (4, "not-served")
    assert not live()


def test_of_a_source_that_is_down_no_bundle_is_fetched(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would take up to ten minutes, at boot."""
    other = served.bundle.name.replace("conn-limit", "another")
    served.serve([{"file": other}, {}])
    assert served.agent().exit_code == 4
    run("revert", "conn-limit", "--engine", "simulated", code=0)
    asked: list[str] = []

    def down(_source: str, name: str, **_: Any) -> bytes:
        asked.append(name)
        raise fetching.NotServed("no route to host")

    monkeypatch.setattr(fetching, "fetch", down)
    done = served.agent()
    assert states(done) == [("refused", "not-served"), ("applied", None)]
    assert asked == ["index.yaml"]


@pytest.mark.parametrize("reason", ["crashed", "went-down", "taken-back"])
def test_what_a_crash_holds_has_an_exit_code(
    served: Served, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    """An alert goes by the code; what a person has taken back is no news."""
    result = {"crashed": "crashed", "went-down": "rebooted"}.get(reason, "done")
    records = [record("apply", version=2, result=result), record("revert")]
    monkeypatch.setattr(agent, "_host", lambda _on: (frozenset(), tuple(records)))
    told: list[tuple[AgentState, str | None]] = []
    monkeypatch.setattr(
        agent, "send_outcome", lambda outcome, _on: told.append((outcome.state, outcome.reason))
    )
    code = 0 if reason == "taken-back" else 6
    for _ in range(2):  # by the journal, and by what is stored of it
        done = served.agent()
        assert (done.exit_code, states(done)) == (code, [("held", reason)])
        assert not live()
        shown = {"reason": reason if code else "", "": str(code)}
        assert served.samples()["lppack_agent_code"] == shown
        assert told == ([(AgentState.HELD, reason)] if code else [])
        told.clear()
        records[:] = [record("apply", version=1, series="x")]


def test_what_is_tried_on_another_host_is_nothing_of_this_one(served: Served) -> None:
    assert served.agent().exit_code == 0
    assert (served.store / "index.json").is_file()
    assert {file.name for file in folder().iterdir()} == {"lock", "on"}


def test_a_wrong_policy_is_reported_where_it_says(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(agent, "send_refusal", lambda error, _on: told.append(error.reason))
    assert served.agent(hold=3, ring=[]).exit_code == 3
    assert served.samples()["lppack_agent_code"] == {"reason": "manifest", "": "3"}
    assert told == ["manifest"]
    served.metrics.unlink()
    for metrics in ("relative.prom", "/etc/passwd", 7):
        assert served.agent(metrics=metrics).exit_code == 3
    assert served.agent("--dry-run", hold=3).exit_code == 3
    assert told == ["manifest"] * 4
    assert not served.metrics.exists()


def test_without_a_place_for_metrics_patches_are_applied(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(agent, "send_refusal", lambda error, _on: told.append(error.message))
    place = served.folder / "purged/lppack-agent.prom"
    assert states(served.agent("--dry-run", metrics=str(place))) == [("wanted", None)]
    assert told == []
    said: list[str] = []
    policy = served.folder / "agent.yaml"
    made = agent.run_agent(policy, "simulated", dry_run=False, say=said.append)
    assert [outcome.state for outcome in made.outcomes] == [AgentState.APPLIED]
    assert live() == [("conn-limit", 2)]
    assert said[-1].startswith("warning: cannot write")
    [message] = told
    assert "purged is not a folder" in message


def test_codes_of_refusals_are_the_same_for_the_journal_of_systemd() -> None:
    refused = {code for code, (event, _) in journald._ENDS.items() if event == journald.REFUSED}
    assert refused == set(UNCHANGED)
    for code in UNCHANGED:
        error = ApplyRefused("no")
        error.exit_code = code
        assert WANTED.with_error(error).state is AgentState.REFUSED
    assert WANTED.with_error(ApplyStuck("no")).state is AgentState.FAILED


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("quiet", frozenset()),
        ("lppack.disable quiet", None),
        ("lppack.disable=1", None),
        ("lppack.disable=a,b x", {"a", "b"}),
        ("xlppack.disable", frozenset()),
    ],
)
def test_the_kill_switch_of_the_command_line(line: str, found: set[str] | None) -> None:
    assert disabled(line) == found
