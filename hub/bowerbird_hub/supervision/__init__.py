"""The first command at work: parts started, watched, told of, and ended."""
