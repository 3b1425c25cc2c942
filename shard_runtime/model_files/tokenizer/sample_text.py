# SPDX-License-Identifier: Apache-2.0
"""The sample text: 2,000 lines that tell tokenizers apart.

Spaces before digits, tabs, indentation, code, scripts, emoji, control characters, texts that look
like control tokens. A published model states the digest of its token ids for these lines, so that
an entry notices when it would encode prompts otherwise than the publisher.

Made by arithmetic alone, the same on every machine; each line may hold line breaks.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from hashlib import sha256

COUNT = 2000


def _separate(*lines: str) -> tuple[str, ...]:
    return tuple(word for line in lines for word in line.split(" "))


_SPACES = (
    "",
    " ",
    "  ",
    "   ",
    "    ",
    "        ",
    "\t",
    "\t\t",
    " \t",
    "\t ",
    "\n",
    "\n\n",
    "\r\n",
)
_RARE_SPACES = (
    "\u00a0",
    "\u2003",
    "\u3000",
    "\u202f",
    "\u2028",
    "\u0085",
    "\x0b",
    "\x0c",
    "\u200b",
)
_NUMBERS = _separate(
    "0 7 22 100 2024 12345 3.14 1,000,000 -5 1e-9 0xFF ٣٤ ½ ² Ⅻ १२ １２",
)
_WORDS = _separate(
    "the The THE x i don't DON'T we'll it's naïve HelloWorld snake_case camelCase a1b2 émigré",
    "Straße co-op e\u0301te\u0301",
)
_PHRASES = (
    "What is the capital of France?",
    "Où est la gare la plus proche ?",
    "¿Dónde está la biblioteca?",
    "Größe und Maß: 12 Äpfel",
    "Žluťoučký kůň úpěl ďábelské ódy",
    "Съешь же ещё этих мягких булок",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία",
    "שלום עולם, מה שלומך?",
    "مرحبا بالعالم، كيف حالك؟",
    "नमस्ते दुनिया, आप कैसे हैं?",
    "স্বাগতম বিশ্ব",
    "வணக்கம் உலகம்",
    "สวัสดีชาวโลก",
    "ສະບາຍດີ",
    "မင်္ဂလာပါ",
    "გამარჯობა მსოფლიო",
    "Բարեւ աշխարհ",
    "ሰላም ልዑል",
    "你好，世界！今天是星期一。",
    "こんにちは世界、ｶﾀｶﾅも",
    "안녕하세요 세계",
    "안녕",
    "Tiếng Việt có dấu",
    "İstanbul'da ılık bir gün",
    "ᚠᛇᚻ ᛒᛦᚦ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚𝟛",
    "𐐷 𐤀 𒀀",
)
_EMOJI = ("😀", "🦆", "👍🏽", "👩‍👩‍👧‍👦", "🇫🇷", "❤️", "🏳️‍🌈", "✈︎", "☕", "🧑🏿‍🚀", "5️⃣")
_CODE = (
    "for i in range(10):\n    print(i, end='\\n')\n",
    "if (a == b) {\n\treturn a[0] + 1;\n}\n",
    "SELECT * FROM t WHERE id >= 10 AND name LIKE '%x%';",
    "def f(x):\n        return x ** 2  # comment\n",
    '{"key": [1, 2, {"nested": null}], "s": "a\\tb"}',
    '<div class="a">&nbsp;text</div>',
    "#include <stdio.h>\r\n\r\nint main(void) { return 0; }\r\n",
    'let s: &str = r#"raw"#; // \'a\n',
    "https://example.org/a?b=1&c=%20#d",
    "C:\\Users\\name\\file.txt",
    "| a | b |\n|---|---|\n| 1  |  22 |\n",
    "$ rm -rf ./build && make -j8 2>&1 | tee log",
    "x = [\n  1,\n  22,\n  333,\n]",
)
_CONTROL_TOKENS = _separate(
    "<|im_start|> <|im_end|> <|endoftext|> <|eot_id|> <|begin_of_text|> <s> </s> <unk> <pad>",
    "<bos> <eos> <start_of_turn> <end_of_turn> [INST] [/INST] <|user|> <|assistant|> <|end|>",
    "<think> </think> <0x0A> <|im_end <tool_call>",
)
_MARKS = _separate(
    "! ?! ... -- — … “” «» () [] {} '' \"\" @#$% ^&* ~` \\ / // 、。 £€¥ ©® → §",
)
# Ranges of code points of every kind; none of them are surrogates.
_RANGES = (
    (0x00, 0x20),
    (0x20, 0x7F),
    (0x7F, 0xA1),
    (0xA1, 0x180),
    (0x300, 0x340),
    (0x370, 0x500),
    (0x590, 0x700),
    (0x900, 0xE00),
    (0xE00, 0x1000),
    (0x1100, 0x1200),
    (0x1E00, 0x2000),
    (0x2000, 0x2070),
    (0x2070, 0x2C00),
    (0x3000, 0x3100),
    (0x4E00, 0x9FA0),
    (0xAC00, 0xD7A4),
    (0xE000, 0xE010),
    (0xFB00, 0xFE00),
    (0xFE00, 0xFE10),
    (0xFEFF, 0xFF00),
    (0xFF00, 0xFFF0),
    (0xFFFD, 0x10000),
    (0x10000, 0x10100),
    (0x1D400, 0x1D800),
    (0x1F300, 0x1F650),
    (0x20000, 0x20100),
    (0xE0020, 0xE0080),
    (0x10FFFE, 0x110000),
)


class _Numbers:
    """A linear congruential sequence: the same everywhere, unlike `random` across versions."""

    def __init__(self) -> None:
        self._state = 2024

    def below(self, limit: int) -> int:
        """The next number, in [0, limit)."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self._state >> 33) % limit

    def pick(self, values: Sequence[str]) -> str:
        """One of the values."""
        return values[self.below(len(values))]


