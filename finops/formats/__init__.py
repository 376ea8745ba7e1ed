"""What a billing file is: its physical kind, which format it holds, how to read it with explicit types.

Nothing here maps to FOCUS: that is ``queries/normalise/``, whose headers also say how to recognise each format.
"""
