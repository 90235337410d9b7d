"""How fast it is: the kernels against PyTorch, JAX and the machine, and the networks of whole views."""
