"""The flow of types through a function, as far as annotations tell.

An abstract interpretation of the author's tree. `lattice` has the types and how
two of them join; `annotations` reads what authors declare; `values` knows what
operators, methods and attributes give; `expressions` and `calls` find the type
of each expression; `flow` follows statements, with loops to a fixed point, and
`conditions` what tests tell. `findings` words what is reported.

Whatever is not understood is `UNKNOWN`, which joins with everything and is never
reported. Three rules keep false alarms away:

-   *Only what is declared may be doubted.* That a value may be None, or an error,
    is reported only where an annotation or `return_exceptions=True` says so; a
    None that the body itself assigned may be excluded by reasons that no type
    shows (two conditions that always hold together).
-   *Who has looked has looked.* A variable that stood in any condition, or was
    handed to any call, is no longer doubted, understood or not.
-   *A mismatch must be certain.* A class fits a declared one if it, or any class
    of this process that inherits from it, is or could be an instance.
"""
