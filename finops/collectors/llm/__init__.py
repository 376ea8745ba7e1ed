"""What vendors of language models state about costs and usage."""
