"""The pieces of the socket module: the socket, its options, names and readiness. `stack.socket` joins them."""
