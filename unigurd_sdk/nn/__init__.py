"""The guard as torch modules (extra `torch`): the encoder, the vote head, and the two of them as one model."""
