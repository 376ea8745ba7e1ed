"""A small world of clouds and LLM vendors with twelve weeks of history, which knows what its bills come to.

``story.py`` tells the weeks. ``world.py`` keeps the books: what every provider charges, and what of it can be read in a week.
``charges.py`` makes the charges of a day. ``providers.py`` shows the books to the fakes, as each provider would deliver them.
"""
