/*
 * thread -- named threads.  A new one inherits the creator's logger, blocks
 * all signals but SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, and shows its
 * name in ps, gdb and top (15 bytes).
 */
#ifndef KC_THREAD_H
#define KC_THREAD_H

#include "kcommon/base/kc.h"

struct kc_thread;

int kc_thread_start(
    struct kc_thread **tp, const char *name, void (*fn)(void *arg), void *arg);
/* Waits for its end and frees it; *tp NULL is fine. */
void kc_thread_join(struct kc_thread **tp);

#endif
