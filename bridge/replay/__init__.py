"""Replay: the archived pictures of a month judged again, with another bundle or threshold, without the line.

    original journal ──page──▶ anew: what is to be asked ──pieces──▶ hands: one worker a core ──▶ seconds
                                                                                   │ in order, a page a commit
                                                                        DATA/replays/NAME/journal.db

It writes a data folder of its own, with a journal of the real shape: the parts as they were, and the second
records made anew. How far it is stands in that journal alone, so that whatever interrupts it, the same command
goes on.
"""
