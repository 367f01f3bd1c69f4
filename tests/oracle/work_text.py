"""Programs that read like real work: documents, reports, parsing, translation, search."""

from __future__ import annotations

import asyncio
import base64
import difflib
import hashlib
import html
import json
import re
import string
import textwrap
import unicodedata
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from itertools import chain, count, groupby
from typing import Any, NamedTuple

from pydantic import BaseModel

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

HEADING = re.compile(r"^(#+)\s+(.*)$")
STOP = frozenset({"the", "a", "of", "and", "to"})
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun"]


class UnreadablePage(Exception):
    def __init__(self, page: int) -> None:
        self.page = page
        super().__init__(f"page {page}")


class Token(NamedTuple):
    kind: str
    text: str
    line: int = 1


class Kind(str, Enum):
    INVOICE = "invoice"
    LETTER = "letter"
    UNKNOWN = "unknown"


class Document(BaseModel):
    title: str
    pages: list[str] = []
    kind: Kind = Kind.UNKNOWN
    meta: dict[str, str] = {}


@dataclass
class Section:
    level: int
    title: str
    lines: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)


@action
async def ocr(page: int, image: str) -> str:
    record("ocr", page, image)
    await asyncio.sleep(0.5 + page / 10)
    if image == "blurred":
        raise UnreadablePage(page)
    return f"{image.capitalize()} text, total 12,{page}0 EUR"


@action
async def translate(text: str, language: str) -> str:
    record("translate", text, language)
    await asyncio.sleep(0.3)
    return f"[{language}] {text[::-1]}"


@action
async def save(path: str, content: str) -> int:
    record("save", path, content)
    await asyncio.sleep(0.1)
    return len(content)


@action
async def lookup(word: str) -> list[str]:
    record("lookup", word)
    await asyncio.sleep(0.05)
    return {"quick": ["fast", "rapid"], "lazy": ["idle"]}.get(word, [])


@action
async def fetch_text(name: str) -> str:
    record("fetch_text", name)
    await asyncio.sleep(0.2)
    return {
        "fox": "The quick brown fox\njumps over the lazy dog.\nThe end",
        "md": "# One\nfirst\nsecond\n## Two\n\nthird\n# Three",
        "ini": "; comment\n[db]\nhost = local\nport=5432\n[web]\ndebug = yes\nbroken",
        "log": "ERROR 3 disk\nINFO 1 ok\nERROR 4 net\nWARN 2 slow\ngarbage",
    }[name]


@inputs((["scan", "scan2", "blurred"],), (["blurred"],), ([],))
@workflow
class DigitizeDocument(Workflow):
    async def run(self, images: list[str]) -> Document:
        document = Document(title="scan")
        texts = await asyncio.gather(
            *[ocr(n, image) for n, image in enumerate(images, 1)], return_exceptions=True
        )
        for text in texts:
            if isinstance(text, UnreadablePage):
                document.meta[f"page {text.page}"] = "unreadable"
            else:
                document.pages.append(text)
        if any("total" in page.lower() for page in document.pages):
            document.kind = Kind.INVOICE
            amounts = re.findall(r"\d+,\d+", " ".join(document.pages))
            document.meta["amount"] = max(amounts, key=lambda a: float(a.replace(",", ".")))
        await save(f"{document.kind.value}/{document.title}", "\n".join(document.pages))
        return document


@inputs(("md",), ("fox",))
@workflow
class SplitSections(Workflow):
    async def run(self, name: str) -> list[Section]:
        sections: list[Section] = []
        for line in (await fetch_text(name)).splitlines():
            if match := re.match(r"^(#+)\s+(.*)$", line):
                sections.append(Section(len(match[1]), match.group(2)))
            elif sections and line.strip():
                sections[-1].lines.append(line)
        for number, section in enumerate(sections):
            if section.lines:
                await save(f"{number:02d}-{section.title.lower()}", "\n".join(section.lines))
        return sections


@inputs(("ini",))
@workflow
class ReadSettings(Workflow):
    async def run(self, name):
        settings, section, errors = {}, None, []
        text = await fetch_text(name)
        for number, line in enumerate(text.split("\n"), start=1):
            line = line.strip()
            if not line or line.startswith(";"):
                continue
            if line[0] == "[" and line[-1] == "]":
                section = settings.setdefault(line[1:-1], {})
                continue
            key, equals, value = line.partition("=")
            if not equals:
                errors.append(f"line {number}: {line!r}")
                continue
            value = value.strip()
            section[key.strip()] = int(value) if value.isdigit() else value
        await save("settings.json", json.dumps(settings, indent=2, sort_keys=True))
        return settings, errors


