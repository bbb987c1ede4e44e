"""How the catalog's files are read: quickly, exactly, and with words for what is wrong."""

import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from core.errors import ConfigurationError
from sql.catalog import SEED, Catalog, catalog_digest, load_catalog

Edit = Callable[[str, str, str], Path]


@pytest.fixture
def edit(tmp_path: Path) -> Edit:
    """Copies the shipped files and changes the first place where a text stands in one of them."""

    def change(file: str, old: str, new: str) -> Path:
        folder = tmp_path / "seed"
        shutil.copytree(SEED, folder)
        text = (folder / file).read_text(encoding="utf-8")
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        return folder

    return change


def test_reading_takes_less_than_150_ms() -> None:
    times = []
    for _ in range(3):
        started = time.perf_counter()
        load_catalog()
        times.append(time.perf_counter() - started)
    assert min(times) < 0.15


def test_rows_are_plain_json(shipped: Catalog) -> None:
    for table in Catalog.__slots__:
        rows = getattr(shipped, table)
        assert orjson.loads(orjson.dumps(rows)) == rows


def test_rows_of_a_table_have_the_same_columns(shipped: Catalog) -> None:
    for table in Catalog.__slots__:
        assert len({tuple(row) for row in getattr(shipped, table)}) == 1, table


def test_rows_have_the_columns_of_their_table(shipped: Catalog) -> None:
    migrations = sorted((SEED.parent / "migrations").glob("*.sql"))
    text = "\n".join(one.read_text(encoding="utf-8") for one in migrations)
    for table in Catalog.__slots__:
        body = re.search(rf"CREATE TABLE factory\.{table} \((.*?)\n\);", text, re.DOTALL)
        assert body, table
        columns = set(re.findall(r"^    (\w+) [a-z]", body[1], re.MULTILINE))
        for change in re.findall(rf"ALTER TABLE factory\.{table}\n(.*?);", text, re.DOTALL):
            columns |= set(re.findall(r"ADD COLUMN (\w+) ", change))
        assert set(getattr(shipped, table)[0]) <= columns, table


def test_the_digest_changes_with_any_file(edit: Edit) -> None:
    before = catalog_digest()
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert before == catalog_digest()
    assert catalog_digest(edit("voices.toml", "Charon", "Kore")) != before


def test_a_family_lends_its_parameters_and_the_model_has_the_last_word(edit: Edit) -> None:
    folder = edit("mistral.toml", 'family = "plain"', 'family = "plain"\nparameters = { tools = "no", seed = "no" }')
    large = next(model for model in load_catalog(folder).models if model["model_id"] == "mistral-large-2512")
    assert large["parameters"] == {"sampling": "yes", "effort": [], "tools": "no", "seed": "no"}


