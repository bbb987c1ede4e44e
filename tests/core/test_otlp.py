"""Spans in bytes, as OpenTelemetry's own classes read them."""

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from core.otlp import Value, write_request, write_span

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES = st.one_of(
    TEXT, st.booleans(), INTEGERS, st.floats(allow_nan=False), st.lists(TEXT, max_size=3).map(tuple), st.none()
)
TIME = st.integers(0, 2**63)


@given(st.dictionaries(TEXT, VALUES, max_size=5), st.none() | TEXT, TEXT, TIME, st.booleans())
def test_a_span_reads_as_it_was(
    attributes: dict[str, Value | None], error: str | None, name: str, began_ns: int, elsewhere: bool
) -> None:
    parent = b"p" * 8 if elsewhere else b""
    span = write_span(b"t" * 16, b"s" * 8, parent, elsewhere, name, 3, began_ns, began_ns + 7, attributes, error)
    read = ExportTraceServiceRequest.FromString(write_request({"service.name": "ours"}, "scope", [span, span]))
    (group,) = read.resource_spans
    assert [(one.key, one.value.string_value) for one in group.resource.attributes] == [("service.name", "ours")]
    (said,) = group.scope_spans
    assert said.scope.name == "scope"
    first, found = said.spans
    assert first == found
    assert (found.trace_id, found.span_id, found.parent_span_id) == (b"t" * 16, b"s" * 8, parent)
    assert (found.name, found.kind, found.flags) == (name, 3, 0x301 if elsewhere else 0x101)
    assert (found.start_time_unix_nano, found.end_time_unix_nano) == (began_ns, began_ns + 7)
    assert (found.status.code, found.status.message) == ((2, error) if error is not None else (0, ""))
    assert {one.key: _plain(one.value) for one in found.attributes} == {
        key: value for key, value in attributes.items() if value is not None
    }


def _plain(value: object) -> object:
    kind = value.WhichOneof("value")  # type: ignore[attr-defined]
    found = getattr(value, kind)
    return tuple(one.string_value for one in found.values) if kind == "array_value" else found
