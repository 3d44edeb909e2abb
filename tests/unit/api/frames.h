/*
 * frames -- requests and answers captured from a real broker.
 *
 * They lie outside the tree: in $KB_SHARED, or beside the source tree.
 */
#ifndef TESTS_API_FRAMES_H
#define TESTS_API_FRAMES_H

#include "kcommon/proto/kp.h"

struct frame {
	uint8_t *p; /* owned; exactly n bytes */
	size_t n;
};

struct captured {
	char label[64]; /* "CreateTopics v5 errors" */
	struct frame request; /* with its header */
	struct frame response;
};

/*
 * Those of the APIs named, "A,B", in the order of the file; -1 when there is
 * no such file.
 */
int load_frames(const char *apis, struct captured *v, int max);
void free_frames(struct captured *v, int n);

/* The real broker's answer, out of the frame. */
void decode_answer(const struct frame *f, const struct kp_api *api,
    int16_t version, struct kc_arena *a, void *out);

#endif
