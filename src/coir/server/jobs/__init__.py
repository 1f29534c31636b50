"""Jobs: slow work that any process over the same data can run, told by rows of `tasks`.

The row is the truth: what is to be done, who does it and until when nobody else may, how far it
is. The queue only says that there is something to do, and may be lost.
"""
