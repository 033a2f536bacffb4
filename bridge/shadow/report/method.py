"""How the month was reckoned, in words, with the source of each formula."""

from __future__ import annotations

from bridge.pages import page
from bridge.pages.page import Section
from bridge.shadow.report.grouped import Facts

_METHOD = """
What counts
Every part of the line was judged beside the inspector, and what goals 1, 2 and 3 would have answered was
recorded; a part that was not judged has what the fallback would have answered. The same serial number
within {reinspected_within_hours:g} hours is one part, and its first presentation counts.

Truth
What people said of the parts that were drawn for labelling. Where people disagree a part is disputed: until
somebody settles it, upper bounds take it for the worst that it could be. Labels of parts that were not
drawn are counted, and in no estimate: who picks parts by hand picks no random ones.

Who is drawn
Every disagreement of inspector, model and goals, and every score within {unreliable:g} of the threshold; of
the parts that both call NG a share of {audit_ng:g}; of the agreements on OK a random share, so that escapes
which nobody looked for are estimated too. Each part's chance was stored when it was drawn.

Estimates
Each labelled part stands for 1 / (its chance × the share of its stratum's drawn parts that have a label)
parts (D. G. Horvitz and D. J. Thompson, J. Am. Stat. Assoc. 47, 1952). False-call rate: good parts called
NG / all parts. Escape rate: bad parts called OK / all parts. Miss rate: bad parts called OK / all bad
parts.

Bounds
Exact and one-sided, of k in n at confidence C: Beta(C; k + 1, n - k) above, Beta(1 - C; k, n - k + 1) below
(C. J. Clopper and E. S. Pearson, Biometrika 26, 1934); for what is always labelled and for what was drawn,
each at its share of the error, and added (C. E. Bonferroni), so that no bound has no width because a rare
event was not drawn. A label that is outstanding counts as the worst that it could be. Bounds of the verdict
take parts of one lot as correlated (beta-binomial: J. G. Skellam, J. R. Stat. Soc. B 10, 1948; correlation
{correlation:g}, or more where the lots show more), for defects come in bursts.

When a goal is ready
Only at looks that were fixed beforehand, after once, twice and four times the planned {days:g} days, each
with its share of the error: who looks every day and stops at the first good one will see a good one. The
month begins with the first part, or on the day that was said beforehand, and anew with each change of what
moves verdicts or of a limit: parts of before are left out. Its limits are the margins of non-inferiority.

Comparing
McNemar's exact test on the parts that two call differently (Psychometrika 12, 1947); a large p proves
nothing. κ: Cohen's, with the interval of J. L. Fleiss, J. Cohen and B. S. Everitt (Psychol. Bull. 72,
1969). Effectiveness, miss and false alarm: AIAG, Measurement Systems Analysis, 4th edition; acceptable from
90 %, to 2 %, to 5 %, marginal from 80 %, to 5 %, to 10 %.

Drift
PSI: the sum of (a - e) ln(a / e) over the deciles of the first week (B. Yurdakul, Statistical Properties of
Population Stability Index, 2018). KS: the largest distance of the two distributions (Kolmogorov, Smirnov).
Sharpness of a picture: the variance of the Laplacian (J. L. Pech-Pacheco et al., Diatom autofocusing in
brightfield microscopy, ICPR 2000).
"""

_SEEDED = """
Seeded parts
Parts with a serial number like {seeded} were put in on purpose, bad and known to be. They count among the
true NG that the inspector finds, of which a goal overrules some, and in no rate of all parts; in escapes
added only by that miss rate, times the true NG that the inspector finds without them. Whether seeded
defects are like those that the line makes by itself no figure here can tell: where they are easier to see,
the miss rate of real ones is higher than it says, so who made them, and how, is to be told beside it.
"""

_POOLED = """
Lines that are pooled
Parts of {lines} are taken together for the verdict, the figures and the limits of line {line}; lots of
different lines are different lots. Their verdicts come about in the same way, but their parts, lamps and
cameras are their own: where one line's miss rate is higher, the others hide a part of it. So the table of
lines is to be read with the verdict, and no goal is ready while one of the lines alone is beyond a limit.
"""


def method(facts: Facts) -> Section:
    """Return how it was done, in words."""
    told = []
    blocks = _METHOD.strip().split("\n\n") + ([_SEEDED.strip()] if facts["seeded"]["parts"] else [])
    blocks += [_POOLED.strip()] if facts["pool"] else []
    for block in blocks:
        name, text = block.split("\n", 1)
        lines = ", ".join(one["line"] for one in facts["pool"])
        said = text.replace("\n", " ").format(lines=lines, line=facts["line"], **facts["limits"])
        told.append((name, said))
    return Section(title="Method", body=[page.facts(told)])
