"""Where texts are from: every source of the shipped model is in the table, and a licence is not made up."""

from __future__ import annotations

import pytest

from unigurd_sdk.checkpoint import Checkpoint
from unigurd_sdk.hub import locate
from unigurd_trainer.licences import UNCONFIRMED, licence_of, named_source, sources, sources_of
from unigurd_trainer.rows import Example

SPDX = {
    "MIT", "Apache-2.0", "CC0-1.0", "CC-BY-3.0", "CC-BY-4.0", "CDLA-Permissive-2.0", "ODC-By-1.0", "OpenRAIL++",
    "Apache-2.0 AND MIT", "MIT AND CC-BY-4.0", "BSD-3-Clause", "blessing", "public domain", "",
    "MIT AND Apache-2.0 AND BSD-3-Clause AND BSD-2-Clause AND ISC",
}  # fmt: skip


def test_the_table_names_whom_to_attribute_and_where():
    for name, source in sources().items():
        assert source.title and source.by and source.licence in SPDX, name
        assert source.url.startswith("https://") or not source.licence or name.startswith(("sdg/", "written")), name


def test_every_source_of_the_shipped_model_is_in_the_table():
    stated = Checkpoint.open(locate("uniguard"), verify="size").manifest.sources
    assert stated and all(entry.partition(": ")[0] in sources() for entry in stated)
    assert not [line for line in map(named_source, stated) if "permissive (" in line]


def test_the_card_of_the_shipped_model_is_up_to_date():
    checkpoint = Checkpoint.open(locate("uniguard"), verify="size")
    card = (checkpoint.folder / "README.md").read_text(encoding="utf-8")
    assert all(f"- {named_source(entry)}\n" in card for entry in checkpoint.manifest.sources)


@pytest.mark.parametrize(
    ("source", "row", "licence"),
    [
        ("banking77", None, "CC-BY-4.0"),
        ("sdg/tax", None, "Apache-2.0"),
        ("banking77", {"licence": "mine"}, "mine"),
        ("banking77", {"license": "mine"}, "mine"),
        ("surge_toxicity", {}, UNCONFIRMED),
        ("never heard of", None, UNCONFIRMED),
    ],
)
def test_a_row_states_its_licence_or_has_that_of_its_source(source, row, licence):
    assert licence_of(source, row) == licence


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("banking77: permissive (see data card)", "banking77: [BANKING77](https://"),
        ("banking77: CC-BY-4.0", "CC-BY-4.0; Casanueva et al. 2020, PolyAI"),
        ("banking77: mine", "banking77: mine"),
        ("surge_toxicity: licence not confirmed", "licence not confirmed; Surge AI"),
        ("toxigen_agreed: CDLA-Permissive-2.0", "(written by a language model;"),
        ("never heard of: permissive (see data card)", "never heard of: licence not confirmed"),
        ("my-file: MIT", "my-file: MIT"),
    ],
)
def test_an_entry_of_a_manifest_is_said_in_full(entry, said):
    assert said in named_source(entry)


def test_rows_of_a_source_with_several_licences_have_what_the_table_says_or_all():
    several = [Example("a", 0, name, licence) for name in ("pypi_readmes", "b") for licence in ("MIT", "ISC")]
    assert sources_of(several) == {"b": "ISC AND MIT", "pypi_readmes": sources()["pypi_readmes"].licence}


def test_sources_of_rows_are_named_once():
    rows = [Example("a", 0, "b", "MIT"), Example("b", 0, "a", "CC0-1.0"), Example("c", 1, "b", "MIT")]
    assert sources_of(rows) == {"a": "CC0-1.0", "b": "MIT"}
