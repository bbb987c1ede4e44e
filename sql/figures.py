"""What calls have used lately, in memory, a minute behind at most."""

from core.budgets import Figures
from core.looper import Looper
from sql.budgets import select_call_figures
from sql.pool import Database

EVERY_S = 60.0


class FiguresFollower:
    """`current` by provider, model and kind."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._looper = Looper("call figures", self.step, EVERY_S)
        self.current: Figures = {}

    async def start(self) -> None:
        await self.step()
        self._looper.start()

    async def stop(self) -> None:
        await self._looper.stop()

    async def step(self) -> None:
        found = await select_call_figures(self._database)
        self.current = {(one.provider, one.model, one.kind): one for one in found}