@inputs(("log",), ("fox",))
@workflow
class TriageLog(Workflow):
    async def run(self, name: str) -> dict[str, list[tuple[int, str]]]:
        by_level: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        for line in (await fetch_text(name)).splitlines():
            match line.split():
                case ["ERROR" | "WARN" as level, number, *rest]:
                    by_level[level].append((int(number), " ".join(rest)))
                case [level, *_] if level.isupper():
                    by_level["OTHER"].append((0, level))
                case _:
                    pass
        for level in sorted(by_level):
            await save(f"{level}.txt", str(by_level[level]))
        return dict(by_level)


@inputs((["de", "fr"], "hello"), ([], "hello"))
@workflow
class TranslateAndBack(Workflow):
    async def run(self, languages: list[str], text: str) -> dict[str, str]:
        there = {lang: await translate(text, lang) for lang in languages}
        back = [(lang, await translate(t.split("] ")[1], "en")) for lang, t in there.items()]
        return {lang: b.removeprefix("[en] ") for lang, b in back}


@inputs(("fox", 3))
@workflow
class WordIndex(Workflow):
    async def run(self, name: str, minimum: int) -> Any:
        text = await fetch_text(name)
        index: dict[str, list[int]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            for word in line.translate(str.maketrans("", "", string.punctuation)).lower().split():
                if len(word) >= minimum and word not in STOP:
                    index.setdefault(word, []).append(number)
        synonyms = {w: s for w in index if (s := await lookup(w))}
        return index, synonyms


@inputs(("a long line that has to be wrapped somewhere", 16), ("", 5))
@workflow
class Letter(Workflow):
    async def run(self, body: str, width: int) -> str:
        lines = textwrap.wrap(body, width)
        box = max(map(len, lines), default=0)
        frame = "+" + "-" * (box + 2) + "+"
        letter = "\n".join([frame, *(f"| {line:<{box}} |" for line in lines), frame])
        await save("letter.txt", letter)
        return letter


@inputs(("<b>Tom & Jerry</b>",))
@workflow
class Escape(Workflow):
    async def run(self, text: str) -> Any:
        safe = html.escape(text)
        await save("page.html", f"<p>{safe}</p>")
        return html.unescape(safe) == text, safe, re.sub(r"<[^>]+>", "", text)


@inputs(("Ünïcödé Straße",), ("plain",))
@workflow
class Slug(Workflow):
    async def run(self, title: str) -> str:
        plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
        slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")
        for n in count(2):
            if await save(slug, "") or n > 3:
                break
            slug = f"{slug.rstrip('0123456789-')}-{n}"
        return slug


@inputs((b"hello \x00 world",), (b"",))
@workflow
class Attachment(Workflow):
    async def run(self, data: bytes) -> dict[str, Any]:
        encoded = base64.b64encode(data).decode("ascii")
        size = await save("mail", encoded)
        digest = hashlib.sha1(data).hexdigest()
        return {"size": size, "sha": digest[:10], "crc": zlib.crc32(data), "hex": data.hex(" ")}


@inputs(("1 + 2 * ( 3 - x )", {"x": 1}), ("2 * y", {}), ("1 +", {}))
@workflow
class Calculator(Workflow):
    """Recursive descent, where a name is looked up by an action."""

    async def run(self, text: str, names: dict[str, int]) -> Any:
        tokens = [
            Token("num" if t.isdigit() else "name" if t.isalpha() else "op", t)
            for t in text.split()
        ]
        tokens.append(Token("end", ""))
        try:
            value, rest = await self.expression(tokens, names)
        except (SyntaxError, LookupError) as e:
            return f"{type(e).__name__}: {e}"
        return value, [t.text for t in rest]

    async def expression(self, tokens, names):
        value, tokens = await self.term(tokens, names)
        while tokens[0].text in ("+", "-"):
            operator, *tokens = tokens
            right, tokens = await self.term(tokens, names)
            value = value + right if operator.text == "+" else value - right
        return value, tokens

    async def term(self, tokens, names):
        value, tokens = await self.factor(tokens, names)
        while tokens[0].text == "*":
            right, tokens = await self.factor(tokens[1:], names)
            value *= right
        return value, tokens

    async def factor(self, tokens, names):
        first, *rest = tokens
        match first:
            case Token(kind="num", text=digits):
                return int(digits), rest
            case Token("name", name):
                await lookup(name)
                if name not in names:
                    raise LookupError(name)
                return names[name], rest
            case Token(text="("):
                value, rest = await self.expression(rest, names)
                return value, rest[1:]
            case Token(kind=kind):
                raise SyntaxError(f"unexpected {kind}")


@inputs((["b", "a", "c"], ["a", "x", "c"]))
@workflow
class DiffAndPatch(Workflow):
    async def run(self, old: list[str], new: list[str]) -> Any:
        removed = [line for line in old if line not in new]
        added = [line for line in new if line not in old]
        patch = [f"-{line}" for line in removed] + [f"+{line}" for line in added]
        await save("patch", "\n".join(patch))
        return patch, difflib.get_close_matches("ax", new)


@inputs((["a,b", "1,2", "3,4", ""],), (["a"],))
@workflow
class MarkdownTable(Workflow):
    async def run(self, lines):
        header, *rows = [line.split(",") for line in lines if line]
        widths = [max(len(cell) for cell in column) for column in zip(header, *rows)]

        def render(cells):
            return "| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |"

        table = [render(header), "|" + "|".join("-" * (w + 2) for w in widths) + "|"]
        table.extend(render(row) for row in rows)
        await save("table.md", "\n".join(table))
        return table


@inputs(("fox",), ("log",))
@workflow
class Statistics(Workflow):
    async def run(self, name: str) -> str:
        text = await fetch_text(name)
        words = re.split(r"\W+", text.strip())
        longest = sorted(set(words), key=lambda w: (-len(w), w))[:2]
        vowels = sum(c in "aeiou" for c in text.lower())
        report = (
            f"{name!r:>8}|{len(words):^7}|{vowels / len(text):.1%}|"
            f"{', '.join(longest)}|{'yes' if 'end' in text else 'no'}"
        )
        await save("report", report)
        return report


@inputs((["3 feb", "12 jun", "40 jan", "1 nov"],))
@workflow
class ParseDates(Workflow):
    async def run(self, texts: list[str]) -> list[Any]:
        parsed: list[Any] = []
        for text in texts:
            try:
                day, month = text.split()
                when = date(2024, MONTHS.index(month) + 1, int(day))
            except ValueError as error:
                parsed.append(str(error))
                continue
            parsed.append(when)
            await save(when.isoformat(), when.strftime("%d.%m.%y"))
        return parsed


@inputs(("fox", {"fox": "cat", "dog": "$1"}))
@workflow
class MailMerge(Workflow):
    async def run(self, name: str, names: dict[str, str]) -> list[int]:
        text = await fetch_text(name)
        template = re.sub(r"\b(fox|dog)\b", lambda m: "{" + m[1].upper() + "}", text)
        for key, value in names.items():
            template = template.replace("{" + key.upper() + "}", value)
        return [await save(f"line {i}", line) for i, line in enumerate(template.splitlines())]


@inputs((["# todo", "- [ ] one", "- [x] two", "  - [ ] sub"],))
@workflow
class TodoList(Workflow):
    async def run(self, lines: list[str]) -> dict[str, Any]:
        todo: dict[str, Any] = {"open": [], "done": []}
        for line in lines:
            m = re.fullmatch(r"(?P<indent>\s*)- \[(?P<mark>[ x])\] (?P<text>.+)", line)
            if not m:
                continue
            groups = m.groupdict()
            todo["done" if groups["mark"] == "x" else "open"].append(
                (len(groups["indent"]) // 2, groups["text"])
            )
        if todo["open"]:
            await save("todo", "; ".join(text for _, text in todo["open"]))
        return todo


@inputs(("aaabccd",), ("",))
@workflow
class RunLength(Workflow):
    async def run(self, text: str) -> str:
        runs = [(char, len(list(group))) for char, group in groupby(text)]
        packed = "".join(f"{c}{n}" if n > 1 else c for c, n in runs)
        await save("packed", packed)
        unpacked = "".join(c * int(n or 1) for c, n in re.findall(r"([a-z])(\d*)", packed))
        assert unpacked == text
        return packed


@inputs((2,), (0,))
@workflow
class Chapters(Workflow):
    async def run(self, depth: int) -> list[str]:
        return await self.outline("1", depth)

    async def outline(self, prefix: str, depth: int) -> list[str]:
        await save(prefix, "")
        if not depth:
            return [prefix]
        parts = [await self.outline(f"{prefix}.{n}", depth - 1) for n in (1, 2)]
        return [prefix, *chain.from_iterable(parts)]


@inputs((["teh cat", "teh dog"], {"teh": "the"}))
@workflow
class SpellCheck(Workflow):
    async def run(self, lines: list[str], known: dict[str, str]) -> Any:
        fixed = []
        corrections = Counter()
        for line in lines:
            words = []
            for word in line.split():
                better = known.get(word) or next(iter(await lookup(word)), word)
                corrections[word, better] += better != word
                words.append(better)
            fixed.append(" ".join(words))
        return fixed, [pair for pair, n in corrections.items() if n]
