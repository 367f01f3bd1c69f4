"""What a node is called in a picture: its kind, and the author's own line."""

from __future__ import annotations

from waymark.graph.model import (
    HIDDEN,
    Await,
    Branch,
    Compute,
    Function,
    Jump,
    Loop,
    Node,
    Raise,
    Return,
    Span,
    Try,
)

_AWAITS = {
    "action": "action",
    "child": "child",
    "sleep": "sleep",
    "call": "call",
    "join": "gather",
    "await": "await",
}
_WIDTH_MAX = 72


def kind(node: Node) -> str:
    """One word for what a node does."""
    match node:
        case Await():
            return _AWAITS[node.kind]
        case Compute():
            return "compute"
        case Branch():
            return "if"
        case Loop():
            return node.flavour
        case Jump():
            return "leave" if node.kind == "break_else" else node.kind
        case Try():
            return "try"
        case Return():
            return "return"
        case Raise():
            return "raise"


def label(function: Function, node: Node) -> str:
    """The author's text of a node, on one line."""
    match node:
        case Branch(test=code) if not _invented(code.text):
            return _short(code.text)
        case Loop(flavour="for"):
            return _loop(function, node)
        case Loop(head=code) if not _invented(code.text):
            return _short(code.text)
        case Await(call=code) if _spread(node.span) and not _invented(code.text):
            # The author's lines may hold comments, the code does not.
            return _short(f"await {code.text}")
        case Compute(code=code) if _spread(node.span) and not _invented(code.text):
            return _short(code.text)
        case Branch() | Compute() | Await() | Return() | Raise():
            return _short(authored(function, node.span))
        case _:
            return ""


def _loop(function: Function, node: Loop) -> str:
    text = authored(function, node.span).partition("\n")[0].strip()
    return _short(text.removeprefix("for ").rstrip(":"))


def called(node: Await) -> str:
    """Short names of what an await calls."""
    names = [ref.rpartition(":")[2] for ref in node.refers]
    return ", ".join(names)


def authored(function: Function, span: Span) -> str:
    """The author's text at `span`, its lines without their common indentation."""
    lines = function.source.split("\n")
    first = span.line - function.first_line
    last = span.end_line - function.first_line
    if not 0 <= first <= last < len(lines):
        return ""
    if first == last:
        return lines[first][span.column : span.end_column]
    middle = [line.strip() for line in lines[first + 1 : last]]
    end = lines[last][: span.end_column].strip()
    return "\n".join((lines[first][span.column :].strip(), *middle, end))


def _spread(span: Span) -> bool:
    return span.line != span.end_line


def _invented(text: str) -> bool:
    return HIDDEN in text


def _short(text: str) -> str:
    """One line of at most `_WIDTH_MAX` characters: brackets are closed up, and
    lines that follow each other are parted by `;`."""
    joined = ""
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        if line.startswith("#"):
            continue
        if not joined:
            joined = line
        elif joined[-1] in "([{":
            joined += line
        elif line[0] in ")]}":
            joined = joined.rstrip(",") + line
        else:
            joined += (" " if joined[-1] in ",:" else "; ") + line
    return joined if len(joined) <= _WIDTH_MAX else joined[: _WIDTH_MAX - 1] + "…"
