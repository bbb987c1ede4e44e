"""OpenAI's own client for Node does the same."""

import asyncio
import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.house import Factory

HERE = Path(__file__).parent / "node"
FILES = ("package.json", "package-lock.json", "client.mjs")
INSTALL_S = 90


async def run(*command: str, within_s: float, cwd: Path) -> tuple[int | None, str, str]:
    started = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(within_s):
            out, err = await started.communicate()
    except TimeoutError:
        started.kill()
        await started.wait()
        return None, "", f"not done after {within_s} s"
    return started.returncode, out.decode(), err.decode()


async def installed() -> Path:
    """A folder with the client as it is locked, kept from run to run; skips where it cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    version = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    kept = Path.home() / ".cache" / f"factory-openai-node-{version}"
    if kept.exists():
        return kept
    kept.parent.mkdir(exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f"{kept.name}-", dir=kept.parent))
    for name in FILES:
        shutil.copy(HERE / name, made)
    flags = ("--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0")
    code, _, why = await run("npm", "ci", *flags, within_s=INSTALL_S, cwd=made)
    if code != 0:
        shutil.rmtree(made)
        pytest.skip(f"npm cannot install OpenAI's client: {why.strip()[-300:]}")
    try:
        made.rename(kept)
    except OSError:  # somebody else was first
        shutil.rmtree(made)
    return kept


async def test_the_node_client_works_with_only_url_and_key_changed(served: str, factory: Factory) -> None:
    code, out, err = await run("node", "client.mjs", f"{served}/v1", factory.key, within_s=60, cwd=await installed())
    assert code == 0, err
    assert out == "done\n"
