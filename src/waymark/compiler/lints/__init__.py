"""What compiles but is likely a mistake: one file for each kind of it.

Warnings never stop a registration, and people run their tests with warnings as
errors. So precision comes before recall: a lint speaks only where what it says
is certain to be true of the text, and stays silent in every doubt. It looks at
the author's own tree and not at the prepared one, which has no annotations, no
`typing.cast`, and `try` where the author wrote `with suppress(...)`.
"""
