"""The page's examples verify what the factory sends."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.clock import utc_now
from tests.webhooks.conftest import Post

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


async def test_the_examples_in_python_and_node_verify_and_refuse(post: Post, tmp_path: Path) -> None:
    made = await post.listen()
    post.clock.now = utc_now()
    await post.client.post(f"/v1/webhook-endpoints/{made['id']}/rotate-secret")
    await post.end(await post.submit(metadata={"title": "Der Leuchtturm · 灯台"}))
    post.clock.now = utc_now()
    await post.deliver()
    (asked,) = post.receiver.got
    good, body = dict(asked.headers), asked.body.decode()
    old = good | {"webhook-timestamp": str(int(good["webhook-timestamp"]) - 301)}
    cases: list[tuple[bool, str, dict[str, str], str]] = [
        (True, made["secret"], good, body),
        (False, "whsec_" + "A" * 43 + "=", good, body),
        (False, made["secret"], good, body.replace("completed", "cancelled")),
        (False, made["secret"], good | {"webhook-id": "msg_other"}, body),
        (False, made["secret"], good | {"webhook-signature": "v1,"}, body),
        (False, made["secret"], old, body),
    ]
    wanted = [case[0] for case in cases]
    python: dict[str, Any] = {}
    exec(compile(example("python"), "docs/webhooks.md", "exec"), python)
    assert [python["verify"](secret, headers, sent.encode()) for _, secret, headers, sent in cases] == wanted

    if shutil.which("node") is None:
        pytest.skip("needs Node")
    (tmp_path / "verify.mjs").write_text(example("js"), encoding="utf-8")
    (tmp_path / "cases.json").write_text(json.dumps([case[1:] for case in cases]), encoding="utf-8")
    (tmp_path / "run.mjs").write_text(
        "import {readFileSync} from 'node:fs'; import {verify} from './verify.mjs';\n"
        "const cases = JSON.parse(readFileSync('cases.json'));\n"
        "console.log(JSON.stringify(cases.map(([secret, headers, body]) => verify(secret, headers, Buffer.from(body)))));"
    )
    node = await asyncio.create_subprocess_exec("node", "run.mjs", cwd=tmp_path, stdout=asyncio.subprocess.PIPE)
    out, _ = await node.communicate()
    assert json.loads(out) == wanted
