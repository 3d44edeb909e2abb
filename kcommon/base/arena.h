/*
 * arena -- memory of one request, freed at once.
 *
 * Chunks grow from 4 KiB; kc_arena_alloc() returns NULL beyond the cap given
 * at init (the caller answers or closes), so that a lying request cannot take
 * unbounded memory.  Reset keeps the first chunk for the next request.
 *
 * @thread any (an arena belongs to one request at a time)
 */
#ifndef KC_ARENA_H
#define KC_ARENA_H

#include "kcommon/base/kc.h"
#include "kcommon/base/str.h"

struct kc_arena_chunk;

struct kc_arena {
	struct kc_arena_chunk *head; /* newest first; NULL before first use */
	size_t used; /* bytes handed out */
	size_t cap; /* limit for used */
};

void kc_arena_init(struct kc_arena *a, size_t cap);
/* Zeroed and 16-byte aligned; NULL over the cap or out of memory. */
void *kc_arena_alloc(struct kc_arena *a, size_t n);
/* n * size, checked for overflow. */
void *kc_arena_array(struct kc_arena *a, size_t n, size_t size);
/* A NUL-terminated copy living in the arena; null stays null. */
struct kc_str kc_arena_str(struct kc_arena *a, struct kc_str s);
char *kc_arena_printf(struct kc_arena *a, const char *fmt, ...) KC_PRINTF(2, 3);
void kc_arena_reset(struct kc_arena *a);
void kc_arena_fini(struct kc_arena *a);

#endif
