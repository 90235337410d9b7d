"""toyviz: train the small networks of a post on memorisation and double descent, and look inside."""
