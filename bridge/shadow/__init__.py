"""The shadow month: what is recorded and drawn, what people say, what that shows, and what it allows.

While the line runs, without NumPy: ``sampling`` (which parts are to be labelled, with what chance) and ``drawing``
(the chance of the day); ``seeding`` (which were put in on purpose); ``punctuality`` (would the verdict have been
in time); ``approval`` (may a report take a line live); once it is live, ``guarding`` (is the promise kept) out of
what ``living`` reads.

A month as arrays: ``reading`` makes the ``month`` out of ``columns``, ``presented`` (presentations), ``judged``
(second records) and ``labelled`` (labels), with ``truth`` (what people agree on) and ``plant`` (its days and
shifts).

What it says: ``estimates`` (rates without verification bias) on ``bounds`` (of rates whose events come in
bursts) and ``statistics`` (exact ones); ``agreement`` (of people, of two inspectors), ``drift``, ``counting``
and ``health``; ``begun`` is since when it is about one decision, ``readiness`` the verdict, ``planning`` what one
takes, and ``report`` the paper that is signed.

For those who label: ``todo`` (which parts) and ``label_page`` (a sheet for any browser).
"""
