# SPDX-License-Identifier: Apache-2.0
"""The errors about a model's files, or about computing them here. errors.py draws the tree; import
them from there.
"""

from teetee.errors import Fatal


class ModelError(Fatal):
    """A problem with a model's files, or with computing them here."""


class ModelNotFound(ModelError):
    """No such folder, file or hub id."""

    def __init__(self, model: str, reason: str) -> None:
        self.model, self.reason = model, reason
        super().__init__(
            f"No model at {model}: {reason}. Give a folder with config.json and *.safetensors, "
            "a folder with one *.gguf, a .gguf file, or a hub id such as "
            "HuggingFaceTB/SmolLM2-135M-Instruct."
        )


class ModelFileInvalid(ModelError):
    """A malformed or damaged file."""

    def __init__(self, file: str, rule: str) -> None:
        self.file, self.rule = file, rule
        super().__init__(f"{file} is not valid: {rule}. Download the model's files again.")


class ModelPartMissing(ModelError):
    """A file of a model in parts."""

    def __init__(self, file: str, number: int, count: int) -> None:
        self.file, self.number, self.count = file, number, count
        super().__init__(
            f"{file} is missing: it is part {number} of {count} of the model. Put all parts into "
            "the same folder."
        )


class ArchitectureUnsupported(ModelError):
    """A model that this runtime cannot compute."""

    def __init__(self, name: str, feature: str) -> None:
        self.name, self.feature = name, feature
        super().__init__(
            f"The architecture {name!r} is not supported: {feature}. Supported are llama, mistral, "
            "ministral, mixtral, qwen2, qwen3, qwen3_moe, gemma, gemma2, gemma3 (text), phi3 and "
            "gpt2, with RoPE scaling default, linear, llama3, yarn or longrope."
        )


class ConfigFieldUnsupported(ModelError):
    """A config field, or a value of it, that is neither computed nor known to have no effect."""

    def __init__(self, file: str, family: str, field: str, value: str) -> None:
        self.file, self.family, self.field, self.value = file, family, field, value
        super().__init__(
            f"{file} sets {field} to {value}. For a {family} model, this is neither computed nor "
            "known to have no effect. Remove the field if the model does not depend on it; the "
            "digests do not cover the text of the file."
        )


class QuantizationUnsupported(ModelError):
    """A model that another tool quantized in a way that is not computed here."""

    def __init__(self, file: str, sign: str) -> None:
        self.file, self.sign = file, sign
        super().__init__(
            f"{file} is of a model quantized by a method that is not supported: {sign}. Use the "
            "model's float weights (float32, bfloat16 or float16), or a GGUF of it."
        )


class AdapterUnsupported(ModelError):
    """A folder with an adapter, which would not be applied."""

    def __init__(self, file: str) -> None:
        self.file = file
        super().__init__(
            f"{file} describes an adapter, which is not applied here. Merge the adapter into the "
            "weights, or remove its files if the weights are meant without it."
        )


class TensorMissing(ModelError):
    """The architecture needs a tensor that no file contains."""

    def __init__(self, tensor: str) -> None:
        self.tensor = tensor
        super().__init__(f"The tensor {tensor} is missing. Download the model's files again.")


class TensorInvalid(ModelError):
    """A tensor whose shape or type does not match the architecture."""

    def __init__(self, tensor: str, rule: str) -> None:
        self.tensor, self.rule = tensor, rule
        super().__init__(f"The tensor {tensor} {rule}. Download the model's files again.")


class TensorUnused(ModelError):
    """Tensors in the files that no part of the architecture uses."""

    def __init__(self, file: str, tensors: tuple[str, ...]) -> None:
        self.file, self.tensors = file, tensors
        more = f" and {len(tensors) - 3} more" if len(tensors) > 3 else ""
        super().__init__(
            f"{file} has tensors that this architecture does not use: {', '.join(tensors[:3])}"
            f"{more}. The model may need them, so it is not computed without them. Check that "
            "the configuration belongs to these tensors, or remove them from the file."
        )


class TensorAmbiguous(ModelError):
    """Two files hold a tensor of the same name."""

    def __init__(self, tensor: str, first: str, second: str) -> None:
        self.tensor, self.first, self.second = tensor, first, second
        super().__init__(
            f"{first} and {second} both hold the tensor {tensor}. Keep only the files of one "
            "model in the folder, or add its model.safetensors.index.json."
        )


class SplitInvalid(ModelError):
    """Layers that the model does not have, or more stages than layers."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"The model cannot be split this way: {rule}. Choose other layer ranges.")


class DigestMismatch(ModelError):
    """The loaded files differ from what was published."""

    def __init__(self, part: str, tensors: tuple[str, ...], expected: bytes, found: bytes) -> None:
        self.part, self.tensors, self.expected, self.found = part, tensors, expected, found
        among = f" One of these tensors differs: {', '.join(tensors)}." if tensors else ""
        super().__init__(
            f"The {part} was published as 0x{expected.hex()} but is 0x{found.hex()} here.{among} "
            "Download the model's files again; do not serve these."
        )


class TokenizerMissing(ModelError):
    """The model has no tokenizer to encode or decode text."""

    def __init__(self, model: str) -> None:
        self.model = model
        super().__init__(
            f"{model} has no tokenizer.json. Put one beside the weights, or give token ids instead "
            "of text."
        )


class TokenizerInvalid(ModelError):
    """The tokenizer or its configuration cannot be used."""

    def __init__(self, file: str, rule: str) -> None:
        self.file, self.rule = file, rule
        super().__init__(
            f"{file} is not a usable tokenizer: {rule}. Download the model's files again."
        )


class TokenizerUnsupported(TokenizerInvalid):
    """A tokenizer with a property that this runtime does not know: it could give other ids."""

    def __init__(self, file: str, rule: str) -> None:
        self.file, self.rule = file, rule
        if file.endswith((".gguf", "tokenizer.json")):
            advice = (
                "Put the model's own tokenizer.json beside the weights, saved by a current version "
                "of transformers."
            )
        elif file.endswith(".json"):
            advice = (
                "Leave that out of the file if the model's tokens and answers do not depend on it; "
                "otherwise choose another model."
            )
        else:
            advice = "Put the template for conversations into chat_template.jinja there."
        ModelError.__init__(self, f"The tokenizer of {file} is not supported: {rule}. {advice}")


class TokenIdsDiffer(ModelError):
    """The tokenizer gives other token ids for the sample text than the publisher's did."""

    def __init__(self, expected: bytes | None, found: bytes | None) -> None:
        self.expected, self.found = expected, found
        if expected is None:
            what = "The manifest has no token_ids_digest, but the model has a tokenizer"
            remedy = "Make the manifest again with `python -m shard_tools digest`."
        else:
            here = "this model has no tokenizer" if found is None else f"here it is 0x{found.hex()}"
            what = f"The token_ids_digest was published as 0x{expected.hex()}; {here}"
            remedy = (
                "Use the published tokenizer files and the version of the tokenizers package in "
                "requirements/."
            )
        super().__init__(f"{what}. {remedy} Nothing is served with other token ids.")


class PrecisionUnavailable(ModelError):
    """The model cannot be computed in that precision on this machine."""

    def __init__(self, precision: str, reason: str) -> None:
        self.precision, self.reason = precision, reason
        super().__init__(
            f"{precision} is not available here: {reason}. Choose float32, or build the native "
            "backend with `make native`."
        )
