"""Notes on a run: rates of refusal also where there were none, warnings, and text that Markdown shows as it is."""

from __future__ import annotations

from unigurd_trainer.sdg.coverage import OfflineStatistics
from unigurd_trainer.sdg.notes import markdown, notes_of
from unigurd_trainer.sdg.statistics import RunStatistics


def test_the_rates_of_refusal_by_label_and_the_warnings():
    statistics = RunStatistics()
    statistics.asked.update(safe=20, unsafe=30)
    statistics.refused.update(unsafe=15)
    statistics.close()
    safe, unsafe, *warnings = notes_of(statistics)
    assert safe == "Of 20 safe texts that the model was asked for, it refused 0 (0.0%)."
    assert unsafe == "Of 30 unsafe texts that the model was asked for, it refused 15 (50.0%)."
    assert warnings == statistics.warnings != []


def test_a_generator_that_asks_nobody_has_warnings_only():
    statistics = OfflineStatistics(warnings=["Silver."])
    assert notes_of(statistics) == ("Silver.",)
    assert notes_of(None) == ()


def test_they_are_a_section_of_the_card():
    assert markdown(["One *two*\n# three"]) == "\n## Generation\n\n- One \\*two\\* \\# three\n"
    assert markdown([]) == ""
