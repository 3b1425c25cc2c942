# SPDX-License-Identifier: Apache-2.0
"""The errors of `teetee`, and the root of every other package's error tree.

    TeeTeeError
    ├── Retryable                     the same call may succeed later
    │   └── GuestAgentUnreachable     no socket, no answer in time, or the agent failed
    └── Fatal                         the same call will fail again
        ├── FieldInvalid              a value outside the bounds of its protocol field
        ├── GuestAgentRefused         the agent refused the call
        ├── GuestAgentAnswerInvalid   the agent's reply is not as dstack documents it
        ├── KeyFileRefused            private keys cannot be kept in that folder
        ├── KeyInvalid                bytes that are not a key of that algorithm
        ├── MalformedEndpoint         not `host:port`
        ├── MalformedFrame            a peer's message that breaks the protocol
        ├── ManifestInvalid           not a model manifest
        ├── SignatureInvalid          no signer can be recovered
        ├── EnvelopeError
        │   ├── EnvelopeMalformed     not of the form in docs/protocol.md section 4
        │   ├── EnvelopeTooLarge      more plaintext than fits into the largest bucket
        │   ├── EnvelopeUndecryptable sealed for another enclave, requester, model, escrow or chain
        │   ├── NotARecipient         this shard is not among the recipients
        │   └── RecipientInvalid      an unusable key, a duplicate, or too many recipients
        ├── PromptInvalid             decrypted, but not a prompt
        ├── AnswerError
        │   ├── AnswerUndecryptable   of another request, or sealed without its secret
        │   └── AnswerInvalid         decrypted, but not an answer
        └── PathError
            ├── NoEntryShard          no active shard can open the prompt
            ├── PathIncomplete        no active shard serves some of the layers
            └── SpreadUnmet           every path has fewer hosts or platforms than required

Errors of the chain are in `teetee.chain.errors`. No message, argument or cause contains plaintext
or a key; errors name the field and the rule. Every message says what to do next.
"""

from pathlib import Path


class TeeTeeError(Exception):
    """The root. The first argument is the whole message, for people."""

    @property
    def error_name(self) -> str:
        """For programs and logs: the class, or the custom error that a contract refused with."""
        return type(self).__name__


class Retryable(TeeTeeError):
    """The same call may succeed later."""


class Fatal(TeeTeeError):
    """The same call will fail again."""


class FieldInvalid(Fatal):
    """A value outside the bounds of its protocol field."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field} {rule}. Correct the value: nothing was signed, sealed or sent.")


class GuestAgentUnreachable(Retryable):
    """The guest agent did not answer, or answered that it failed."""

    def __init__(self, endpoint: str, reason: str) -> None:
        self.endpoint = endpoint
        self.reason = reason
        super().__init__(
            f"The guest agent at {endpoint} {reason}. In a confidential VM, mount the dstack "
            "socket into this container; on a machine without a TEE, start tee_simulator and set "
            "TEETEE_SIMULATED=true, and DSTACK_SIMULATOR_ENDPOINT to its socket."
        )


class GuestAgentRefused(Fatal):
    """The guest agent refused the call."""

    def __init__(self, endpoint: str, method: str, status: int) -> None:
        self.endpoint = endpoint
        self.method = method
        self.status = status
        super().__init__(
            f"The guest agent at {endpoint} refused {method} with HTTP {status}. "
            "Check that it is a dstack 0.5 guest agent, and read its log."
        )


class GuestAgentAnswerInvalid(Fatal):
    """The guest agent's reply is not as dstack documents it."""

    def __init__(self, endpoint: str, method: str, rule: str) -> None:
        self.endpoint = endpoint
        self.method = method
        self.rule = rule
        super().__init__(
            f"The guest agent at {endpoint} gave an invalid answer to {method}: {rule}. "
            "Check that it is a dstack 0.5 guest agent."
        )


class KeyInvalid(Fatal):
    """Bytes that are not a key of that algorithm."""

    def __init__(self, algorithm: str, rule: str) -> None:
        self.algorithm = algorithm
        self.rule = rule
        super().__init__(f"Not a {algorithm} key: it {rule}. Check where the key comes from.")


