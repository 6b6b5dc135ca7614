"""The figures of the paper, one definition a file."""
