/*
 * kc_wr -- growing writer of one outgoing message.
 *
 * Memory bytes go into one contiguous buffer (offsets stay valid when it
 * grows; pointers do not).  Records that lie in a file are not copied: they
 * are noted as a cut, "at buffer offset at, len bytes of this file come
 * here", and the sender interleaves buffer and files (sendfile).  The cuts
 * hold a reference on their file until kc_wr_fini().
 *
 * Errors (out of memory, over the limit) are sticky, as in kc_rd.
 *
 * @thread any (a kc_wr belongs to one message at a time)
 */
#ifndef KC_WR_H
#define KC_WR_H

#include "kcommon/base/refcount.h"
#include "kcommon/base/str.h"
#include "kcommon/base/uuid.h"

/*
 * An open file that outlives the segment that opened it for as long as a
 * response is still sending from it.  The last put closes the descriptor.
 */
struct kc_fileref {
	struct kc_ref ref;
	int fd; /* of env->file; constant */
	void (*release)(struct kc_fileref *f); /* closes and frees */
};

static inline struct kc_fileref *
kc_fileref_get(struct kc_fileref *f)
{
	kc_ref_get(&f->ref);
	return f;
}

static inline void
kc_fileref_put(struct kc_fileref **fp)
{
	struct kc_fileref *f = *fp;

	*fp = NULL;
	if (f != NULL && kc_ref_put(&f->ref))
		f->release(f);
}

/*
 * The value of a "records" field: null (len -1), borrowed memory (p set), or
 * a range of a file (file set; the holder of the struct owns one reference
 * and gives it to the writer, which takes its own).
 */
struct kc_records {
	int32_t len; /* -1 null */
	const uint8_t *p; /* borrowed; NULL for a file range */
	struct kc_fileref *file;
	int64_t file_off;
};

#define KC_RECORDS_NULL ((struct kc_records){ .len = -1 })

struct kc_cut {
	size_t at; /* offset in the buffer before which the file comes */
	struct kc_fileref *file; /* owned reference */
	int64_t off;
	size_t len;
};

struct kc_wr {
	uint8_t *p; /* malloc'ed, owned */
	size_t len;
	size_t cap;
	size_t max; /* limit for len; 0 means INT32_MAX */
	struct kc_cut *cuts; /* ascending at; owned */
	size_t ncuts;
	size_t cuts_cap;
	size_t cut_bytes; /* sum of their len */
	int err;
};

void kc_wr_init(struct kc_wr *w, size_t max);
/* Drops content and file references, keeps the buffer for reuse. */
void kc_wr_reset(struct kc_wr *w);
void kc_wr_fini(struct kc_wr *w);
/* Fail from outside: sets err if there is none yet. */
void kc_wr_fail(struct kc_wr *w, int err);
/* Room for n more bytes; false and sticky error when there is none. */
bool kc_wr_room(struct kc_wr *w, size_t n);

void kc_wr_i8(struct kc_wr *w, int8_t v);
void kc_wr_i16(struct kc_wr *w, int16_t v);
void kc_wr_u16(struct kc_wr *w, uint16_t v);
void kc_wr_i32(struct kc_wr *w, int32_t v);
void kc_wr_u32(struct kc_wr *w, uint32_t v);
void kc_wr_i64(struct kc_wr *w, int64_t v);
void kc_wr_f64(struct kc_wr *w, double v);
void kc_wr_uuid(struct kc_wr *w, const struct kc_uuid *u);
void kc_wr_uvarint(struct kc_wr *w, uint32_t v);
void kc_wr_varint(struct kc_wr *w, int32_t v);
void kc_wr_varlong(struct kc_wr *w, int64_t v);
void kc_wr_bytes(struct kc_wr *w, const void *p, size_t n);
void kc_wr_str(struct kc_wr *w, struct kc_str s); /* classic */
void kc_wr_cstr(struct kc_wr *w, struct kc_str s); /* compact */
/* len bytes of file from off come here; takes its own reference. */
void kc_wr_file(
    struct kc_wr *w, struct kc_fileref *file, int64_t off, size_t len);
/* Overwrite 4 bytes at offset at (a size written first as 0). */
void kc_wr_patch_i32(struct kc_wr *w, size_t at, int32_t v);
/* Bytes on the wire: buffer and all cuts. */
size_t kc_wr_total(const struct kc_wr *w);

#endif
