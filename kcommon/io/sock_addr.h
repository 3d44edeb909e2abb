/*
 * sock_addr -- socket addresses as text; private to kcommon/io.
 */
#ifndef KC_SOCK_ADDR_H
#define KC_SOCK_ADDR_H

#include "kcommon/io/sock.h"

#include <sys/socket.h>

/*
 * "127.0.0.1:9092" or "[::1]:9092" into addr and "::1" into host (may be
 * NULL), both of KC_ADDR_TEXT; an IPv4 address mapped into IPv6 is shown as
 * IPv4.
 */
void kc_addr_text(const struct sockaddr *sa, char *addr, char *host);
/* The same of a descriptor's own or its peer's end. */
void kc_addr_of_fd(int fd, char *addr, char *host, bool peer);

/* sock.c, for the table in listen.c */
int kc_sock_accept(struct kc_stream **sp, struct kc_loop *loop, int handle,
    struct kc_tls *tls);
int kc_sock_connect(struct kc_stream **sp, struct kc_loop *loop,
    const char *host, int port, struct kc_tls *tls);

#endif
