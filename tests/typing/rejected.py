"""Mistakes that a type checker must find. Each line that has one says so."""

# pyright: strict

from __future__ import annotations

from waymark import RunHandle, Workflow, action, workflow


@action
async def double(number: int) -> int:
    return number * 2


@workflow
class Doubling(Workflow):
    async def run(self, number: int) -> int:
        return await double(number)


@workflow  # error: no run
class WithoutRun(Workflow):
    pass


@workflow(name="sync")  # error: run is not async
class WithSyncRun(Workflow):
    def run(self) -> int:
        return 1


async def caller() -> None:
    await Doubling().run("one")  # error: argument of run
    await Doubling().submit("one")  # error: argument of submit
    await Doubling().submit()  # error: missing argument
    await Doubling().submit(1, 2)  # error: one argument too many
    await Doubling().submit(numbers=1)  # error: unknown name
    await double("one")  # error: argument of an action
    text: RunHandle[str] = await Doubling().submit(1)  # error: result of the wrong type
    number: str = await Doubling().run(1)  # error: result of the wrong type
    Doubling.visualize(format="gif")  # error: unknown format
    await WithoutRun().submit()  # error: no run to submit
    print(text, number)
