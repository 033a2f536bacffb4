"""The report of a shadow month: facts out of the journal as a plain dictionary, and the page that shows them.

The same journal and the same labels give the same bytes: nothing in it depends on when or where it is written.
"""
