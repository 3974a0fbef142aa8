"""The records of the filling: what stands where in its flat sequences, and the constants of its arithmetic.

Part of the source that :mod:`fairslice.alloc.kernel.backends` runs with several backends: see
:mod:`fairslice.alloc.kernel.filling`.
"""

ZERO = 0.0
NEVER = float("inf")
DONE = -1.0
"""The key of what has happened for good."""
TIE = 1e-25
"""Instants that differ by less than this share are the same."""
MARGIN = 2.0**-48
"""Leading digits that differ by less than this share may be in the wrong order."""
NEARLY = 1 - 2.0**-49
"""Turns a quotient of leading digits into a bound from below."""
UNIT = 2.0**-90
"""What the rounding of all operations on a room together may come to, as a share of the capacity."""
COARSE = 2.0**-30
"""A sum of which less than this share is left is added up afresh."""
FORGIVEN = 1e-12
"""Floors may exceed a capacity by this share of it: a guarantee split over its flows is rounded in each."""
MET = 1 - 1e-12
"""A flow that holds this share of its cap is at it: a demand that a link just fits is met."""

# Of a place, in ``link``, PLACE numbers a place: one line of a processor's cache, and all that the innermost
# loops touch. Pairs: ROOM, GROWTH. RISING is how many classes have flows that rise here, MOST the largest
# growth since it was last added up.
ROOM, GROWTH, RISING, ERROR, CAPACITY, MOST, PLACE = 0, 2, 4, 5, 6, 7, 8

# Of a place, in ``users_of``: its classes are ``users[FIRST : FIRST + LENGTH]``, and the first NEAR of them
# those whose next event may be near; STAMP is the serial number of the instant when the place was full,
# SEEN whether it is listed as touched.
FIRST, LENGTH, NEAR, STAMP, SEEN, USERS = 0, 1, 2, 3, 4, 5

# Of a place, in ``ends``: when it was full (a pair); times before which no class has an event, of all there
# and of those that aren't near.
FULL, QUIET, FAR, END = 0, 2, 3, 4

# Of a class, in ``rise``. Pairs: WEIGHT of its flows that rise; and, only where rises change (records are
# WIDE then), RHO and LEVEL, which is alpha until the class stops, WHOLE weight of its flows that are not at
# their caps, HELD by those below their floors. SLACK is the error of LEVEL. ``soon`` has the leading digits
# of the instant of a class's next event, or DONE once it has stopped; LATER has the rest of them, or
# when the last flow reached its cap.
WEIGHT, LATER, RHO, LEVEL, WHOLE, HELD, SLACK = 0, 2, 3, 5, 7, 9, 11
NARROW, WIDE = 3, 12

# Of a class, in ``mark``: its next event, how many flows are not at their caps, how many rise, whether it
# is listed as dirty.
EVENT, LEFT, CLIMBERS, DUE, MARK = 0, 1, 2, 3, 4

# Of an event, in ``event``: the level where it happens (a pair), what the flow holds from then on whatever
# its level, and the weight that begins or ends to rise.
AT, AMOUNT, CHANGE, HAPPENING = 0, 2, 3, 4

# Of a group, in ``share``: the weight of the slice, the sum of its flows' weights here (a pair) and the
# largest that it was since it was last added up, the grant (a pair), whether it is listed as changed.
SHARE, SUM, LARGEST, GRANT, LISTED, GROUP = 0, 1, 3, 4, 6, 7

# Of ``counts``: the length of the lists of groups whose weights have changed, of classes whose rises may
# change, of places whose growth has (where they have to be looked at again), and of the heap; how many steps
# inheriting has taken so far, and how many it may take (below 0: as many as it likes).
CHANGED, DIRTY, TOUCHED, WAITING, WARM, STEPS, MOST_STEPS, COUNTS = 0, 1, 2, 3, 4, 5, 6, 7

PER_USE = 8
"""Steps that a use of a link takes when its class inherits; to look for an heir is one."""
GIVEN_UP = -2
"""In place of an overbooked place: the filling would take more steps than it may."""

OPEN, CAPPED = -2, -1
"""What stopped a class: nothing yet; the caps of all of its flows. Else the number of a place."""
