"""What a pickle could make its reader allocate, found without running it."""

import pickletools
import re

# Opcodes by the bytes of their argument; those that end a pickle or keep an object by number are apart.
_APART = (b".", b"r", b"p")
_FIXED: dict[int, bytes] = {}
_LINES = {b"c": 2, b"i": 2}
_COUNTED: dict[int, int] = {}
_SIZES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
for _opcode in pickletools.opcodes:
    _code = _opcode.code.encode("latin1")
    _kind = 0 if _opcode.arg is None else _opcode.arg.n
    if _code in _APART or _code in _LINES:
        continue
    if _kind in _SIZES:
        _COUNTED[_code[0]] = _SIZES[_kind]
    elif _kind == pickletools.UP_TO_NEWLINE:
        _LINES[_code] = 1
    else:
        _FIXED[_kind] = _FIXED.get(_kind, b"") + re.escape(_code)
# Thousands at a time, for a list of numbers has one each.
_RUN = re.compile(
    b"(?:" + b"|".join(b"[%b].{%d}" % (codes, size) for size, codes in _FIXED.items()) + b"){1,4096}+",
    re.DOTALL,
)


def check_memo(content: bytes) -> None:
    """Refuses a pickle that keeps an object under a number larger than itself.

    The reader makes a table as long as the largest number, so that a few bytes could ask for gigabytes. A
    pickle that was written by a program numbers its objects one by one.

    Raises:
      ValueError: it does, or is no pickle.
    """
    at = 0
    while at < len(content):
        run = _RUN.match(content, at)
        if run:
            at = run.end()
            continue
        code, at = content[at : at + 1], at + 1
        if code == b".":
            return
        if code == b"r":
            number, at = int.from_bytes(content[at : at + 4], "little"), at + 4
            _check(number, content)
        elif code == b"p":
            end = _line_end(content, at)
            _check(int(content[at:end]), content)
            at = end
        elif code in _LINES:
            for _ in range(_LINES[code]):
                at = _line_end(content, at)
        elif code[0] in _COUNTED:
            size = _COUNTED[code[0]]
            at += size + int.from_bytes(content[at : at + size], "little")
        else:
            raise ValueError(f"the opcode {code!r}")
    raise ValueError("no end")


def _line_end(content: bytes, at: int) -> int:
    end = content.find(b"\n", at)
    if end < 0:
        raise ValueError("no end of a line")
    return end + 1


def _check(number: int, content: bytes) -> None:
    if number > len(content):
        raise ValueError(f"object number {number:,} in {len(content):,} bytes")
