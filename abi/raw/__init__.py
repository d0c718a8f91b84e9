"""What make_raw.py is made of: one module a language, each with files(contract), and the contract they read."""
