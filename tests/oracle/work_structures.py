"""Programs that read like real work: trees, graphs, queues, matching, scheduling."""

from __future__ import annotations

import asyncio
import bisect
import copy
import heapq
import math
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass, field
from functools import reduce
from itertools import accumulate, combinations, groupby, permutations, product, takewhile
from operator import mul
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

from tests.oracle.cases import inputs
from tests.oracle.host import record
from waymark.authoring import Workflow, action, workflow

K = TypeVar("K")
INFINITY = float("inf")
ROADS = {"a": {"b": 4, "c": 1}, "b": {"d": 1}, "c": {"b": 2, "d": 5}, "d": {}, "e": {"a": 1}}


class NotFound(KeyError):
    pass


@dataclass
class Node:
    name: str
    children: list["Node"] = field(default_factory=list)
    size: int = 1

    def leaves(self) -> int:
        return 1 if not self.children else sum(c.leaves() for c in self.children)


class Order(NamedTuple):
    price: int
    quantity: int
    who: str


class Folder(BaseModel):
    name: str
    files: list[int] = []
    folders: list["Folder"] = []


@dataclass(order=True)
class Job:
    priority: int
    name: str = field(compare=False)
    cost: int = field(compare=False, default=1)


@action
async def children_of(path: str) -> list[str]:
    record("children_of", path)
    await asyncio.sleep(0.1)
    if path.endswith("secret"):
        raise PermissionError(path)
    return [f"{path}/{n}" for n in ("x", "yy", "secret")[: 3 - path.count("/")]]


@action
async def size_of(path: str) -> int:
    record("size_of", path)
    await asyncio.sleep(0.05 * len(path))
    return len(path)


@action
async def neighbours(place: str) -> dict[str, int]:
    record("neighbours", place)
    await asyncio.sleep(0.2)
    return ROADS[place]


@action
async def process(name: str, cost: int = 1) -> str:
    record("process", name, cost)
    await asyncio.sleep(cost)
    return name.upper()


@action
async def settle(buyer: str, seller: str, quantity: int, price: int) -> int:
    record("settle", buyer, seller, quantity, price)
    await asyncio.sleep(0.1)
    return quantity * price


@action
async def compare(left: str, right: str) -> int:
    record("compare", left, right)
    await asyncio.sleep(0.1)
    return (len(left) > len(right)) - (len(left) < len(right))


@action
async def exists(page: str) -> list[str]:
    record("exists", page)
    await asyncio.sleep(0.1)
    web = {"/": ["/a", "/b", "/"], "/a": ["/b", "/c"], "/b": ["/missing"], "/c": ["/d"], "/d": []}
    if page not in web:
        raise NotFound(page)
    return web[page]


TREE = Node("root", [Node("a", [Node("aa"), Node("ab", size=3)]), Node("b", size=2)])


@inputs((TREE,), (Node("alone"),))
@workflow
class WalkTree(Workflow):
    async def run(self, node: Node) -> tuple[int, int]:
        total = await self.visit(node, 0)
        return total, node.leaves()

    async def visit(self, node: Node, depth: int) -> int:
        await process(f"{'-' * depth}{node.name}", node.size)
        total = node.size
        for child in node.children:
            total += await self.visit(child, depth + 1)
        return total


@inputs((TREE,))
@workflow
class WalkTreeInParallel(Workflow):
    async def run(self, node: Node) -> int:
        sizes = await asyncio.gather(*(self.run_node(c) for c in node.children))
        await process(node.name)
        return node.size + sum(sizes)

    async def run_node(self, node):
        if not node.children:
            return await size_of(node.name * node.size)
        return node.size + sum(await asyncio.gather(*[self.run_node(c) for c in node.children]))


@inputs(("p", 1), ("p", 2))
@workflow
class DiskUsage(Workflow):
    async def run(self, root: str, max_depth: int) -> dict[str, int]:
        usage: dict[str, int] = {}
        await self.measure(root, max_depth, usage)
        return dict(sorted(usage.items()))

    async def measure(self, path: str, depth: int, usage: dict[str, int]) -> int:
        own = await size_of(path)
        if depth > 0:
            try:
                for child in await children_of(path):
                    own += await self.measure(child, depth - 1, usage)
            except PermissionError as denied:
                usage[str(denied)] = -1
        usage[path] = own
        return own


