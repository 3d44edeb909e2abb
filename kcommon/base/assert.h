/*
 * assert -- for our own bugs only; always compiled in.
 *
 * A failed assertion prints where and what, runs the panic hooks of this
 * thread's logger (last log lines), and aborts.  What the world or a peer
 * can cause is never an assertion: return a KC_E*.
 *
 * Objects carry a magic number as first field; KC_CHECK() holds a pointer
 * to it, so that a use after free or a wrong cast ends here and not later.
 */
#ifndef KC_ASSERT_H
#define KC_ASSERT_H

#include "kcommon/base/kc.h"

#include <stdlib.h>

#define KC_ASSERT(cond)                                                        \
	do {                                                                   \
		if (KC_UNLIKELY(!(cond)))                                      \
			kc_panic(__FILE__, __LINE__, __func__, #cond);         \
	} while (0)

#define KC_CHECK(p, MAGIC) KC_ASSERT((p) != NULL && (p)->magic == (MAGIC))

KC_NORETURN void kc_panic(
    const char *file, int line, const char *func, const char *what);

/* Zeroed object with its magic set, or NULL; released by kc_delete(). */
#define kc_new(type, MAGIC)                                                    \
	({                                                                     \
		type *kc_new_p = calloc(1, sizeof *kc_new_p);                  \
		if (kc_new_p != NULL)                                          \
			kc_new_p->magic = (MAGIC);                             \
		kc_new_p;                                                      \
	})

/* Frees the object and clears its magic first.  p must not be NULL. */
#define kc_delete(p)                                                           \
	do {                                                                   \
		(p)->magic = 0;                                                \
		free(p);                                                       \
	} while (0)

#endif
