"""Where cycles and memory go: what a stored run says about phases, layers, functions, lines, tensors and stacks."""
