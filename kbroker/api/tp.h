/*
 * tp -- topic partitions that a client names, to be looked up.
 *
 * @thread any
 */
#ifndef KB_API_TP_H
#define KB_API_TP_H

#include "kcommon/base/str.h"

struct kb_tp {
	struct kc_str topic; /* borrowed */
	int32_t index;
};

/* By topic, then by index; for qsort() and bsearch(). */
int kb_tp_cmp(const void *a, const void *b);
void kb_tp_sort(struct kb_tp *v, size_t n);
/* In v[0..n), which is sorted. */
bool kb_tp_has(
    const struct kb_tp *v, size_t n, struct kc_str topic, int32_t index);

#endif
