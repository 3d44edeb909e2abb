/*
 * crc32c -- the checksum of record batches v2 (CRC-32C, Castagnoli).
 *
 * ISA-L where the processor has SSE 4.2, else a table of our own, chosen on
 * each call (the compiler's processor model is read once at start).  The
 * value of "123456789" is 0xe3069283.
 *
 * @thread any
 */
#ifndef KC_CRC32C_H
#define KC_CRC32C_H

#include "kcommon/base/kc.h"

/* The CRC of p[0..len) appended to bytes whose CRC is crc (0 for none). */
uint32_t kc_crc32c(uint32_t crc, const void *p, size_t len);

/* The same by table, eight bytes a step: for tests and old processors. */
uint32_t kc_crc32c_table(uint32_t crc, const void *p, size_t len);

#endif
