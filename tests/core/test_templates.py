import pytest

from core.request import JobRequest
from core.templates import TemplateFault, fill_templates, find_references

RESULTS = {"outline": {"content": "the outline", "parsed": {"title": "Sea", "chapters": [{"title": "One"}]}}}


def request(prompt: str) -> JobRequest:
    return JobRequest(model="fast", prompt=prompt)


def test_a_reference_takes_a_finished_jobs_answer() -> None:
    filled = fill_templates(request("Write {{outline.parsed.title}}: {{ outline.parsed.chapters.0.title }}."), RESULTS)
    assert filled.prompt == "Write Sea: One."


def test_what_is_no_text_is_written_as_json() -> None:
    filled = fill_templates(request("{{outline.parsed.chapters}}"), RESULTS)
    assert filled.prompt == '[{"title":"One"}]'


def test_messages_and_input_are_filled_too() -> None:
    spoken = JobRequest.model_validate_json('{"kind":"speech","model":"narrator","input":"{{outline.content}}"}')
    assert fill_templates(spoken, RESULTS).input == "the outline"
    chat = JobRequest.model_validate_json(
        '{"model":"fast","messages":[{"role":"user","content":[{"type":"text","text":"{{outline.content}}"}]}]}'
    )
    turns = fill_templates(chat, RESULTS).turns
    assert turns[0].content[0].text == "the outline"  # type: ignore[index,union-attr]


@pytest.mark.parametrize("text", ["{{nobody.content}}", "{{outline.parsed.nothing}}", "{{outline.parsed.chapters.7}}"])
def test_a_reference_that_leads_nowhere_is_named(text: str) -> None:
    with pytest.raises(TemplateFault, match=r"nobody|nothing|7"):
        fill_templates(request(text), RESULTS)


@pytest.mark.parametrize("text", ["{{ 1 + 1 }}", "{{outline.__class__()}}", "{{outline|upper}}", "{% for x in y %}"])
def test_templates_read_and_never_run(text: str) -> None:
    assert find_references(request(text)) == {}
    assert fill_templates(request(text), RESULTS).prompt == text


def test_an_answer_that_looks_like_a_template_is_not_filled_again() -> None:
    filled = fill_templates(request("{{a.content}}"), {"a": {"content": "{{b.content}}"}, "b": {"content": "secret"}})
    assert filled.prompt == "{{b.content}}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{a.__class__}}", "__class__"),
        ("{{a.content.__class__.__mro__}}", "__class__"),
        ("{{a.parsed.x.y.z}}", "'x'"),
        ("{{a.parsed.list.-1}}", "-1"),
        ("{{a.parsed.list.99999999999999999999}}", "99999999999999999999"),
        ("{{a.parsed.list.\u0661}}", None),
        ("{{a.content.0}}", "'0'"),
        ("{{__builtins__.open}}", "__builtins__"),
    ],
)
def test_hostile_references_read_what_is_in_the_answer_and_nothing_else(text: str, says: str | None) -> None:
    results = {"a": {"content": "text", "parsed": {"list": [1], "deep": None}}}
    if says is None:
        assert fill_templates(request(text), results).prompt == text
        return
    with pytest.raises(TemplateFault, match=says) as fault:
        fill_templates(request(text), results)
    assert "a" in str(fault.value)


def test_nested_braces_and_huge_answers_are_text() -> None:
    huge = "{{" * 500_000 + "{{a.content}}" + "}}" * 500_000
    results = {"a": {"content": huge, "parsed": {"{{a.content}}": "{{a.content}}"}}}
    filled = fill_templates(request("{{{{a.content}}}} and {{a.parsed}}"), results)
    assert filled.prompt == "{{" + huge + "}} and " + '{"{{a.content}}":"{{a.content}}"}'
    assert fill_templates(request("{{" * 200_000), results).prompt == "{{" * 200_000
