"""Cells that a spreadsheet would run get an apostrophe in a file, and lose it in reading.

So what is written is read back as itself. A cell that begins with an apostrophe for another reason
keeps it: only one before what would run is ours (or another program's, for the same reason).
"""

import re

#: What a spreadsheet would run: =, @ (of any width) or a tab in front; + and - only where a call or
#: a link follows, because +, -ve and A+ are findings. Apostrophes before it are counted, so that
#: one more can be taken away again.
_FORMULA = re.compile(r"'*([=@\uff1d\uff20\t\r]|[+\uff0b\uff0d-].*[(|!])", re.DOTALL)


def guarded(cell: str) -> str:
    """A cell as a file has it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unguarded(cell: str) -> str:
    """A cell of a file without the apostrophe of `guarded`."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
