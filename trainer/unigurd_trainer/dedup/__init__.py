"""De-duplication in three tiers: exact, lexical and semantic (paper, section 3.1; `docs/decisions/0005`)."""
