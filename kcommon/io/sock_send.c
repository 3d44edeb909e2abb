/* Sending a message of memory and file pieces; the plain stream's send. */
#include "kcommon/base/err.h"
#include "kcommon/io/sock_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

/* A piece of a file below this is copied: README, "Measured". */
#define SENDFILE_MIN (16 * 1024)

bool
kc_send_next(struct kc_send *send, struct kc_piece *pc)
{
	const struct kc_wr *w = send->w;
	const struct kc_cut *cut;
	size_t end;

	while (
	    send->cut < w->ncuts && w->cuts[send->cut].at == send->mem_done) {
		cut = &w->cuts[send->cut];
		if (send->cut_done < cut->len) {
			pc->p = NULL;
			pc->fd = cut->file->fd;
			pc->off = cut->off + (int64_t)send->cut_done;
			pc->len = cut->len - send->cut_done;
			pc->last = send->cut + 1 == w->ncuts &&
			    send->mem_done == w->len;
			return true;
		}
		send->cut++;
		send->cut_done = 0;
	}
	end = send->cut < w->ncuts ? w->cuts[send->cut].at : w->len;
	if (send->mem_done == end)
		return false;
	pc->p = w->p + send->mem_done;
	pc->len = end - send->mem_done;
	pc->last = send->cut == w->ncuts;
	return true;
}

void
kc_send_done(struct kc_send *send, size_t n)
{
	if (send->cut < send->w->ncuts &&
	    send->w->cuts[send->cut].at == send->mem_done)
		send->cut_done += n;
	else
		send->mem_done += n;
}

void
kc_send_skip(struct kc_send *send, size_t n)
{
	struct kc_piece pc;
	size_t k;

	for (; n > 0 && kc_send_next(send, &pc); n -= k) {
		k = KC_MIN(n, pc.len);
		kc_send_done(send, k);
	}
}

/* Up to want bytes of the piece at hand, at least one; -1: so has failed. */
static ssize_t
copy_piece(struct kc_sock *so, const struct kc_piece *pc, char *to, size_t want)
{
	ssize_t r;

	if (pc->p != NULL) {
		memcpy(to, pc->p, want);
		return (ssize_t)want;
	}
	do
		r = pread(pc->fd, to, want, pc->off);
	while (r == -1 && errno == EINTR);
	if (r > 0)
		return r;
	if (r == -1)
		(void)kc_sock_fail(
		    so, KC_EIO, "read of a file: %s", strerror(errno));
	else
		(void)kc_sock_fail(so, KC_EIO,
		    "file ends at %lld, %zu bytes short", (long long)pc->off,
		    pc->len);
	return -1;
}

ssize_t
kc_send_gather(struct kc_sock *so, struct kc_send *walk, size_t file_max,
    char *buf, size_t cap)
{
	struct kc_piece pc;
	size_t n = 0;
	ssize_t r;

	while (n < cap && kc_send_next(walk, &pc)) {
		if (pc.p == NULL && pc.len >= file_max)
			break;
		r = copy_piece(so, &pc, buf + n, KC_MIN(pc.len, cap - n));
		if (r == -1)
			return -1;
		kc_send_done(walk, (size_t)r);
		n += (size_t)r;
	}
	return (ssize_t)n;
}

/*
 * Pieces that are small go together, by one call: what sendfile() costs for
 * itself is as much as copying 16 KiB or so.
 */
static ssize_t
send_copies(struct kc_sock *so, const struct kc_send *msg, size_t file_max)
{
	char *buf = kc_loop_scratch(so->s.loop);
	struct kc_send walk = *msg;
	struct kc_piece pc;
	ssize_t n;

	if (buf == NULL) {
		errno = ENOMEM;
		return -1;
	}
	n = kc_send_gather(so, &walk, file_max, buf, KC_SCRATCH_SIZE);
	if (n == -1)
		return -1;
	return send(so->io.fd, buf, (size_t)n,
	    MSG_NOSIGNAL | (kc_send_next(&walk, &pc) ? MSG_MORE : 0));
}

static ssize_t
send_piece(struct kc_sock *so, struct kc_send *msg, const struct kc_piece *pc)
{
	size_t len = KC_MIN(pc->len, KC_SEND_BURST);
	off_t off = pc->off;
	ssize_t r;

	if (pc->p != NULL && (pc->last || len >= KC_SCRATCH_SIZE))
		return send(so->io.fd, pc->p, len,
		    MSG_NOSIGNAL | (pc->last ? 0 : MSG_MORE));
	if (pc->p != NULL || len < SENDFILE_MIN)
		return send_copies(so, msg, SENDFILE_MIN);
	r = sendfile(so->io.fd, pc->fd, &off, len);
	if (r == 0)
		(void)kc_sock_fail(so, KC_EIO,
		    "file ends at %lld, %zu bytes short", (long long)pc->off,
		    pc->len);
	if (r == -1 && errno == EIO)
		(void)kc_sock_fail(so, KC_EIO, "sendfile: %s", strerror(errno));
	/* Not every file system has it. */
	if (r == -1 && (errno == EINVAL || errno == ENOSYS))
		r = send_copies(so, msg, SIZE_MAX);
	return r;
}

int
kc_sock_send(struct kc_stream *s, struct kc_send *msg)
{
	struct kc_sock *so = (struct kc_sock *)s;
	struct kc_piece pc;
	size_t sent = 0;
	ssize_t r;

	if (so->state != KC_SOCK_OPEN && so->state != KC_SOCK_FAILED)
		return KC_EAGAIN;
	while (so->state == KC_SOCK_OPEN && kc_send_next(msg, &pc)) {
		if (sent >= KC_SEND_BURST)
			return KC_EAGAIN;
		r = send_piece(so, msg, &pc);
		if (so->state == KC_SOCK_FAILED || (r == -1 && errno == EINTR))
			continue;
		if (r == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return KC_EAGAIN;
		if (r == -1)
			return kc_sock_fail_errno(so, "write");
		kc_send_skip(msg, (size_t)r);
		sent += (size_t)r;
	}
	return so->state == KC_SOCK_FAILED ? so->err : KC_OK;
}
