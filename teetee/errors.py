# SPDX-License-Identifier: Apache-2.0
"""The errors of `teetee`, and the split which the error trees of all other packages hang from.

    TeeTeeError
    ├── Retryable                     the same call may succeed later, unchanged
    │   └── GuestAgentUnreachable     no socket, no answer in time, or the agent failed
    └── Fatal                         trying again changes nothing
        ├── FieldInvalid              a value outside the bounds of its protocol field
        ├── GuestAgentRefused         the agent will not do what was asked
        ├── GuestAgentAnswerInvalid   the agent's reply has not the form that dstack documents
        ├── KeyInvalid                32 bytes which are no key of that algorithm
        ├── MalformedEndpoint         not `host:port`
        ├── MalformedFrame            a peer's message that breaks the protocol
        ├── ManifestInvalid           not a model manifest
        ├── SignatureInvalid          bytes from which no signer can be recovered
        ├── EnvelopeError
        │   ├── EnvelopeMalformed     not of the form in docs/protocol.md section 4
        │   ├── EnvelopeTooLarge      more plaintext than the largest bucket holds
        │   ├── EnvelopeUndecryptable sealed for another enclave, requester, model, escrow or chain
        │   ├── NotARecipient         this shard is not among the recipients
        │   └── RecipientInvalid      nobody can be sealed to under that key, or too many, or twice
        ├── PromptInvalid             decrypted, but not a prompt
        ├── AnswerError
        │   ├── AnswerUndecryptable   of another request, or not sealed by who knows the secret
        │   └── AnswerInvalid         decrypted, but not an answer
        └── PathError
            ├── NoEntryShard          nobody active can read the prompt
            ├── PathIncomplete        some layers are served by nobody active
            └── SpreadUnmet           every path lies in too few hands for the model's policy

Errors of the chain are in `teetee.chain.errors`. No message, argument or cause carries plaintext or
a key: what is wrong is named by field and rule. Every message says what to do next.
"""


class TeeTeeError(Exception):
    """The root. The first argument is the whole message, for people."""

    @property
    def error_name(self) -> str:
        """For programs and logs: the class, or the custom error that a contract refused with."""
        return type(self).__name__


class Retryable(TeeTeeError):
    """The same call may succeed later, unchanged."""


class Fatal(TeeTeeError):
    """The same call will fail again: something has to be changed first."""


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
            f"The guest agent at {endpoint} {reason}. Inside a CVM, mount the dstack socket into "
            "this container; on a machine without TEE, start tee_simulator and set "
            "DSTACK_SIMULATOR_ENDPOINT to its socket."
        )


class GuestAgentRefused(Fatal):
    """The guest agent will not do what was asked."""

    def __init__(self, endpoint: str, method: str, status: int) -> None:
        self.endpoint = endpoint
        self.method = method
        self.status = status
        super().__init__(
            f"The guest agent at {endpoint} refused {method} with HTTP {status}. "
            "Check that it is a dstack 0.5 guest agent, and read its log."
        )


class GuestAgentAnswerInvalid(Fatal):
    """The guest agent's reply has not the documented form."""

    def __init__(self, endpoint: str, method: str, rule: str) -> None:
        self.endpoint = endpoint
        self.method = method
        self.rule = rule
        super().__init__(
            f"The guest agent at {endpoint} answered {method} wrongly: {rule}. "
            "Check that it is a dstack 0.5 guest agent."
        )


class KeyInvalid(Fatal):
    """Bytes which are no key of that algorithm."""

    def __init__(self, algorithm: str, rule: str) -> None:
        self.algorithm = algorithm
        self.rule = rule
        super().__init__(f"Not a key for {algorithm}: it {rule}. Check where the key comes from.")


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
            f"The model manifest is not valid: {field} {rule}. Make it again from the model's "
            "published files."
        )


class SignatureInvalid(Fatal):
    """Bytes from which no signer can be recovered."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The signature {rule}. Discard what it signs, or ask its signer again.")


class EnvelopeError(Fatal):
    """Whatever is wrong with an envelope before its prompt is known."""


class EnvelopeMalformed(EnvelopeError):
    """Not of the form in docs/protocol.md section 4."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The envelope is malformed: {rule}. Decline the request; seal the prompt again to "
            "ask again."
        )


class EnvelopeTooLarge(EnvelopeError):
    """More plaintext than the largest bucket holds."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(
            f"{size} bytes are to be sealed, and at most {limit} can be. Shorten the messages."
        )


class EnvelopeUndecryptable(EnvelopeError):
    """Sealed for another enclave, requester, model, escrow or chain."""

    def __init__(self) -> None:
        super().__init__(
            "The envelope does not open: it was sealed for another enclave, requester, model, "
            "escrow or chain, or it was changed. Decline the request; read the shards from the "
            "registry anew and seal again to ask again."
        )


class NotARecipient(EnvelopeError):
    """This shard is not among the recipients."""

    def __init__(self, shard_id: int, recipients: tuple[int, ...]) -> None:
        self.shard_id = shard_id
        self.recipients = recipients
        super().__init__(
            f"The envelope is for shards {list(recipients)}, not for shard {shard_id}. Leave the "
            "request to them."
        )


class RecipientInvalid(EnvelopeError):
    """Nobody can be sealed to under that key, or too many, or twice."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(
            f"The recipients of the envelope are not valid: {rule}. Choose active entry shards "
            "anew."
        )


class PromptInvalid(Fatal):
    """Decrypted, but not a prompt."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"The prompt is not valid: {field} {rule}. Correct it and ask again.")


class AnswerError(Fatal):
    """Whatever is wrong with a sealed answer."""


class AnswerUndecryptable(AnswerError):
    """Of another request, or not sealed by somebody who knows the secret."""

    def __init__(self) -> None:
        super().__init__(
            "The answer does not open: it belongs to another request, was changed, or was sealed "
            "by somebody who does not know this request's secret. Use the secret that was kept "
            "when asking."
        )


class AnswerInvalid(AnswerError):
    """Decrypted, but not an answer."""

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(
            f"The answer is not valid: {field} {rule}. Report the entry shard which settled the "
            "request."
        )


class PathError(Fatal):
    """No path can be made of the shards at hand."""


class NoEntryShard(PathError):
    """Nobody active can read the prompt."""

    def __init__(self, model_id: int) -> None:
        self.model_id = model_id
        super().__init__(
            f"Model {model_id} has no active entry shard. Wait for a host to enrol one, or choose "
            "another model."
        )


class PathIncomplete(PathError):
    """Some layers are served by nobody active."""

    def __init__(self, model_id: int, first: int, end: int) -> None:
        self.model_id = model_id
        self.first = first
        self.end = end
        super().__init__(
            f"No active shard of model {model_id} takes over at layer {first} on the way to layer "
            f"{end}. Wait for a host to enrol one that begins there, or choose another model."
        )


class SpreadUnmet(PathError):
    """Every path lies in too few hands for the model's policy."""

    def __init__(self, model_id: int, hosts: int, platforms: int) -> None:
        self.model_id = model_id
        self.hosts = hosts
        self.platforms = platforms
        super().__init__(
            f"Model {model_id} asks for paths over at least {hosts} hosts and {platforms} "
            "platforms, and the active shards make none. Wait for another host to enrol, or choose "
            "another model."
        )
