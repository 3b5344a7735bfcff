/* Preloaded: fdatasync of a journal fails with EIO as many more times as the file FDATASYNC_FAULTS_FILE says.

   Only then: who syncs once more is told that all is well, as Linux does after a write that was lost. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile int64_t *faults;
static int (*real_fdatasync)(int);

__attribute__((constructor)) static void begin(void) {
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    const char *name = getenv("FDATASYNC_FAULTS_FILE");
    int file = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(NULL, sizeof *faults, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped != MAP_FAILED) faults = mapped;
    close(file);
}

static int is_journal(int file) {
    static const char ending[] = ".journal";
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path);
    size_t ends = sizeof ending - 1;
    return length >= (ssize_t)ends && !memcmp(path + length - ends, ending, ends);
}

int fdatasync(int file) {
    if (faults && *faults > 0 && is_journal(file) && __sync_fetch_and_sub(faults, 1) > 0) {
        errno = EIO;
        return -1;
    }
    return real_fdatasync(file);
}