def test_a_provider_is_added_by_a_file(tmp_path: Path) -> None:
    folder = tmp_path / "seed"
    shutil.copytree(SEED, folder)
    (folder / "mine.toml").write_text(
        '[provider]\nid = "mine"\nname = "Mine"\nregions = ["global"]\nlimits = {}\n'
        '[[models]]\nmodel_id = "own-1"\nkind = "text"\nactive = true\ncapabilities = ["text"]\nregions = ["global"]\n'
        'source = "us"\nchecked_on = 2026-11-23\n[[models.prices]]\nvalid_from = 2026-01-01T02:00:00+02:00\n'
        'input_usd_per_mtok = "0"\noutput_usd_per_mtok = "0"\n',
        encoding="utf-8",
    )
    catalog = load_catalog(folder)
    assert "mine" in {provider["id"] for provider in catalog.providers}
    (price,) = (price for price in catalog.model_prices if price["provider"] == "mine")
    assert (price["valid_from"], price["source"]) == ("2026-01-01T00:00:00+00:00", "us")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "openai.toml",
            'output_usd_per_mtok = "40"',
            'outptu_usd_per_mtok = "40"',
            r"openai.toml: models 1 \(gpt-6.2-astra\): prices 1 .*: unknown key 'outptu_usd_per_mtok'. Known: audio_",
        ),
        ("openai.toml", 'kind = "text"\n', "", r"openai.toml: models 1 \(gpt-6.2-astra\): kind is missing"),
        ("openai.toml", 'kind = "text"', 'kind = "txt"', "kind: expected one of text, .*, not 'txt'"),
        (
            "openai.toml",
            'input_usd_per_mtok = "8"',
            "input_usd_per_mtok = 8",
            "expected an amount as text, .*, not '8'",
        ),
        (
            "openai.toml",
            'input_usd_per_mtok = "8"',
            'input_usd_per_mtok = "-8"',
            "input_usd_per_mtok: expected an amount",
        ),
        ("openai.toml", 'batch_discount = "0.5"', 'batch_discount = "50"', "batch_discount: expected a fraction"),
        ("openai.toml", "00:00:00Z", "00:00:00", "valid_from: expected a time with its zone"),
        ("openai.toml", "context_window = 1_050_000", "context_window = 0", "context_window: expected a whole number"),
        (
            "openai.toml",
            "active = true",
            "active = 1",
            r"endpoints 1 \(openai.chat_completions\): active: expected true",
        ),
        ("openai.toml", "env:OPENAI_API_KEY", "sk-123", "credential: expected env:NAME or file:PATH"),
        ("openai.toml", "https://api", "api", "base_url: expected an address"),
        ("openai.toml", 'id = "33e83471', 'id = "x', "id: expected a UUID"),
        ("openai.toml", 'family = "gpt-6-2"', 'family = "gpt-7"', "there is no family 'gpt-7', only gpt-6-2, gpt-6-1"),
        ("openai.toml", 'id = "openai"', 'id = "opneai"', "openai.toml: provider: id 'opneai' is not the file's name"),
        ("openai.toml", "[provider]", "[providr]", "openai.toml: unknown key 'providr'. Known: defaults, "),
        ("openai.toml", "limits = {}", "limits = { rpm = 5 }", "limits: expected requests_per_minute"),
        ("openai.toml", 'model_id = "gpt-6.2-sol"', 'model_id = "gpt-6.2-astra"', "gpt-6.2-astra is there twice"),
        ("openai.toml", "threshold_tokens = 272_000\nt", "t", "rates above a threshold need threshold_tokens"),
        ("openai.toml", "[[models]]", "[[models]", "openai.toml is not TOML: "),
        ("google.toml", "retires_on = 2027-05-07", 'retires_on = "2027"', "retires_on: expected a date"),
        ("google.toml", "2026-12-01T", "2026-01-01T", "google gemini-4-argon 2026-01-01T00:00:00.00:00 is there twice"),
        ("google.toml", 'regions = ["global"]\ns', "regions = 1\ns", "regions: expected a list of words"),
        (
            "aliases.toml",
            'model_id = "gpt-6-luna"',
            'model_id = "gpt-6-luno"',
            r"aliases.toml: aliases 1 \(fast\): targets 1 \(gpt-6-luno\): openai has no such model",
        ),
        ("aliases.toml", 'alias = "smart"', 'alias = "fast"', "aliases.toml: fast is there twice"),
        ("aliases.toml", 'strategy = "priority"', 'strategy = "best"', "strategy: expected one of priority, cheapest"),
        (
            "voices.toml",
            'provider = "elevenlabs"',
            'provider = "eleven"',
            r"voices 1 \(narrator\): there is no provider",
        ),
        ("voices.toml", 'provider = "openai"', 'provider = "elevenlabs"', "narrator elevenlabs is there twice"),
    ],
)
def test_a_mistake_is_named_with_its_file_and_entry(edit: Edit, file: str, old: str, new: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as refused:
        load_catalog(edit(file, old, new))
    assert file in str(refused.value)


def test_a_key_that_was_written_down_is_not_repeated(edit: Edit) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_catalog(edit("openai.toml", "env:OPENAI_API_KEY", "sk-123"))
    assert "sk-123" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"aliases\.toml is missing"):
        load_catalog(tmp_path)
