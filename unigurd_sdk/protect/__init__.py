"""Protected functions: what goes into a function, and what comes out of it, is checked on the way."""
