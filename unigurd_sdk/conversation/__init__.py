"""Conversations: which messages of a chat violate a policy, alone or together with those before them."""
