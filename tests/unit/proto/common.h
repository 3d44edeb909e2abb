/*
 * common -- what the tests of the protocol share.
 *
 * The reference (schemas and frames of a real broker) lies outside the tree:
 * in $KB_SHARED, or beside the source tree; tests that need it are skipped
 * with a message where it is absent.
 */
#ifndef PROTO_COMMON_H
#define PROTO_COMMON_H

#include "kcommon/proto/kp.h"

#include <limits.h>
#include <stdio.h>

/* Large enough for everything that tests make. */
#define ARENA_CAP (64u << 20)

/* Calls fn for every message of every API in every version. */
void each_message(void (*fn)(const struct kp_msg *m, int16_t version));

/* "Fetch v12 response"; buf is returned. */
#define LABEL_MAX 80
const char *label(const struct kp_msg *m, int16_t version, char *buf);

/* The path of a reference file; buf is returned. */
const char *reference(const char *name, char buf[PATH_MAX]);

/* A copy of exactly n bytes, to be freed. */
uint8_t *exact(const void *p, size_t n);

#endif
