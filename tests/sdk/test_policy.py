"""Policies: their rules, their fingerprint, their files, and what is said about wrong ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from unigurd_sdk.errors import InvalidPolicy, UnknownPolicy
from unigurd_sdk.policy import Policy, PolicyExample, is_policy_path, is_sentence

FULL = Policy(
    name="tea-only",
    description="Only tea.\n- no: coffee",
    allowed=("Asking about tea", "no", "1.10", "2024-01-01", "# hash", "null"),
    disallowed=(
        'Say "coffee": now',
        "back\\slash",
        "tab\there",
        "del\x7f",
        "bell\x07",
        "茶を 🍵 \u2028 \x85 end",
    ),
    title="Tea, only",
    domain="drinks",
    kind="scope",
    version=3,
    examples=(
        PolicyExample(text="Brew oolong?", label="safe", rationale="tea"),
        PolicyExample(text="x", label="unsafe"),
    ),
)


def write(folder: Path, text: str, name: str = "p.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def reason(folder: Path, text: str, name: str = "p.yaml") -> InvalidPolicy:
    path = write(folder, text, name)
    with pytest.raises(InvalidPolicy) as caught:
        Policy.from_file(path)
    assert caught.value.path == path
    assert str(path) in str(caught.value)
    return caught.value


def test_white_space_around_texts_is_stripped():
    policy = Policy(name=" tea ", description="\n Only tea. ", allowed=[" black "], title=" Tea ")
    assert (policy.name, policy.description, policy.allowed, policy.title) == (
        "tea",
        "Only tea.",
        ("black",),
        "Tea",
    )


def test_a_policy_is_immutable_and_hashable():
    with pytest.raises(ValidationError):
        FULL.name = "other"
    assert len({FULL, FULL.model_copy()}) == 1


@pytest.mark.parametrize("name", ["", "Tax", "-tax", "tax_law", "tax law", "täx", "a" * 81])
def test_names_are_slugs(name: str):
    with pytest.raises(InvalidPolicy) as caught:
        Policy(name=name, description="x")
    assert caught.value.locations == ("name",)


@pytest.mark.parametrize(
    ("fields", "location", "words"),
    [
        ({"description": "  "}, "description", "empty"),
        ({"description": 7}, "description", "must be text"),
        ({"allowed": ["a", " "]}, "allowed.1", "empty"),
        ({"disallowed": "one"}, "disallowed", "must be a list"),
        ({"disallowed": {"b", "a"}}, "disallowed", "must be a list"),
        ({"kind": "allow"}, "kind", "'ban', 'scope', 'mixed'"),
        ({"version": 0}, "version", "greater than or equal to 1"),
        ({"alowed": []}, "alowed", "did you mean `allowed`?"),
        ({"zzz": 1}, "zzz", "the fields are name, "),
        ({"examples": [{"text": "a", "lable": "safe"}]}, "examples.0.label", "did you mean `label`?"),
    ],
)
def test_wrong_fields_are_located_and_explained(fields: dict[str, Any], location: str, words: str):
    with pytest.raises(InvalidPolicy) as caught:
        Policy(**({"name": "tea", "description": "Only tea."} | fields))
    assert location in caught.value.locations
    assert words in caught.value.reason


def test_all_mistakes_are_reported_at_once():
    with pytest.raises(InvalidPolicy) as caught:
        Policy(name="Tea", alowed=[])  # type: ignore[call-arg]
    assert set(caught.value.locations) == {"name", "description", "alowed"}


@pytest.mark.parametrize(
    ("allowed", "disallowed", "words"),
    [
        (["Black tea", "black  TEA"], [], "`allowed.1` repeats `allowed.0`"),
        ([], ["a", "b", "a "], "`disallowed.2` repeats `disallowed.0`"),
        (["a", "b"], ["B"], "`disallowed.0` repeats `allowed.1`"),
    ],
)
def test_a_behaviour_occurs_once(allowed: list[str], disallowed: list[str], words: str):
    with pytest.raises(InvalidPolicy, match=words):
        Policy(name="tea", description="Only tea.", allowed=allowed, disallowed=disallowed)


def test_the_fingerprint_covers_exactly_what_the_model_reads():
    same = {"name": "x", "title": "X", "domain": "d", "kind": "ban", "version": 9, "examples": ()}
    assert FULL.model_copy(update=same).fingerprint == FULL.fingerprint
    for field in ("description", "allowed", "disallowed"):
        value = "Other." if field == "description" else ("Other",)
        assert FULL.model_copy(update={field: value}).fingerprint != FULL.fingerprint


def test_the_fingerprint_tells_sides_borders_and_order_apart():
    sides: list[dict[str, Any]] = [
        {"allowed": ("a", "b")},
        {"allowed": ("b", "a")},
        {"allowed": ("a",), "disallowed": ("b",)},
        {"disallowed": ("a", "b")},
        {"allowed": ("a b",)},
    ]
    prints = {Policy(name="n", description="d", **side).fingerprint for side in sides}
    assert len(prints) == len(sides)
    assert all(len(value) == 16 and int(value, 16) >= 0 for value in prints)


def test_the_fingerprint_never_changes_between_releases():
    policy = Policy(name="tea", description="Only tea ☕.", allowed=["Black tea"], disallowed=["Coffee"])
    assert policy.fingerprint == "6dae77ca57fa4a78"


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".toml", ".YAML"])
@pytest.mark.parametrize("policy", [FULL, Policy(name="a", description="b")], ids=["full", "minimal"])
def test_a_saved_policy_reads_back_equal(tmp_path: Path, policy: Policy, suffix: str):
    path = tmp_path / f"policy{suffix}"
    policy.save(path)
    assert Policy.from_file(path) == policy
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_defaults_are_not_written(tmp_path: Path):
    assert Policy(name="a", description="b").to_source() == "name: a\ndescription: b\n"
    assert Policy(name="a", description="b").to_source(".toml") == 'name = "a"\ndescription = "b"\n'


def test_saving_replaces_a_file_and_refuses_other_suffixes(tmp_path: Path):
    path = write(tmp_path, "old: 1\n" * 100)
    FULL.save(path)
    assert Policy.from_file(path) == FULL
    with pytest.raises(InvalidPolicy, match="a policy file ends in"):
        FULL.save(tmp_path / "policy.json")


def test_yaml_scalars_stay_as_written(tmp_path: Path):
    text = "name: n\ndescription: on\nversion: 2\nallowed:\n- no\n- 1.10\n- 2024-01-01\ndisallowed:\n"
    policy = Policy.from_file(write(tmp_path, text))
    assert (policy.description, policy.version) == ("on", 2)
    assert (policy.allowed, policy.disallowed) == (("no", "1.10", "2024-01-01"), ())


def test_yaml_tags_build_nothing(tmp_path: Path):
    text = "name: n\ndescription: !!python/object/apply:os.getcwd []\n"
    assert "must be text" in reason(tmp_path, text).reason


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfname: n\r\ndescription: d\r\n")
    assert Policy.from_file(path) == Policy(name="n", description="d")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "empty"),
        (" \n\n", None, "empty"),
        ("# nothing\n", 1, "found nothing"),
        ("- name: n\n", 1, "found a list"),
        ("just words\n", 1, "found plain text"),
        ("name: n\ndescription: a: b\n", 2, "not valid YAML"),
        ("name: n\ndescription: d\nname: m\n", 3, "`name` occurs twice (first on line 1)"),
        ("name: n\ndescription: d\nalowed:\n- a\n", 3, "did you mean `allowed`?"),
        ("name: n\ndescription: d\nallowed:\n- a\n- \n", 5, "`allowed.1` is empty"),
        ("name: n\ndescription: d\nallowed:\n- a\n- b: c\n", 5, "must be text"),
        ("name: n\ndescription: d\nexamples:\n- text: t\n  label: bad\n", 5, "`examples.0.label`"),
        ("name: n\ndescription: d\n---\nname: m\n", 3, "not valid YAML"),
        ("name: n\ndescription: &a [*a]\n", None, ""),
        ("[" * 5000, None, ""),
        ("name: n\n", None, "`description` is missing"),
    ],
)
def test_bad_yaml_is_located_and_explained(tmp_path: Path, text: str, line: int | None, words: str):
    error = reason(tmp_path, text)
    assert words in error.reason
    assert line is None or error.line == line


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", None, "empty"),
        ('name = "n"\ndescription = nope\n', 2, "not valid TOML"),
        ('name = "n"\nname = "m"\n', 2, "not valid TOML"),
        ('name = "n"\ndescription = "d"\nalowed = []\n', 3, "did you mean `allowed`?"),
        ('name = "n"\ndescription = 3\n', 2, "must be text"),
        ('name = "n"\ndescription = "d"\nallowed = [\n  "a",\n  1,\n]\n', 3, "must be text"),
        ('name = "n"\ndescription = "d"\n[[examples]]\ntext = "t"\nlabel = "maybe"\n', 3, "label"),
        ("a = " + "[" * 5000, None, ""),
    ],
)
def test_bad_toml_is_explained(tmp_path: Path, text: str, line: int | None, words: str):
    error = reason(tmp_path, text, "p.toml")
    assert words in error.reason
    assert error.line == line


def test_a_file_in_another_encoding_is_refused_with_the_line(tmp_path: Path):
    path = tmp_path / "p.yaml"
    path.write_bytes("name: n\ndescription: é\n".encode("latin-1"))
    with pytest.raises(InvalidPolicy, match="not UTF-8") as caught:
        Policy.from_file(path)
    assert caught.value.line == 2


def test_missing_files_folders_and_other_suffixes_are_refused(tmp_path: Path):
    (tmp_path / "folder.yaml").mkdir()
    for name, words in [
        ("no.yaml", "does not exist"),
        ("folder.yaml", "cannot be read"),
        ("a.txt", "ends in"),
    ]:
        with pytest.raises(InvalidPolicy, match=words):
            Policy.from_file(tmp_path / name)


def test_shared_yaml_nodes_cannot_blow_up(tmp_path: Path):
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30))]
    assert "a0" in reason(tmp_path, "name: n\ndescription: d\n" + "\n".join(lines)).locations


def test_a_sentence_becomes_a_policy_named_after_its_fingerprint():
    policy = Policy.from_text("  Never talk about the weather. ")
    assert policy.description == "Never talk about the weather."
    assert policy.name == f"custom-{policy.fingerprint[:8]}"
    with pytest.raises(InvalidPolicy, match="empty"):
        Policy.from_text(" ")


def test_parse_takes_policies_paths_and_sentences(tmp_path: Path):
    path = tmp_path / "tea.toml"
    FULL.save(path)
    assert Policy.parse(FULL) is FULL
    assert Policy.parse(path) == Policy.parse(str(path)) == FULL
    assert Policy.parse("Only tea.").description == "Only tea."
    assert Policy.parse("禁止谈论天气").description == "禁止谈论天气"
    with pytest.raises(UnknownPolicy):
        Policy.parse("tax")


def test_only_paths_and_policy_suffixes_are_files():
    assert is_policy_path(Path("anything"))
    assert is_policy_path("rules/tax.YML")
    assert not is_policy_path("tax.txt")
    assert not is_policy_path("No and/or slashes.")


@pytest.mark.parametrize(
    ("text", "expected"), [("no tea", True), ("tea", False), ("", False), ("天気の話は禁止", True)]
)
def test_sentences_are_told_from_names(text: str, expected: bool):
    assert is_sentence(text) is expected
