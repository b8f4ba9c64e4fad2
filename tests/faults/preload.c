/* Stands between a program and libc (LD_PRELOAD): counts the calls that change a folder, and lets the
 * process die, or the disk be full, at one of them. tests/faults/points.py arms it in a child. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COUNT, KILL, FULL };
static const char *folder = 0;
static int mode = COUNT, point = 0, calls = 0;

void fault_arm(const char *watched, int new_mode, int at) {
    folder = strdup(watched), mode = new_mode, point = at, calls = 0;
}
int fault_calls(void) { return calls; }

/* Whether this call is to fail; `grows`: it is one that needs room on the disk. */
static int fails(const char *path, int grows) {
    if (!folder || !path || !strstr(path, folder) || (mode == FULL && !grows)) return 0;
    calls++;
    if (mode == KILL && calls == point) _exit(9);
    if (mode == FULL && calls >= point) { errno = ENOSPC; return 1; }
    return 0;
}
static const char *of_handle(int handle, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", handle);
    ssize_t size = readlink(link, path, PATH_MAX - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return path;
}
/* Paths beside a handle (rmtree) are short names: the folder of the handle tells. */
static const char *at(int handle, const char *path, char *buffer) {
    return path[0] == '/' || handle == AT_FDCWD ? path : of_handle(handle, buffer);
}
#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); va_list list; va_start(list, flags); mode_t m = va_arg(list, mode_t); va_end(list); \
        if ((flags & O_CREAT) && fails(path, 1)) return -1; \
        return real(path, flags, m); }
OPEN(open)
OPEN(open64)
ssize_t write(int handle, const void *data, size_t size) {
    REAL(write); char path[PATH_MAX];
    if (fails(of_handle(handle, path), 1)) return -1;
    return real(handle, data, size);
}
int fsync(int handle) {
    REAL(fsync); char path[PATH_MAX];
    if (fails(of_handle(handle, path), 1)) return -1;
    return real(handle);
}
int rename(const char *from, const char *to) { REAL(rename); if (fails(to, 0)) return -1; return real(from, to); }
int unlink(const char *path) { REAL(unlink); if (fails(path, 0)) return -1; return real(path); }
int rmdir(const char *path) { REAL(rmdir); if (fails(path, 0)) return -1; return real(path); }
int mkdir(const char *path, mode_t m) { REAL(mkdir); if (fails(path, 1)) return -1; return real(path, m); }
int unlinkat(int handle, const char *path, int flags) {
    REAL(unlinkat); char buffer[PATH_MAX];
    if (fails(at(handle, path, buffer), 0)) return -1;
    return real(handle, path, flags);
}