@inputs(("a", "d"), ("a", "e"), ("e", "d"))
@workflow
class Dijkstra(Workflow):
    async def run(self, start: str, goal: str) -> Any:
        queue = [(0, start, [start])]
        visited = set()
        while queue:
            distance, place, path = heapq.heappop(queue)
            if place == goal:
                return distance, path
            if place in visited:
                continue
            visited.add(place)
            for other, length in (await neighbours(place)).items():
                if other not in visited:
                    heapq.heappush(queue, (distance + length, other, path + [other]))
        return INFINITY, []


@inputs((["a", "b", "c", "d", "e"],))
@workflow
class FloydWarshall(Workflow):
    async def run(self, places):
        dist = {p: dict.fromkeys(places, math.inf) for p in places}
        for p, near in zip(places, await asyncio.gather(*map(neighbours, places))):
            dist[p] |= near
            dist[p][p] = 0
        for k in places:
            for i in places:
                for j in places:
                    dist[i][j] = min(dist[i][j], dist[i][k] + dist[k][j])
        return {f"{i}{j}": d for i in places for j, d in dist[i].items() if 0 < d < math.inf}


@inputs(("/", 3), ("/", 1), ("/missing", 2))
@workflow
class CrawlWithDepth(Workflow):
    async def run(self, start: str, limit: int) -> Any:
        seen, dead = {start}, []
        frontier = deque([(start, 0)])
        while frontier:
            page, depth = frontier.popleft()
            try:
                links = await exists(page)
            except NotFound as e:
                dead.append(e.args[0])
                continue
            if depth == limit:
                continue
            fresh = [link for link in links if link not in seen]
            seen.update(fresh)
            frontier.extend((link, depth + 1) for link in fresh)
        return sorted(seen), dead


BIDS = [Order(101, 5, "ann"), Order(99, 3, "bob"), Order(103, 2, "cid")]
ASKS = [Order(100, 4, "xi"), Order(98, 2, "yo"), Order(105, 9, "zed")]


@inputs((BIDS, ASKS), (BIDS[1:2], ASKS[:1]))
@workflow
class MatchingEngine(Workflow):
    async def run(self, bids: list[Order], asks: list[Order]) -> Any:
        bids = sorted(bids, key=lambda o: -o.price)
        asks = sorted(asks)
        traded = []
        while bids and asks and bids[0].price >= asks[0].price:
            bid, ask = bids[0], asks[0]
            quantity = min(bid.quantity, ask.quantity)
            price = (bid.price + ask.price) // 2
            traded.append(await settle(bid.who, ask.who, quantity, price))
            for book, order in ((bids, bid), (asks, ask)):
                rest = order.quantity - quantity
                if rest:
                    book[0] = order._replace(quantity=rest)
                else:
                    book.pop(0)
        return traded, bids, asks


@inputs(([Job(3, "low"), Job(1, "urgent", 2), Job(2, "mid"), Job(1, "also urgent")],))
@workflow
class PriorityQueue(Workflow):
    async def run(self, jobs: list[Job]) -> list[str]:
        heap = list(jobs)
        heapq.heapify(heap)
        done = []
        while heap:
            job = heapq.heappop(heap)
            result = await process(job.name, job.cost)
            done.append(result)
            if result == "URGENT":
                heapq.heappush(heap, Job(0, "follow-up"))
        return done


@inputs((["pear", "fig", "banana", "kiwi", "apple"],), ([],))
@workflow
class SortByAction(Workflow):
    """Insertion sort whose comparison is an action."""

    async def run(self, items: list[str]) -> list[str]:
        ordered: list[str] = []
        for item in items:
            place = len(ordered)
            while place > 0 and await compare(ordered[place - 1], item) > 0:
                place -= 1
            ordered.insert(place, item)
        return ordered


@inputs((["dddd", "a", "ccc", "bb"],))
@workflow
class QuickSort(Workflow):
    async def run(self, items: list[str]) -> list[str]:
        return await self.sort(items)

    async def sort(self, items):
        if len(items) <= 1:
            return items
        pivot, *rest = items
        signs = await asyncio.gather(*[compare(r, pivot) for r in rest])
        left = [r for r, s in zip(rest, signs) if s < 0]
        right = [r for r, s in zip(rest, signs) if s >= 0]
        sorted_left, sorted_right = await asyncio.gather(self.sort(left), self.sort(right))
        return [*sorted_left, pivot, *sorted_right]


@inputs((7,), (1,))
@workflow
class Fibonacci(Workflow):
    async def run(self, n: int) -> int:
        if n > 20:
            raise RecursionError("too deep")
        return await self.fib(n, {})

    async def fib(self, n, memo):
        if n < 2:
            return n
        if n not in memo:
            memo[n] = await self.fib(n - 1, memo) + await self.fib(n - 2, memo)
            await process(f"fib {n}", 0)
        return memo[n]


