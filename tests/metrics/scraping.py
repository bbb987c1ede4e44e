"""What a scrape says."""

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    def __init__(self, text: str) -> None:
        self.text = text
        self.values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float:
        """Of one series; 0 where it is not there."""
        return self.values.get((f"factory_{name}", frozenset(labels.items())), 0.0)

    def sum(self, name: str, **labels: str) -> float:
        """Of all series with these labels, whatever the others are."""
        wanted = labels.items()
        return sum(
            value for (found, given), value in self.values.items() if found == f"factory_{name}" and wanted <= given
        )

    def series(self, name: str) -> set[frozenset[tuple[str, str]]]:
        return {labels for found, labels in self.values if found == f"factory_{name}"}