@lru_cache(maxsize=1)
def sample_lines() -> tuple[str, ...]:
    """The lines, in order."""
    fixed = [*_fixed_lines()]
    numbers = _Numbers()
    makers = (_spaced_digits, _indented, _prose, _symbols, _conversation, _any_characters)
    mixed = (makers[index % len(makers)](numbers) for index in range(COUNT - len(fixed)))
    return (*fixed, *mixed)


@lru_cache(maxsize=1)
def sample_digest() -> bytes:
    """Says which sample text this is: SHA-256 over the lines, each preceded by its length."""
    hasher = sha256()
    for line in sample_lines():
        encoded = line.encode()
        hasher.update(len(encoded).to_bytes(4) + encoded)
    return hasher.digest()


def _fixed_lines() -> Iterator[str]:
    yield from ("x  2024", "a:   1\n    2\n", "\t\t3", "| 1  |  22 |", "for i in range(10):\n    9")
    yield from (*_PHRASES, *_EMOJI, *_CODE, *_CONTROL_TOKENS, *_WORDS, *_NUMBERS, *_MARKS)
    for count in (1, 2, 3, 4, 7, 16, 33, 100):
        yield from (" " * count, "\t" * count, "\n" * count, "a" * count, "9" * count, "!" * count)
        yield from (f"x{' ' * count}y", f"x{' ' * count}1", f"\n{' ' * count}z\n", "é" * count)
    for code in (*range(0x20), *range(0x7F, 0xA1), 0xAD, 0x200D, 0x2060, 0xFEFF, 0xFFFF, 0x10FFFF):
        yield f"a{chr(code)}b {chr(code)}1"
    yield from ("", "word " * 400, "的" * 300, "0123456789" * 50)


def _spaced_digits(numbers: _Numbers) -> str:
    """Words, white space and numbers in a row."""
    return "".join(
        numbers.pick((_WORDS, _SPACES, _NUMBERS, _SPACES, _MARKS)[part % 5])
        for part in range(2 + numbers.below(9))
    )


def _indented(numbers: _Numbers) -> str:
    """Code, each line indented otherwise."""
    lines = numbers.pick(_CODE).split("\n") + numbers.pick(_CODE).split("\n")
    return "\n".join(numbers.pick(_SPACES[:10]) * (1 + numbers.below(3)) + line for line in lines)


def _prose(numbers: _Numbers) -> str:
    """Phrases of several scripts, with numbers and emoji between them."""
    parts = (_PHRASES, _NUMBERS, _EMOJI, _PHRASES, _RARE_SPACES)
    return numbers.pick(_SPACES).join(
        numbers.pick(parts[numbers.below(len(parts))]) for _ in range(2 + numbers.below(4))
    )


def _symbols(numbers: _Numbers) -> str:
    """Punctuation, currency and emoji next to words and line breaks."""
    parts = (_MARKS, _WORDS, _EMOJI, _SPACES, _MARKS, _NUMBERS)
    return "".join(numbers.pick(parts[numbers.below(len(parts))]) for _ in range(12))


def _conversation(numbers: _Numbers) -> str:
    """Texts that look like control tokens, among words."""
    parts = (_CONTROL_TOKENS, _WORDS, _SPACES, _PHRASES)
    return "".join(numbers.pick(parts[numbers.below(len(parts))]) for _ in range(8))


def _any_characters(numbers: _Numbers) -> str:
    """Characters of any range."""
    characters = []
    for _ in range(4 + numbers.below(20)):
        first, end = _RANGES[numbers.below(len(_RANGES))]
        characters.append(chr(first + numbers.below(end - first)))
    return "".join(characters)
