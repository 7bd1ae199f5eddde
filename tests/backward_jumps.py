"""Find loops whose jump back to their head is outside of the `try` around them.

CPython 3.12 to 3.14 exclude such a jump from the exception table if it is conditional. An interrupt that arrives at the
jump then skips `finally`, `except` and the end of `with`. A loop that ends with an unconditional statement is not
affected.
"""

from __future__ import annotations

import dis
import types
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def unprotected(code: types.CodeType) -> Iterator[str]:
    """Yield the functions in `code`, with the line of each such jump."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from unprotected(constant)
    entries = dis.Bytecode(code).exception_entries
    instructions = [one for one in dis.get_instructions(code) if one.opname != "NOT_TAKEN"]
    opnames = {one.offset: one.opname for one in instructions}

    def handler(offset: int) -> int | None:
        target = next((entry.target for entry in entries if entry.start <= offset < entry.end), None)
        # Generators and comprehensions have handlers of their own, without code of ours.
        return target if target is not None and opnames[target] == "PUSH_EXC_INFO" else None

    for before, condition, jump in zip(instructions, instructions[1:], instructions[2:], strict=False):
        is_conditional = jump.opname == "JUMP_BACKWARD" and condition.opname.startswith("POP_JUMP")
        if is_conditional and handler(before.offset) is not None and handler(jump.offset) is None:
            yield f"{code.co_qualname}, line {jump.positions.lineno}"
