"""Both ends of a replication: where DMS reads and writes, and the proof that it can reach them."""

from dataclasses import dataclass, field
from typing import Any, Literal

from core.access import Reader
from core.checks import Check
from core.errors import Refused
from core.facts import Fact
from core.plan import Change, Duration, Plan, Value
from core.step import Reversal
from inventory.secrets import SecretSource
from tasks.aws import dms
from tasks.aws.calls import none_on
from tasks.aws.endpoint import AwsReader, AwsWriter
from tasks.aws.marks import required
from tasks.aws.step import AwsStep, fact, known

Role = Literal["source", "target"]

ON_CONNECT = (
    "SET FOREIGN_KEY_CHECKS=0, SQL_MODE='STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'"
)
"""Tables arrive in any order, a 0 is no request for the next number, and nothing is cut to fit."""


@dataclass(frozen=True)
class ReplicationEndpoint:
    arn: str
    settings: Value


@dataclass(frozen=True)
class EndpointFacts:
    endpoint: Fact[ReplicationEndpoint]


@dataclass(frozen=True, kw_only=True)
class CreateReplicationEndpoint(AwsStep[EndpointFacts]):
    """One end of a replication.

    The password goes to DMS in the creating call alone; with `secrets_role`, DMS reads the secret itself
    (a JSON object of username, password, host and port) under that role and is never given it.
    """

    database: str
    role: Role
    engine: str
    address: str
    port: int
    user: str
    password: SecretSource = field(repr=False)
    secrets_role: str = ""
    certificate: str = ""
    poll_s: float = dms.POLL_S
    wait_s: float = 600

    @property
    def reversal(self) -> Reversal:
        return Reversal("reversible", "the endpoint is deleted; the database behind it is not touched")

    @property
    def id(self) -> str:
        return dms.identifier(self.account.project, self.database, self.role)

    def _look(self, cloud: AwsReader) -> EndpointFacts:
        return EndpointFacts(fact(self._found(cloud)))

    def _found(self, cloud: AwsReader) -> ReplicationEndpoint | None:
        found = dms.find_endpoint(cloud, self.id)
        if found is None:
            return None
        dms.require_ours(cloud, found["EndpointArn"], self.mark, self._endpoint, self._described)
        settings = found.get("MySQLSettings") or {}
        actual = {
            "type": found["EndpointType"].lower(),
            "engine": found["EngineName"],
            "tls": found.get("SslMode") or "none",
            "certificate": found.get("CertificateArn") or "",
            "on_connect": settings.get("AfterConnectScript") or "",
        }
        if self.secrets_role:
            actual["secret"] = settings.get("SecretsManagerSecretId") or ""
            actual["secrets_role"] = settings.get("SecretsManagerAccessRoleArn") or ""
        else:
            actual |= {
                "address": found.get("ServerName") or "",
                "port": found.get("Port") or 0,
                "user": found.get("Username") or "",
            }
        return ReplicationEndpoint(found["EndpointArn"], actual)

    def plan(self, facts: EndpointFacts) -> Plan:
        found = known(facts.endpoint)
        if found is None:
            return Plan((Change("create", self._endpoint, None, self._wanted),), duration=Duration(3, 15))
        if found.settings != self._wanted:
            raise Refused(
                f"{self._endpoint} is {found.settings}, wanted {self._wanted}",
                why="A replication may be using it, so it is never changed: take it back, then make it anew.",
                next_command=f"{self.account.next_command.replace('rehearse', 'rollback', 1)}"
                f" --phase environment --item {self.database}",
            )
        return Plan(nothing_because=f"{self._endpoint} leads to {self.address} as wished")

    def _make(self, cloud: AwsWriter, change: Change) -> None:
        if self._found(cloud) is not None:
            return
        request: dict[str, Any] = {
            "EndpointIdentifier": self.id,
            "EndpointType": self.role,
            "EngineName": self.engine,
            "SslMode": self._tls,
            "Tags": dms.tag_list(self.mark),
            **({"CertificateArn": self.certificate} if self.certificate else {}),
        }
        settings: dict[str, Any] = {}
        if self.role == "target":
            # Without it DMS writes all schemas into one.
            settings = {"AfterConnectScript": ON_CONNECT, "TargetDbType": "multiple-databases"}
        if self.secrets_role:
            settings |= {
                "SecretsManagerSecretId": self._secret,
                "SecretsManagerAccessRoleArn": self.secrets_role,
            }
        else:
            request |= {
                "ServerName": self.address,
                "Port": self.port,
                "Username": self.user,
                "Password": self.password.resolve().reveal(),
            }
        if settings:
            request["MySQLSettings"] = settings
        dms.writing(lambda: cloud.dms.create_endpoint(**request), self._described, self.account)

    def _unmake(self, cloud: AwsWriter, change: Change) -> None:
        found = dms.find_endpoint(cloud, self.id)
        if found is None:
            return
        if found.get("Status") != "deleting":
            arn = known(self._look(cloud).endpoint)
            none_on(
                lambda: cloud.dms.delete_endpoint(EndpointArn=required(arn, self._endpoint).arn), dms.GONE
            )
        dms.wait_until(
            lambda: True if dms.find_endpoint(cloud, self.id) is None else None,
            f"{self._endpoint} being deleted",
            self._described,
            self.poll_s,
            self.wait_s,
        )

    def verify(self, reader: Reader) -> tuple[Check, ...]:
        found = known(self.inspect(reader).endpoint)
        return (Check.equal(self._endpoint, self._wanted, found.settings if found else "no endpoint"),)

    @property
    def _wanted(self) -> dict[str, Value]:
        wanted: dict[str, Value] = {
            "type": self.role,
            "engine": self.engine,
            "tls": self._tls,
            "certificate": self.certificate,
            "on_connect": ON_CONNECT if self.role == "target" else "",
        }
        if self.secrets_role:
            return wanted | {"secret": self._secret, "secrets_role": self.secrets_role}
        return wanted | {"address": self.address, "port": self.port, "user": self.user}

    @property
    def _tls(self) -> str:
        return "verify-full" if self.certificate else "none"

    @property
    def _secret(self) -> str:
        return self.password.ref.removeprefix("aws:").partition("#")[0]

    @property
    def _endpoint(self) -> str:
        return f"{self.role} endpoint {self.id}"

    @property
    def _described(self) -> str:
        return dms.described(self.account, "endpoints", self.id)
