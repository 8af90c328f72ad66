"""The checks of `iop doctor`: one table, each row a pure function of the facts that names what is wrong."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from deploy.doctor import data, machine, surroundings
from deploy.doctor.facts import Facts, NotAskedError

NAMED_MOST = 3
"""Of one check; the rest are counted."""


@dataclass(frozen=True)
class Check:
    """`looks_at` says what it asks, `remedy` what mends it; `judge` yields a sentence for each thing that is wrong."""

    name: str
    looks_at: str
    remedy: str
    judge: Callable[[Facts], Iterator[str]]


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one check found; `not asked`: it hangs on what another check names."""

    name: str
    status: Literal["ok", "wrong", "not asked"]
    text: str = ""
    remedy: str = ""


CHECKS: Sequence[Check] = (
    Check("hub", "a hub runs in the folder", "`iop up`, with its `--data` and `--settings`", surroundings.hub),
    Check(
        "ports",
        "somebody listens at each address of hub.json",
        "the log of what is missing (`logs/` in the hub's folder); `iop up` starts it again by itself",
        surroundings.ports,
    ),
    Check(
        "services",
        "each process and replica answers, and is ready",
        "what it names; else its log; kill a process that hangs, `iop up` starts it again",
        surroundings.services,
    ),
    Check(
        "disk",
        "free space where the hub's folder is (`--free-mb`)",
        "make room, or move the folder: without space PostgreSQL and Kafka stop",
        machine.disk,
    ),
    Check("java", "the Java of the embedded Kafka runs", "`make setup`; or a Kafka of your own", machine.java),
    Check(
        "jars",
        "Kafka's libraries are as their checksums",
        "start the hub again with a network: it fetches what is broken",
        machine.jars,
    ),
    Check(
        "file modes",
        "nobody but their owner reads keys, passwords and the files of secrets",
        "`chmod 600 FILE`; whoever may have read it: change the secret too",
        machine.file_modes,
    ),
    Check(
        "settings",
        "each file of the folder of settings can be read and is complete",
        "correct the place it names; `iop up` reads it at start (docs/settings.md)",
        machine.settings,
    ),
    Check("keys", "each service's keys can be read", "bring the file back from your key management", machine.keys),
    Check(
        "issuer",
        "the issuer answers, and publishes the key it signs with",
        "start the hub again; with an issuer of your own: `IOP_ISSUER`",
        surroundings.issuer,
    ),
    Check(
        "other issuers",
        "each issuer of clients.toml answers with its keys",
        "ask who runs it, or correct its `jwks`; tokens of others are taken meanwhile, and its own for an hour",
        surroundings.other_issuers,
    ),
    Check(
        "on call",
        "oncall.toml: channels, and secrets in their files",
        "correct the place it names (docs/on-call.md), start again",
        machine.on_call,
    ),
    Check(
        "rota",
        "rota.toml leaves no hour without somebody; its holidays, if any, are not all past",
        "fill the hour it names in rota.toml, or enter the holidays to come; `iop rota who --at TIME`; start again",
        machine.rota,
    ),
    Check(
        "certificates",
        "each https partner and channel answers, its certificate valid for 14 days more",
        "ask the partner for a new one; until then nothing is sent there, and waits",
        machine.certificates,
    ),
    Check(
        "laboratories",
        "each laboratory's certificate for MLLP can be read, and is valid for 14 days more",
        "`iop client add-laboratory` binds a new one beside it; once it has ended, nothing comes over MLLP with TLS",
        machine.laboratories,
    ),
    Check(
        "database",
        "each service's database answers, on a server of version 15 or later",
        "is PostgreSQL up, and reached under this address? `logs/postgres.log`; frozen: continue or restart it",
        data.database,
    ),
    Check(
        "rights",
        "the service's user may read and write each of its tables, and create some",
        "GRANT what is missing, or have its owner be the user of DATABASE_URL",
        data.rights,
    ),
    Check(
        "reader",
        "`iop replay` and `iop why` can read as iop_reader, a role that can write nothing",
        "run the statements of docs/operate.md (Who reads a journal) as an administrator of the database",
        data.reader,
    ),
    Check(
        "schema",
        "the database's schema is this release's",
        "older: start the service again; newer: run the release that made it",
        data.schema,
    ),
    Check("clock", "clock of database and machine within 5 s", "have both machines' clocks set by NTP", data.clock),
    Check(
        "kafka",
        "the broker answers",
        "is Kafka up, and reached under this address? `logs/kafka.log`; frozen: continue or restart it",
        data.kafka,
    ),
    Check(
        "topics",
        "the cluster's topics are as in topics.toml",
        "`iop topics show`, then `iop topics apply`; what was in a deleted topic is lost to who had not read it: "
        "`iop ledger show`",
        data.topics,
    ),
    Check(
        "groups",
        "each service's processes are members of its consumer group",
        "within 10 s of a start: nothing; else the service's log, and start it again",
        data.groups,
    ),
    Check(
        "lag",
        "at most 5,000 records wait to be read",
        "nothing while it shrinks; `iop consumer show`, the log; a second process (`--replicas`)",
        data.lag,
    ),
    Check(
        "consumers",
        "no consumer has stopped",
        "`iop consumer show`; mend what failed, `iop consumer resume`",
        data.consumers,
    ),
    Check(
        "gate",
        "where anything is disclosed (testing: with a laboratory), the consent ledger is current: else nothing is",
        "are intake and Kafka up? `iop ledger show`; after lost records `iop ledger reopen --dry-run`",
        data.gate,
    ),
    Check(
        "lanes",
        "the oldest row: 120 s in a topic's lane, 15 min in a partner's, 60 s of a page that rings",
        "topic, lookup, internal: Kafka and the service's log. partner: try its address (partners.toml), call them. "
        "partner:on-call: call who is on call (`iop rota who`), then its channel in oncall.toml; "
        "what cannot wait goes by telephone",
        data.lanes,
    ),
    Check(
        "parked",
        "nothing is parked",
        "`iop parked list`, `iop parked show ID`; mend, `iop parked redrive --dry-run`, then without it",
        data.parked,
    ),
    Check(
        "strays",
        "no foreign record on a topic in the last day",
        "table `strays` has their place and size; find who writes there (`iop topics acl`)",
        data.strays,
    ),
    Check(
        "unmatched",
        "no result has waited for its patient for more than a day",
        "the work list has a Task for each: settle with the laboratory whose it is, or register the patient",
        data.unmatched,
    ),
    Check(
        "deadlines",
        "no deadline passed more than a minute ago",
        "is the service up, the database slow? its log; an escalation may be as late",
        data.deadlines,
    ),
    Check(
        "feeds",
        "no program's sessions pass without any report",
        "mend the interface that reports who came; where nobody came, answer the Task (docs/operate.md, A silent feed)",
        data.feeds,
    ),
    Check(
        "meeting feeds",
        "each public feed of meetings can be had, and has not shrunk",
        "`iop feeds show NAME` says what to do; its last good copy counts meanwhile",
        data.meeting_feeds,
    ),
    Check(
        "retention",
        "what is past its days was deleted in the last three hours",
        "nothing right after a start; `iop retention` says what holds it up; else the service's log",
        data.retention,
    ),
    Check(
        "journal",
        "stored settings are as their digest, and there for the journal's rows (10,000 are looked at)",
        "restore table `settings` from a backup; `iop replay --all` names what cannot be made again",
        data.journal,
    ),
)


def examine(facts: Facts) -> list[Result]:
    """What each check makes of the facts, in the table's order."""
    return [_result(each, facts) for each in CHECKS]


def _result(check: Check, facts: Facts) -> Result:
    """What it found counts, though it could not look at everything; only a look at everything is `ok`."""
    found, unknown = [], ""
    try:
        for sentence in check.judge(facts):
            found.append(sentence)
    except NotAskedError as reason:
        unknown = str(reason)
    if not found:
        return Result(check.name, "not asked", unknown) if unknown else Result(check.name, "ok")
    more = f"; and {len(found) - NAMED_MOST} more" if len(found) > NAMED_MOST else ""
    return Result(check.name, "wrong", "; ".join(found[:NAMED_MOST]) + more, check.remedy)
