"""Commands on connections of their own, without most of redis-py's way around each: a look at the socket, a lock,
packing in Python, retries. That way is two thirds of what a command costs its process; what fails here goes it.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as TooSlow

Part = str | int | bytes
_pack = cast("Callable[[tuple[Part, ...]], bytes]", pack_command)


class Direct:
    """The connections are of the client's pool, and closed with it. Who comes while all are in use opens one more."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._idle: list[AbstractConnection] = []

    async def send(self, *commands: Sequence[Part]) -> list[Any]:
        """What the server answers to each, in one round trip; where it refuses, the ResponseError. Raises RedisError
        when it cannot be reached or goes away: then nobody knows what was done."""
        pool: Any = self.redis.connection_pool
        connection: AbstractConnection = self._idle.pop() if self._idle else pool.get_available_connection()
        try:
            packed = b"".join(_pack(tuple(one)) for one in commands)
            await connection.send_packed_command(packed, check_health=False)
            return [await _answer(connection) for _ in commands]
        except BaseException:
            await connection.disconnect(nowait=True)  # what still comes belongs to nobody
            raise
        finally:
            self._idle.append(connection)

    async def execute(self, *command: Part) -> Any:
        """The server's answer, raised if it is an error. Sent once more, by redis-py, if the connection was gone."""
        try:
            (answer,) = await self.send(command)
        except (NotConnected, TooSlow):
            return await cast("Any", self.redis).execute_command(*command)
        if isinstance(answer, ResponseError):
            raise answer
        return answer


class Script:
    """A Lua script as a function of its keys and arguments; the server is told its text when it does not know it."""

    def __init__(self, direct: Direct, text: str) -> None:
        self._direct = direct
        self._told = direct.redis.register_script(text)

    @property
    def sha(self) -> str:
        return self._told.sha

    async def __call__(self, keys: Sequence[str], args: Sequence[Part]) -> Any:
        try:
            return await self._direct.execute("EVALSHA", self.sha, len(keys), *keys, *args)
        except NoScriptError:
            return await self._told(keys=keys, args=args)


async def _answer(connection: AbstractConnection) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal
