#include "kcommon/base/arena.h"

#include "kcommon/base/assert.h"

#include <stdarg.h>
#include <stdio.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif

/*
 * With AddressSanitizer what was not handed out is poisoned, and a gap
 * follows each piece: an overrun inside a chunk is caught like one on the
 * heap.
 */
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define GAP 16
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define GAP 0
#endif

#define ALIGN 16
#define CHUNK_MIN 4096
#define CHUNK_MAX ((size_t)256 * 1024) /* larger pieces get their own */

struct kc_arena_chunk {
	struct kc_arena_chunk *next; /* older */
	size_t size; /* of data */
	size_t used;
	_Alignas(ALIGN) uint8_t data[];
};

void
kc_arena_init(struct kc_arena *a, size_t cap)
{
	a->head = NULL;
	a->used = 0;
	a->cap = cap;
}

static bool
grow(struct kc_arena *a, size_t need)
{
	struct kc_arena_chunk *c;
	size_t size = CHUNK_MIN - sizeof *c;

	if (a->head != NULL)
		size = KC_MIN(a->head->size * 2, CHUNK_MAX);
	size = KC_MAX(size, need);
	if ((c = malloc(sizeof *c + size)) == NULL)
		return false;
	c->next = a->head;
	c->size = size;
	c->used = 0;
	POISON(c->data, size);
	a->head = c;
	return true;
}

void *
kc_arena_alloc(struct kc_arena *a, size_t n)
{
	struct kc_arena_chunk *c;
	size_t need;
	void *p;

	/* One byte at least, so that no two pieces share an address. */
	need = n == 0 ? 1 : n;
	if (need > a->cap - a->used)
		return NULL;
	if (__builtin_add_overflow(need, ALIGN - 1 + GAP, &need))
		return NULL;
	need &= ~(size_t)(ALIGN - 1);
	c = a->head;
	if (c == NULL || need > c->size - c->used) {
		if (!grow(a, need))
			return NULL;
		c = a->head;
	}
	p = c->data + c->used;
	c->used += need;
	/* What the alignment costs counts, but never makes used pass cap. */
	a->used = KC_MIN(a->used + need - GAP, a->cap);
	UNPOISON(p, n);
	return memset(p, 0, n);
}

void *
kc_arena_array(struct kc_arena *a, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all))
		return NULL;
	return kc_arena_alloc(a, all);
}

struct kc_str
kc_arena_str(struct kc_arena *a, struct kc_str s)
{
	char *p;

	if (s.len < 0)
		return KC_STR_NULL;
	if ((p = kc_arena_alloc(a, (size_t)s.len + 1)) == NULL)
		return KC_STR_NULL;
	if (s.len > 0)
		memcpy(p, s.p, (size_t)s.len);
	return (struct kc_str){ p, s.len };
}

char *
kc_arena_printf(struct kc_arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || (p = kc_arena_alloc(a, (size_t)n + 1)) == NULL)
		return NULL;
	va_start(ap, fmt);
	(void)vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

static void
chunk_free(struct kc_arena_chunk *c)
{
	UNPOISON(c->data, c->size);
	free(c);
}

void
kc_arena_reset(struct kc_arena *a)
{
	struct kc_arena_chunk *c;

	while (a->head != NULL && a->head->next != NULL) {
		c = a->head;
		a->head = c->next;
		chunk_free(c);
	}
	/* A first chunk made for one huge piece is not worth keeping. */
	if (a->head != NULL && a->head->size > CHUNK_MAX) {
		chunk_free(a->head);
		a->head = NULL;
	}
	if (a->head != NULL) {
		a->head->used = 0;
		POISON(a->head->data, a->head->size);
	}
	a->used = 0;
}

void
kc_arena_fini(struct kc_arena *a)
{
	kc_arena_reset(a);
	if (a->head != NULL)
		chunk_free(a->head);
	a->head = NULL;
}
