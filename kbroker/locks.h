/*
 * locks -- LK_* ranks of the broker's locks, from locks.def.
 */
#ifndef KB_LOCKS_H
#define KB_LOCKS_H

enum kb_lock_rank {
#define X(name, rank, what) LK_##name = (rank),
#include "kbroker/locks.def"
#undef X
};

#endif
