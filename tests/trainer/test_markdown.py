"""Tables in Markdown."""

from unigurd_trainer import markdown


def test_a_table_has_a_head_a_rule_and_rows():
    assert markdown.table(("a", "b"), [("1", "2")]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |\n"
