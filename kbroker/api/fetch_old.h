/*
 * fetch_old -- what Fetch owes clients of before version 10: no zstd, and
 * up to version 3 records in the format of their time (KIP-283).
 */
#ifndef KB_API_FETCH_OLD_H
#define KB_API_FETCH_OLD_H

#include "kbroker/api/request.h"
#include "kbroker/replica/partition.h"

/*
 * Looks at what was read for a request below version 10 and makes *records what
 * may be sent: as they are, or converted in *converted (malloc'ed, the
 * caller's).  Returns a KP code.
 */
int16_t kb_fetch_old(struct kb_request *req, struct kb_partition *p,
    struct kb_partition_read *r, struct kc_records *records,
    uint8_t **converted);

#endif
