# SPDX-License-Identifier: Apache-2.0
"""Joins a GGUF in parts to one file, because transformers reads only one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from gguf import GGUFReader, GGUFValueType, GGUFWriter

_NOT_COPIED = ("GGUF.", "split.", "general.architecture")
"""Prefixes of keys that the header or the writer has, or that only parts have."""


@contextmanager
def as_one_file(files: Sequence[Path]) -> Iterator[Path]:
    """The only file, or a temporary file with the metadata of the first and the tensors of all."""
    if len(files) == 1:
        yield files[0]
        return
    with TemporaryDirectory(prefix="teetee-check-") as folder:
        target = Path(folder) / "joined.gguf"
        _join(files, target)
        yield target


def _join(files: Sequence[Path], target: Path) -> None:
    readers = [GGUFReader(file) for file in files]
    fields = readers[0].fields
    writer = GGUFWriter(target, str(fields["general.architecture"].contents()))
    for name, field in fields.items():
        if not name.startswith(_NOT_COPIED):
            kind = field.types[0]
            items = field.types[-1] if kind == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), kind, sub_type=items)
    tensors = [tensor for reader in readers for tensor in reader.tensors]
    for tensor in tensors:
        data = tensor.data
        writer.add_tensor_info(tensor.name, data.shape, data.dtype, data.nbytes, tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in tensors:
        writer.write_tensor_data(tensor.data)
    writer.close()
