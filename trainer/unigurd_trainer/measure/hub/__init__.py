"""Evaluation sets from the Hugging Face Hub, by name and revision: what each means by safe and unsafe."""