class KeyFileRefused(Fatal):
    """Private keys cannot be kept in that folder."""

    def __init__(self, directory: Path, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"The keys' folder {directory} {problem}. Give each enclave its own folder on tmpfs "
            "with TEETEE_KEYS_DIRECTORY; keys that cannot be read may be deleted, and the shard "
            "rekeyed."
        )


class MalformedEndpoint(Fatal):
    """Not `host:port`."""

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is not an endpoint. Write it as host:port, for example "
            "203.0.113.7:7700."
        )


class MalformedFrame(Fatal):
    """A peer's message that breaks the protocol."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The enclave sent a message that breaks the protocol: {reason}. "
            "It runs another version, or it is not a TeeTee enclave; use another shard."
        )


class ManifestInvalid(Fatal):
    """Not a model manifest."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(
            f"The model manifest is not valid: {field} {rule}. Generate it again from the model's "
            "published files."
        )


class SignatureInvalid(Fatal):
    """No signer can be recovered."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The signature {rule}. Discard the message, or ask its signer again.")


class EnvelopeError(Fatal):
    """An envelope that cannot be made or opened."""


class EnvelopeMalformed(EnvelopeError):
    """Not of the form in docs/protocol.md section 4."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The envelope is malformed: {rule}. Decline the request; to ask again, seal the "
            "prompt again."
        )


class EnvelopeTooLarge(EnvelopeError):
    """More plaintext than fits into the largest bucket."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(
            f"The plaintext has {size} bytes, and the limit is {limit}. Shorten the messages."
        )


class EnvelopeUndecryptable(EnvelopeError):
    """Sealed for another enclave, requester, model, escrow or chain."""

    def __init__(self) -> None:
        super().__init__(
            "The envelope cannot be opened: it was sealed for another enclave, requester, model, "
            "escrow or chain, or it was changed. Decline the request; to ask again, read the "
            "shards from the registry again and seal the prompt to them."
        )


class NotARecipient(EnvelopeError):
    """This shard is not among the recipients."""

    def __init__(self, shard_id: int, recipients: tuple[int, ...]) -> None:
        self.shard_id = shard_id
        self.recipients = recipients
        super().__init__(
            f"The envelope is for shards {list(recipients)}, not for shard {shard_id}. Leave the "
            "request to its recipients."
        )


class RecipientInvalid(EnvelopeError):
    """An unusable key, a duplicate, or too many recipients."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The recipients of the envelope are not valid: {rule}. Choose one to four active "
            "entry shards."
        )


class PromptInvalid(Fatal):
    """Decrypted, but not a prompt."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"The prompt is not valid: {field} {rule}. Correct it and ask again.")


class AnswerError(Fatal):
    """A sealed answer that cannot be opened or read."""


class AnswerUndecryptable(AnswerError):
    """Of another request, or sealed without its secret."""

    def __init__(self) -> None:
        super().__init__(
            "The answer cannot be opened: it belongs to another request, was changed, or was "
            "sealed without this request's secret. Use the secret that was stored with the "
            "request."
        )


class AnswerInvalid(AnswerError):
    """Decrypted, but not an answer."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(
            f"The answer is not valid: {field} {rule}. Report the entry shard that settled the "
            "request."
        )


class PathError(Fatal):
    """The active shards form no suitable path."""


class NoEntryShard(PathError):
    """No active shard can open the prompt."""

    def __init__(self, model_id: int) -> None:
        self.model_id = model_id
        super().__init__(
            f"Model {model_id} has no active entry shard. Wait for a host to enrol one, or choose "
            "another model."
        )


class PathIncomplete(PathError):
    """No active shard serves some of the layers."""

    def __init__(self, model_id: int, first: int, end: int) -> None:
        self.model_id = model_id
        self.first = first
        self.end = end
        super().__init__(
            f"Model {model_id} has {end} layers, and no active shard continues a path at layer "
            f"{first}. Wait for a host to enrol one that begins there, or choose another model."
        )


class SpreadUnmet(PathError):
    """Every path has fewer hosts or platforms than the model's policy requires."""

    def __init__(self, model_id: int, hosts: int, platforms: int) -> None:
        self.model_id = model_id
        self.hosts = hosts
        self.platforms = platforms
        super().__init__(
            f"Model {model_id} requires paths over at least {hosts} hosts and {platforms} "
            "platforms, and the active shards form none. Wait for another host to enrol, or choose "
            "another model."
        )