@inputs((3,))
@workflow
class Hanoi(Workflow):
    async def run(self, discs: int) -> list[str]:
        moves: list[str] = []
        await self.move(discs, "a", "c", "b", moves)
        return moves

    async def move(self, n, source, target, spare, moves):
        if n == 0:
            return
        await self.move(n - 1, source, spare, target, moves)
        moves.append(await process(f"{n}:{source}>{target}"))
        await self.move(n - 1, spare, target, source, moves)


@inputs((Folder(name="r", files=[1, 2], folders=[Folder(name="s", files=[5]), Folder(name="t")]),))
@workflow
class FolderSizes(Workflow):
    async def run(self, folder: Folder) -> dict[str, int]:
        sizes = {}
        stack = [(folder, folder.name)]
        while stack:
            current, path = stack.pop()
            sizes[path] = sum(current.files)
            if current.files:
                await process(path, len(current.files))
            stack += [(f, f"{path}/{f.name}") for f in reversed(current.folders)]
        return sizes


@inputs(([3, 1, 4, 1, 5, 9, 2, 6], 10), ([], 1))
@workflow
class BinPacking(Workflow):
    async def run(self, weights: list[int], capacity: int) -> Any:
        bins: list[list[int]] = []
        for weight in sorted(weights, reverse=True):
            target = next((b for b in bins if sum(b) + weight <= capacity), None)
            if target is None:
                target = []
                bins.append(target)
            target.append(weight)
        await asyncio.gather(*(process(f"bin{i}", len(b)) for i, b in enumerate(bins)))
        return bins


@inputs((["ann", "bob"], ["x", "y"]))
@workflow
class BestAssignment(Workflow):
    async def run(self, people, tasks):
        costs = {}
        for pair in product(people, tasks):
            costs[pair] = await size_of("-".join(pair) * (1 + (pair == ("bob", "x"))))
        best = min(permutations(tasks), key=lambda ts: sum(costs[p, t] for p, t in zip(people, ts)))
        return dict(zip(people, best)), list(combinations(people, 2))


@inputs(([1, 5, 9, 12], 6), ([], 3))
@workflow
class KeepSorted(Workflow):
    async def run(self, values: list[int], new: int) -> Any:
        bisect.insort(values, new)
        place = bisect.bisect_left(values, new)
        running = list(accumulate(values))
        await process("sums", len(running) % 3)
        small = list(takewhile(lambda v: v < 10, values))
        return place, running, small, reduce(mul, small, 1)


@inputs(("((a b) (c))",), ("(a",))
@workflow
class ParseAndWalk(Workflow):
    async def run(self, text: str) -> Any:
        stack: list[list[Any]] = [[]]
        for token in text.replace("(", " ( ").replace(")", " ) ").split():
            if token == "(":
                stack.append([])
            elif token == ")":
                done = stack.pop()
                stack[-1].append(done)
            else:
                stack[-1].append(await process(token, 0))
        if len(stack) != 1:
            raise SyntaxError(f"{len(stack) - 1} not closed")
        return stack[0]


@inputs(
    ([5, 3, 8], 4),
)
@workflow
class LruCache(Workflow):
    async def run(self, keys: list[int], rounds: int) -> Any:
        cache: OrderedDict[int, str] = OrderedDict()
        misses = 0
        for n in range(rounds):
            for key in keys[: n + 1]:
                if key in cache:
                    cache.move_to_end(key)
                    continue
                misses += 1
                cache[key] = await process(f"k{key}")
                if len(cache) > 2:
                    cache.popitem(last=False)
        return misses, list(cache.items())


@inputs((["b", "a", "c", "a", "b", "a"],))
@workflow
class GroupRuns(Workflow):
    async def run(self, letters: list[str]) -> Any:
        counts = Counter(letters)
        groups = {
            n: sorted(k for k, _ in g) for n, g in groupby(counts.most_common(), lambda kv: kv[1])
        }
        for n, members in groups.items():
            await process("".join(members), n)
        return groups


@inputs(([[1, 2], [3, 4]],), ([[2]],))
@workflow
class Matrix(Workflow):
    async def run(self, m: list[list[int]]) -> Any:
        transposed = [list(row) for row in zip(*m)]
        squared = [[sum(a * b for a, b in zip(row, col)) for col in transposed] for row in m]
        backup = copy.deepcopy(squared)
        squared[0][0] = await size_of("x" * squared[0][0])
        return transposed, squared, backup
