/*
 * file_guard -- a SIGBUS on mapped file memory becomes KC_EIO.
 *
 * A media error, or a file cut by somebody else, raises SIGBUS at the copy.
 * Code that touches a map puts the access between begin and end:
 *
 *	if (kc_guard_begin(&g, map, len) != 0)
 *		return KC_EIO;		(we came back from a SIGBUS)
 *	memcpy(map + off, p, n);
 *	kc_guard_end(&g);
 *
 * Only an address inside [map, map + len) of the innermost guard of this
 * thread is caught; any other SIGBUS is a crash as before.  Costs a sigsetjmp
 * without mask save.  Nothing that must be undone may happen in between.
 */
#ifndef KC_FILE_GUARD_H
#define KC_FILE_GUARD_H

#include "kcommon/base/kc.h"

#include <setjmp.h>

struct kc_guard {
	struct kc_guard *outer;
	const char *p;
	size_t len;
	sigjmp_buf env;
};

/* Installs the process's SIGBUS handler; safe to call again.  @thread any */
int kc_guard_install(void);
void kc_guard_push(struct kc_guard *g, const void *p, size_t len);
void kc_guard_end(struct kc_guard *g);

#define kc_guard_begin(g, p, len)                                              \
	(kc_guard_push((g), (p), (len)), sigsetjmp((g)->env, 0))

#endif
