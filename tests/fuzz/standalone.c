/*
 * Replays a fuzz target's corpus without libFuzzer, so that every `make
 * check` does, whatever the compiler.
 *
 * Arguments are files, or folders of files; those that begin with '-' are
 * libFuzzer's options and are passed over.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define INPUT_MAX (16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	struct stat st;
	uint8_t *data;

	if (f == NULL || fstat(fileno(f), &st) != 0 || st.st_size > INPUT_MAX) {
		perror(path);
		return -1;
	}
	/* Exactly as large as the input: one byte too many is caught. */
	data = malloc((size_t)st.st_size);
	if ((data == NULL && st.st_size > 0) ||
	    fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
		perror(path);
		return -1;
	}
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	return 1;
}

static int
replay(const char *path)
{
	struct dirent *d;
	char file[4096];
	struct stat st;
	DIR *dir;
	int n = 0;

	if (stat(path, &st) != 0)
		return 0; /* no corpus yet */
	if (!S_ISDIR(st.st_mode))
		return replay_file(path);
	if ((dir = opendir(path)) == NULL) {
		perror(path);
		return -1;
	}
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(file, sizeof file, "%s/%s", path, d->d_name);
		if (replay_file(file) < 0) {
			n = -1;
			break;
		}
		n++;
	}
	closedir(dir);
	return n;
}

int
main(int argc, char **argv)
{
	int total = 0;
	int i;

	/* The empty input always. */
	LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	for (i = 1; i < argc; i++) {
		int n = argv[i][0] == '-' ? 0 : replay(argv[i]);

		if (n < 0)
			return 1;
		total += n;
	}
	printf("%d inputs\n", total);
	return 0;
}
