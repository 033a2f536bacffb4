"""aoi-bridge: a second opinion for an old vision inspector. Start reading at line.py.

The way of a part: ``line`` (all of it on one screen), and its steps: ``terms`` (by when), ``goals`` (route and
decide), ``judging`` (the model, in a process of its own), ``recording`` (one commit, into ``store``), ``delivery``
(PLC now or never, MES for ever), ``afterwards`` (what is known only later), ``labelling`` (what people say of
parts); ``standing``, ``fallbacks`` and ``bypass`` are how the line stands meanwhile, and ``watching`` says whether
it keeps its promise.

What keeps it going: ``gateway`` composes; ``running`` opens and closes one line, ``judges`` one model;
``supervise`` keeps a plugin open, ``watched`` knows how it does, ``opening`` says what its first opening means,
and ``pulse`` writes down how line and plugins do.

What changes it: ``starting`` holds a start and ``changing`` a reload or a promotion against ``objections`` (what
stands against it), ``in_force`` (what was approved last) and ``approvals`` (what may be live); ``attendance``
writes starts, stops and crashes.

Who asks and orders: ``control`` is the port and ``orders`` what it takes, ``unparking`` one of them; ``asking`` is
the other end, for ``cli``.

Beside these: ``plugin`` (all that an adapter may import), ``config`` (bridge.toml), ``learning`` (training, the
only room with TensorFlow), ``shadow`` (the month and its statistics), ``replay`` (a month judged again),
``simulate`` (the other side of everything), ``sniff`` (an unknown machine found out), ``pages`` (reports that
stand alone), and the ground floor: ``messages``, ``labels``, ``errors``, ``explaining``, ``health``, ``log``,
``echo``, ``notify``, ``tasks``, ``durable``, ``clock``, ``priority``.
"""
