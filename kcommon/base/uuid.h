/*
 * uuid -- Kafka's Uuid: 16 raw bytes on the wire, URL-safe base64 without
 * padding (22 characters) as text.  Zero means "none".
 */
#ifndef KC_UUID_H
#define KC_UUID_H

#include "kcommon/base/kc.h"
#include "kcommon/base/str.h"

#define KC_UUID_TEXT 23 /* with the NUL */

struct kc_uuid {
	uint8_t b[16];
};

#define KC_UUID_ZERO ((struct kc_uuid){ { 0 } })

bool kc_uuid_is_zero(const struct kc_uuid *u);
bool kc_uuid_eq(const struct kc_uuid *a, const struct kc_uuid *b);
/* buf holds KC_UUID_TEXT bytes; returns buf. */
const char *kc_uuid_text(const struct kc_uuid *u, char *buf);
/* KC_OK or KC_EINVAL. */
int kc_uuid_parse(struct kc_str s, struct kc_uuid *u);

struct kc_rand;
/* Version 4, never reserved (0, 1), text never starts with '-'. */
void kc_uuid_random(struct kc_rand *r, struct kc_uuid *u);

#endif
