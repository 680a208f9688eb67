"""The quality report of a data set: what is in it, what repeats, which labels look wrong, what gives them away."""
