"""What every AWS call passes through: the guard against writes, the journal, and the naming of failures.

The hooks sit on events that every operation, paginator and presigned URL emits, so no code above can go
around them, and nothing above ever sees an exception of botocore.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, SSLError
from botocore.hooks import BaseEventHooks
from botocore.model import OperationModel
from botocore.parsers import ResponseParserError

from core.access import Journal
from core.errors import ApplyFailed, Refused, Unreadable
from core.secret import redact

T = TypeVar("T")

_READ = re.compile(r"(Describe|Get|List|Head)[A-Z]")
_READS_BY_ANOTHER_NAME = frozenset({"route53.TestDNSAnswer"})
# Named like reads, but they hand out credentials that this guard would no longer watch.
_NO_READS = frozenset({"sts.GetSessionToken", "sts.GetFederationToken"})

_THROTTLED = re.compile(r"Throttl|RequestLimitExceeded|TooManyRequests|SlowDown|PriorRequestNotComplete")
_DENIED = re.compile(r"AccessDenied|UnauthorizedOperation|AuthorizationError|^403$")
_BAD_KEYS = re.compile(
    r"InvalidClientTokenId|UnrecognizedClient|SignatureDoesNotMatch|AuthFailure|InvalidAccessKeyId|ExpiredToken"
)
# Something else is still letting go of the object, such as an instance that is shutting down.
_STILL_USED = frozenset({"DependencyViolation", "InvalidGroup.InUse"})

_IAM_ACTIONS = {
    "s3.HeadBucket": "s3:ListBucket",
    "s3.GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3.PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3.GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3.PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3.DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}
"""Operations whose permission has another name. Source: IAM service authorization reference, Amazon S3."""

_TOLD = re.compile(r"(Id|Ids|Name|Bucket|CidrBlock|RuleNumber|Identifier|TaskArn|TaskType)$")


class CallUnreadable(Unreadable):
    """A reading call failed; `code` is AWS's own."""

    code = ""


class CallFailed(ApplyFailed):
    """A writing call failed; `code` is AWS's own."""

    code = ""


@dataclass(frozen=True)
class Hooks:
    """The hooks of one connection; without a journal it is read-only."""

    where: str
    next_command: str
    journal: Journal | None = None

    def attach(self, events: BaseEventHooks) -> None:
        events.register_first("provide-client-params", self._before)
        events.register_last("after-call", self._answered)
        events.register_last("after-call-error", self._unanswered)

    def _before(self, params: Mapping[str, Any], model: OperationModel, **_: Any) -> None:
        call = _name(model)
        if is_read(call):
            return
        if self.journal is None:
            raise Refused(
                f"{call} on {self.where} while only looking",
                why="This connection is for reading only; the call was stopped before it left this machine.",
            )
        self.journal(" ".join([call, *_told(params)]))

    def _answered(
        self, http_response: Any, parsed: Mapping[str, Any], model: OperationModel, **_: Any
    ) -> None:
        if http_response.status_code >= 300:
            error = parsed.get("Error", {})
            code = error.get("Code") or str(http_response.status_code)
            self._fail(_name(model), code, error.get("Message") or "", http_response.status_code)

    def _unanswered(self, exception: Exception, event_name: str, **_: Any) -> None:
        if isinstance(exception, (BotoCoreError, ResponseParserError)):
            service, operation = event_name.split(".")[1:3]
            # A certificate that does not fit, or an answer in another tongue, does not pass by waiting.
            raise _error(
                f"{service}.{operation}",
                type(exception).__name__,
                f"{service}.{operation} on {self.where} got no answer: {redact(str(exception))}",
                "Nothing can be concluded about the account while it does not answer.",
                self.next_command,
                transient=not isinstance(exception, (SSLError, ResponseParserError)),
            ) from exception

    def _fail(self, call: str, code: str, message: str, status: int) -> None:
        said = redact(message).partition("Encoded authorization failure message")[0][:300].strip()
        detail, why, transient = f"{call} on {self.where}: {code}: {said}", "", False
        if _BAD_KEYS.search(code):
            why = "AWS does not accept the access key of the inventory (cloud.provider in targets.yaml)."
        elif "dms-vpc-role" in said:
            why = "DMS works in the VPC under this role, which the account lacks; make it once."
        elif _DENIED.search(code):
            action = _IAM_ACTIONS.get(call, call.replace(".", ":", 1))
            detail = f"{call} on {self.where} was denied ({code})"
            why = f"The access key lacks the IAM permission {action}: have it granted, then run again."
            if call == "s3.HeadBucket":
                why += " Or the bucket's name is taken by another account: choose another name."
        elif _THROTTLED.search(code) or status == 429 or status >= 500:
            why, transient = "AWS is busy or slowed us down, also after our own retries.", True
        elif code in _STILL_USED:
            why, transient = "Something else in the account still uses it.", True
        raise _error(call, code, detail, why, self.next_command, transient=transient)


def is_read(call: str) -> bool:
    """Whether `service.Operation` only looks."""
    operation = call.partition(".")[2]
    return call in _READS_BY_ANOTHER_NAME or (_READ.match(operation) is not None and call not in _NO_READS)


def none_on(call: Callable[[], T], *codes: str) -> T | None:
    """What the call gives, or None where AWS answers with one of these codes ("not found", "already so")."""
    try:
        return call()
    except (CallUnreadable, CallFailed) as error:
        if error.code not in codes:
            raise
        return None


def _name(model: OperationModel) -> str:
    return f"{model.service_model.service_name}.{model.name}"


def _told(params: Mapping[str, Any]) -> Iterator[str]:
    for key, value in params.items():
        if _TOLD.search(key):
            yield ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _error(
    call: str, code: str, detail: str, why: str, next_command: str, *, transient: bool
) -> CallUnreadable | CallFailed:
    kind = CallUnreadable if is_read(call) else CallFailed
    error = kind(detail, why=why, next_command=next_command, transient=transient)
    error.code = code
    return error
