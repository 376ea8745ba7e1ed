"""Each kind of source on a stage of its own, so that ``tests/collectors/test_contract.py`` can ask the same of all of them."""
