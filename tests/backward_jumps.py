"""Find loops whose jump back to the start is not covered by the `try` around them.

CPython 3.12 to 3.14 exclude such a jump from the exception table if it is conditional. If an interrupt arrives at the
jump, `finally`, `except` and the end of `with` are skipped. Loops that end with an unconditional statement are not
affected.
"""

from __future__ import annotations

import dis
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def unprotected(code: types.CodeType) -> Iterator[str]:
    """Yield the name and the line of each function in `code` with such a jump."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from unprotected(constant)
    entries = dis.Bytecode(code).exception_entries
    instructions = [one for one in dis.get_instructions(code) if one.opname != "NOT_TAKEN"]
    opnames = {one.offset: one.opname for one in instructions}

    def handler(offset: int) -> int | None:
        target = next((entry.target for entry in entries if entry.start <= offset < entry.end), None)
        # The compiler adds handlers to generators and comprehensions, which contain none of our code.
        return target if target is not None and opnames[target] == "PUSH_EXC_INFO" else None

    for before, condition, jump in zip(instructions, instructions[1:], instructions[2:], strict=False):
        is_conditional = jump.opname == "JUMP_BACKWARD" and condition.opname.startswith("POP_JUMP")
        if is_conditional and handler(before.offset) is not None and handler(jump.offset) is None:
            yield f"{code.co_qualname}, line {jump.positions.lineno}"
