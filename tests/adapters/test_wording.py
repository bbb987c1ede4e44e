"""What providers say about a failure is shown, but no key and nothing of the prompt with it."""

from adapters.wording import MAX_LENGTH, clean_message, mend_text
from tests.adapters.calls import make_call

SECRET = "A woman named Mara keeps the lighthouse of Skagen and talks to gulls."


def test_a_message_is_one_short_line() -> None:
    assert clean_message("Rate limit\n  reached\tfor tokens", make_call()) == "Rate limit reached for tokens"
    long = clean_message("words and words " * 100, make_call())
    assert len(long) == MAX_LENGTH
    assert long.endswith("…")


def test_keys_are_taken_out() -> None:
    call = make_call(api_key="plainkey")
    said = "Incorrect API key provided: plainkey, sk-proj-abcDEF123456, sk-ab***********wxyz, AIzaSyA1234567890abcdef"
    assert clean_message(said, call) == "Incorrect API key provided: [key], [key], [key], [key]"
    assert "hunter2hunter2" not in clean_message("Authorization: Bearer hunter2hunter2 refused", call)
    assert clean_message("id 0123456789abcdef0123456789abcdef01", call) == "id [key]"


def test_an_echo_of_the_prompt_is_taken_out_wherever_it_stands() -> None:
    for fields in (
        {"prompt": SECRET},
        {"system": SECRET},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": SECRET}]}]},
    ):
        said = clean_message(f'Invalid text: "{SECRET}" at 3', make_call(**fields))
        assert said == 'Invalid text: "…" at 3'
        assert "lighthouse" not in clean_message(f"cut: {SECRET[10:45]}", make_call(**fields))
    speech = make_call("openai.speech", input="Mara hums")
    assert clean_message("cannot speak 'Mara hums' now", speech) == "cannot speak '…' now"


def test_text_that_a_database_cannot_hold_is_mended() -> None:
    assert mend_text("a\0b") == "ab"
    assert mend_text("a\ud83d b") == "a\ufffd b"
    assert mend_text("\ud83d\ude00 ü") == "😀 ü"
