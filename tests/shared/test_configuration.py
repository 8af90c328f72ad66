"""Configuration speaks: what is wrong is named whole, with its place, and the process ends with 78."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from deploy import issuer
from deploy.paths import REPOSITORY
from services.testing import app
from shared.events.aftercare import ReferralPrepared
from shared.events.laboratory_order import LaboratoryOrderPrepared
from shared.events.partner_answer import AnswerPrepared
from shared.path.outbound.destinations import address, routes
from shared.platform.clients import laboratories, registered
from shared.platform.settings import ConfigurationError, Process, environment, partners
from tests.service import DEPLOY, StartService
from tests.shared.path.given import MONDAY_NOON

SENDERS = '[client.lab]\nhl7_senders = ["LIS"]'


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy of the settings' folder."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    for file in DEPLOY.glob("*.toml"):
        shutil.copy(file, folder)
    return folder


def change(deploy: Path, file: str, before: str, after: str) -> None:
    text = (deploy / file).read_text()
    assert before in text
    (deploy / file).write_text(text.replace(before, after))


def test_the_hl7_senders_of_a_laboratory_are_read_by_mllp_and_stop_no_issuer(deploy: Path, keys_folder: Path) -> None:
    change(deploy, "clients.toml", "[client.lab]", SENDERS)
    assert laboratories(deploy)["lab"].hl7_senders == ("LIS",)
    assert issuer.load("http://issuer", "iop-hub", deploy, keys_folder).clients["lab"].hl7_senders == ("LIS",)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("[client.lab]", "[client.lab]\nhl7_sender = []", r"clients.toml: .*hl7_sender.*client|unknown field"),
        ("[client.lab]", "[client.lab", r"clients.toml: .*line \d+"),
        ('services = ["testing"]', 'services = ["tests"]', r"clients.toml: client.lab: .*services"),
        (
            '["system/Task.rus"]',
            '["system/Task.crus"]',
            r"clients.toml: client.riverbend-alumni: .*scopes of Task alone",
        ),
        ('["system/Task.rus"]', '["system/*.rus"]', r"clients.toml: client.riverbend-alumni: .*scopes of Task alone"),
        ('partner = "riverbend-alumni"', 'partner = "x"', r"client.riverbend-alumni.partner: must be a partner of the"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(deploy: Path, before: str, after: str, named: str) -> None:
    change(deploy, "clients.toml", before, after)
    with pytest.raises(ConfigurationError, match=named):
        registered(deploy)


ALUMNI = "[partner.riverbend-alumni]\n"


@pytest.mark.parametrize(
    ("access", "named"),
    [
        ('bearer = "secret"', r"riverbend-alumni: .*unknown field `bearer`"),
        ('token_url = "https://partner.example/token"', r"riverbend-alumni: access.client_id is missing"),
        ('cert_file = "hub.pem"', r"riverbend-alumni: access.cert_file and access.key_file are needed together"),
        (
            'bearer_file = "b"\ntoken_url = "https://x.example"\nclient_id = "c"\nscope = "s"\nsigning_key_file = "k"',
            r"riverbend-alumni: access.bearer_file and access.token_url exclude each other",
        ),
        (
            'token_url = "http://partner.example/token"\nclient_id = "c"\nscope = "s"\nsigning_key_file = "k"',
            r"riverbend-alumni.access.token_url: must be https",
        ),
    ],
)
def test_credentials_of_a_partner_that_are_not_whole_are_refused(deploy: Path, access: str, named: str) -> None:
    change(deploy, "partners.toml", ALUMNI, f"[partner.riverbend-alumni.access]\n{access}\n\n{ALUMNI}")
    with pytest.raises(ConfigurationError, match=named):
        partners(deploy)


def test_a_file_that_partners_toml_names_lies_beside_it(deploy: Path) -> None:
    named = '[partner.riverbend-alumni.access]\nbearer_file = "bearer"\nca_file = "/etc/ca.pem"\n\n'
    change(deploy, "partners.toml", ALUMNI, named + ALUMNI)
    access = partners(deploy)["riverbend-alumni"].access
    assert (access.bearer_file, access.ca_file) == (str(deploy / "bearer"), "/etc/ca.pem")


def test_a_partner_whose_file_is_missing_keeps_aftercare_from_starting(deploy: Path) -> None:
    change(deploy, "partners.toml", ALUMNI, f'[partner.riverbend-alumni.access]\nbearer_file = "bearer"\n\n{ALUMNI}')
    with pytest.raises(ConfigurationError, match=r"bearer: can't be read"):
        routes("aftercare", partners(deploy), lambda event, release: {})


REFERS = 'refers_as = ["http://hl7.org/fhir/sid/us-npi|9999999928"]'


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (REFERS, 'refers_as = ["9999999928"]', r"riverbend-hospital\.refers_as: must be identifiers, system\|value"),
        ('fields = ["referral-state"]', 'fields = ["name"]', r"riverbend-hospital\.refers_as: needs referral-state in"),
        (
            'purpose = "mutual-help"',
            f'purpose = "mutual-help"\nfields = ["referral-state"]\n{REFERS}',
            "mutual-help-group may be told none",
        ),
        ('serves = ["alumni"]', f'serves = ["alumni"]\n{REFERS}', r"refers_as: needs referral-state in fields"),
        (
            'purpose = "recovery-residence"\nfields = [',
            f'purpose = "recovery-residence"\n{REFERS}\nfields = ["referral-state", ',
            r"riverbend-hospital\.refers_as: names partner.riverbend-house of the same program already",
        ),
    ],
    ids=["no-identifier", "no-field", "mutual-help", "alumni", "two-partners"],
)
def test_whom_a_requester_names_is_one_partner_that_may_be_answered(
    deploy: Path, before: str, after: str, named: str
) -> None:
    change(deploy, "partners.toml", before, after)
    with pytest.raises(ConfigurationError, match=named):
        partners(deploy)


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("riverbend-house", "riverbend-alumni", r"riverbend-house\.identifier: is that of partner.riverbend-alumni of"),
        ("riverbend-house", " ", r"riverbend-house\.identifier: must not be empty"),
    ],
)
def test_a_partners_identifier_means_one_of_a_program(deploy: Path, before: str, after: str, named: str) -> None:
    change(deploy, "partners.toml", f'identifier = "{before}"', f'identifier = "{after}"')
    with pytest.raises(ConfigurationError, match=named):
        partners(deploy)


def test_days_to_answer_are_days(deploy: Path) -> None:
    change(deploy, "partners.toml", 'serves = ["alumni"]', 'serves = ["alumni"]\nanswer_days = 0')
    with pytest.raises(ConfigurationError, match=r"partner\.riverbend-alumni: .*answer_days"):
        partners(deploy)


URL = 'url = "http://127.0.0.1:8199/fhir"'


def test_to_a_partner_that_is_printed_nothing_leads(deploy: Path) -> None:
    change(deploy, "partners.toml", URL, "printed = true")
    with pytest.raises(
        ConfigurationError, match=r"riverbend-hospital: printed: has no url, no access and no refers_as"
    ):
        partners(deploy)
    change(deploy, "partners.toml", REFERS, "")
    known = partners(deploy)
    gated = [each for each in routes("aftercare", known, lambda event, release: {}).destinations if each.gate]
    assert gated and all(each.transport is None for each in gated)
    for way in (URL, '[partner.riverbend-alumni.access]\nbearer_file = "b"'):
        assert "printed" in _refused(deploy, way)


def _refused(deploy: Path, way: str) -> str:
    """What is said of an alumni group that is printed and has this way, too."""
    file = deploy / "partners.toml"
    before = file.read_text()
    file.write_text(
        before.replace('serves = ["alumni"]\nprinted = true', f'serves = ["alumni"]\nprinted = true\n{way}')
    )
    with pytest.raises(ConfigurationError) as refused:
        partners(deploy)
    file.write_text(before)
    return str(refused.value)


@pytest.mark.parametrize("number", ["0", "-1", "2.5", '"3"', "true", "1001"])
def test_a_capacity_is_a_positive_whole_number(deploy: Path, number: str) -> None:
    change(deploy, "partners.toml", 'serves = ["alumni"]', f'serves = ["alumni"]\ncapacity = {number}')
    with pytest.raises(ConfigurationError, match=r"partner\.riverbend-alumni: .*capacity"):
        partners(deploy)


A_LABORATORY = """
[partner.riverbend-laboratory]
identifier = "riverbend-laboratory"
kind = "laboratory"
agreement = "qso"
programs = ["demo"]
purpose = "TREAT"
form = "hl7-mllp"
url = "mllps://lab.example:2577"
fields = ["name", "identifier"]
required = ["name"]
application = "LABSYSTEM"
panels = { drug-test = "12PAN^Drug screen^L", "65750-2" = "9PAN^Nine drugs^L" }
assigning_authorities = { IOPDEMO = "https://clinic.demo.iop-hub.org/mrn" }
"""


def with_a_laboratory(deploy: Path, text: str = A_LABORATORY) -> None:
    file = deploy / "partners.toml"
    file.write_text(file.read_text() + text)


def test_a_laboratory_is_read_with_the_hours_that_it_is_tried(deploy: Path) -> None:
    with_a_laboratory(deploy)
    known = partners(deploy)
    laboratory = known["riverbend-laboratory"]
    assert (laboratory.hours_tried_most, known["riverbend-house"].hours_tried_most) == (24.0, 72.0)
    assert msgspec.structs.replace(laboratory, give_up_hours=6.0).hours_tried_most == 6.0
    assert address(laboratory) == "mllps://lab.example:2577"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("agreement =", 'serves = ["alumni"]\nagreement =', "serves: not of kind laboratory"),
        ("agreement =", 'offers = ["1.0"]\nagreement =', "offers: not of kind laboratory"),
        ("agreement =", "capacity = 3\nagreement =", "capacity: not of kind laboratory"),
        ("agreement =", "answer_days = 3\nagreement =", "answer_days: not of kind laboratory"),
        ('url = "mllps://lab.example:2577"', "printed = true", "printed: not of kind laboratory"),
        ("agreement =", 'narr_level = "II"\nagreement =', "narr_level, accepts_moud: only of kind recovery-residence"),
        ('agreement = "qso"', 'agreement = "baa"', "agreement"),
        ('kind = "laboratory"', 'kind = "treating-provider"', "kind treating-provider may be told"),
        ('fields = ["name", "identifier"]', 'fields = ["phone"]', "kind laboratory may be told"),
        ("drug-test = ", '"1-8" = ', "panels.drug-test is missing"),
        ('"65750-2" = ', "opiates = ", 'panels."opiates": must be drug-test, or a LOINC code'),
        ("12PAN^Drug", "12PAN|Drug", 'panels."drug-test": must be its code'),
        ("12PAN^Drug", "^Drug", 'panels."drug-test": must be its code'),
        ("12PAN^Drug", "12PAN\\u000d^Drug", 'panels."drug-test": must be its code'),
        ('application = "LABSYSTEM"', "", "application is missing"),
        ('"LABSYSTEM"', '"LAB&SYSTEM"', "application, facility: must be without"),
        ("IOPDEMO = ", '"IOP^DEMO" = ', "assigning_authorities: must be names"),
        ('"https://clinic.demo.iop-hub.org/mrn"', '" "', "assigning_authorities: must name the system"),
        ('["name", "identifier"]', '["name"]', "assigning_authorities: needed with identifier in fields"),
        ("agreement =", "give_up_hours = 0\nagreement =", "give_up_hours"),
        ("agreement =", 'access = { bearer_file = "b" }\nagreement =', "access: of a partner over MLLP has cert_file"),
    ],
)
def test_what_is_wrong_with_a_laboratory_is_named(deploy: Path, before: str, after: str, named: str) -> None:
    assert before in A_LABORATORY
    with_a_laboratory(deploy, A_LABORATORY.replace(before, after))
    with pytest.raises(ConfigurationError, match="riverbend-laboratory") as refused:
        partners(deploy)
    assert named in str(refused.value)


def test_orders_go_to_the_laboratory_alone_and_referrals_to_everybody_else(deploy: Path) -> None:
    with_a_laboratory(deploy, A_LABORATORY.replace("mllps://lab.example", "mllp://127.0.0.1"))

    def gated(service: str) -> dict[str, set[type]]:
        table = routes(service, partners(deploy), lambda event, release: {})
        return {each.name: set(each.subscribes) for each in table.destinations if each.gate}

    assert gated("testing") == {"riverbend-laboratory": {LaboratoryOrderPrepared}}
    assert {*map(frozenset, gated("aftercare").values())} == {frozenset({ReferralPrepared, AnswerPrepared})}
    assert "riverbend-laboratory" not in gated("aftercare") and gated("attendance") == {}


def test_two_laboratories_of_a_program_are_refused(deploy: Path) -> None:
    with_a_laboratory(deploy, A_LABORATORY + A_LABORATORY.replace("riverbend", "hillside"))
    with pytest.raises(ConfigurationError, match=r"hillside-laboratory: program demo has partner.riverbend-laboratory"):
        partners(deploy)


@pytest.mark.parametrize("stated", ['agreement = "qso"', 'form = "hl7-mllp"', 'panels = { drug-test = "1" }'])
def test_what_is_a_laboratorys_is_said_of_no_other_partner(deploy: Path, stated: str) -> None:
    change(deploy, "partners.toml", 'serves = ["alumni"]', f'serves = ["alumni"]\n{stated}')
    with pytest.raises(ConfigurationError, match=r"riverbend-alumni: .*: only of kind laboratory"):
        partners(deploy)


@pytest.mark.parametrize(
    "url",
    ["mllp://lab.example:2577", "mllps://lab.example", "https://lab.example:2577", "mllps://lab.example:2577/x", ""],
)
def test_over_mllp_an_address_has_tls_and_a_port(deploy: Path, url: str) -> None:
    with_a_laboratory(deploy, A_LABORATORY.replace("mllps://lab.example:2577", url))
    with pytest.raises(ConfigurationError, match=r"riverbend-laboratory\.url: must be mllps://host:port"):
        address(partners(deploy)["riverbend-laboratory"])


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"partners.toml: can't be read \(FileNotFoundError\)"):
        partners(tmp_path)


def test_each_variable_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("IOP_")]:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigurationError, match=r"IOP_ISSUER: Field required; .*IOP_DATABASE_URL: Field required"):
        environment(Process)


async def test_without_a_port_there_is_no_mllp(start_service: StartService) -> None:
    testing = await start_service(app.assemble, "testing", MONDAY_NOON)
    assert testing.running.process.mllp_port is None
    tasks = testing.parts.tasks(testing.running)
    assert [getattr(each, "__name__", "") for each in tasks] == ["every", "every"]
    for each in tasks:
        each.close()


@pytest.mark.processes
@pytest.mark.parametrize("module", ["services.testing.app", "deploy.issuer"])
def test_a_process_that_cannot_run_as_configured_ends_with_78_and_its_sentence(module: str) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("IOP_")}
    command = (sys.executable, "-m", module)
    own["IOP_HTTP_PORT"] = "abc"
    done = subprocess.run(command, env=own, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60)
    last = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, last["error"]) == (78, "ConfigurationError")
    assert "IOP_HTTP_PORT: Input should be a valid integer" in last["event"]
    assert "IOP_ISSUER: Field required" in last["event"]
    assert "Traceback" not in done.stderr
