/*
 * kc.h -- attributes and small macros that every file may use.
 */
#ifndef KC_H
#define KC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KC_UNUSED __attribute__((unused))
#define KC_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define KC_NORETURN __attribute__((noreturn))
#define KC_MUST_USE __attribute__((warn_unused_result))
#define KC_LIKELY(x) __builtin_expect(!!(x), 1)
#define KC_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define KC_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KC_MIN(a, b) ((a) < (b) ? (a) : (b))
#define KC_MAX(a, b) ((a) > (b) ? (a) : (b))
#define KC_CONTAINER(p, type, field)                                           \
	((type *)(void *)((char *)(p)-offsetof(type, field)))

#endif
