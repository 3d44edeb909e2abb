#include "kbroker/log/scan.h"

#include "kcommon/base/err.h"

void
kb_scan_init(
    struct kb_scan *sc, const struct kc_file_ops *f, int fd, int64_t end)
{
	sc->f = f;
	sc->fd = fd;
	sc->end = end;
	sc->at = 0;
	sc->n = 0;
}

int
kb_scan_head(struct kb_scan *sc, int64_t pos, struct kc_batch *b)
{
	int64_t left = sc->end - pos;
	size_t want = (size_t)KC_MIN(left, (int64_t)sizeof sc->buf);
	int rc;

	if (left == 0)
		return KC_ENOENT;
	if (left < KC_BATCH_TO_MAGIC || pos < 0)
		return KC_ECORRUPT;
	if (pos < sc->at ||
	    pos + KC_MIN(left, KC_BATCH_OVERHEAD) > sc->at + (int64_t)sc->n) {
		sc->n = 0;
		rc = sc->f->pread(sc->fd, sc->buf, want, pos, &sc->n);
		if (rc != KC_OK)
			return rc;
		sc->at = pos;
		if (sc->n < want)
			return KC_ECORRUPT; /* somebody cut the file */
	}
	/* Parsing reads the fixed header only, which is in buf. */
	rc = kc_batch_parse(sc->buf + (pos - sc->at), (size_t)left, b);
	return rc == KC_OK ? KC_OK : KC_ECORRUPT;
}
