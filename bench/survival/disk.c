/* Fails calls on the disk below one folder, and moves the clock, inside a process that preloads it.
 *
 * RADIANCE_FAULT_ROOT is the folder, RADIANCE_FAULT_FILE a file of six 64-bit numbers that both
 * sides map: mode (0 counts only, 1 fails call n, 2 fails from call n on, 3 drops syncs), n, errno,
 * calls so far, calls failed, seconds added to the wall clock.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
  volatile long long mode, at, error, calls, failed, seconds;
};
static struct control none, *control = &none;
static char root[PATH_MAX];
static size_t root_length;

#define REAL(name)                                                \
  ({                                                              \
    static __typeof__(&name) found;                               \
    if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    found;                                                        \
  })

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("RADIANCE_FAULT_ROOT"), *file = getenv("RADIANCE_FAULT_FILE");
  if (!folder || !file || !realpath(folder, root)) return;
  root_length = strlen(root);
  int descriptor = REAL(open)(file, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void *found = mmap(0, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (found != MAP_FAILED) control = found;
  close(descriptor);
}

static int is_below(const char *path) {
  char whole[PATH_MAX];
  if (!root_length || !path) return 0;
  if (path[0] != '/') {
    if (!getcwd(whole, sizeof whole)) return 0;
    size_t length = strlen(whole);
    snprintf(whole + length, sizeof whole - length, "/%s", path);
    path = whole;
  }
  return !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]) &&
         !strstr(path, "service.log");
}

static int is_open_below(int descriptor) {
  char name[64], path[PATH_MAX];
  if (!root_length) return 0;
  snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(name, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return is_below(path);
}

/* Whether this call is to fail; errno is set then. */
static int fails(void) {
  long long call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
  long long mode = control->mode;
  if ((mode == 1 && call == control->at) || (mode == 2 && call >= control->at)) {
    __atomic_add_fetch(&control->failed, 1, __ATOMIC_SEQ_CST);
    errno = (int)control->error;
    return 1;
  }
  return 0;
}

#define ON_DESCRIPTOR(type, name, parameters, arguments)          \
  type name parameters {                                          \
    if (is_open_below(descriptor) && fails()) return -1;          \
    return REAL(name) arguments;                                  \
  }
ON_DESCRIPTOR(ssize_t, write, (int descriptor, const void *data, size_t size), (descriptor, data, size))
ON_DESCRIPTOR(ssize_t, writev, (int descriptor, const struct iovec *data, int count), (descriptor, data, count))
ON_DESCRIPTOR(ssize_t, pwrite, (int descriptor, const void *data, size_t size, off_t at), (descriptor, data, size, at))
ON_DESCRIPTOR(ssize_t, pwrite64, (int descriptor, const void *data, size_t size, off64_t at), (descriptor, data, size, at))
ON_DESCRIPTOR(int, ftruncate, (int descriptor, off_t size), (descriptor, size))
ON_DESCRIPTOR(int, ftruncate64, (int descriptor, off64_t size), (descriptor, size))

#define SYNC(name)                                                \
  int name(int descriptor) {                                      \
    if (is_open_below(descriptor)) {                              \
      if (fails()) return -1;                                     \
      if (control->mode == 3) return 0;                           \
    }                                                             \
    return REAL(name)(descriptor);                                \
  }
SYNC(fsync)
SYNC(fdatasync)

#define ON_PATH(name, parameters, arguments)                      \
  int name parameters {                                           \
    if (is_below(path) && fails()) return -1;                     \
    return REAL(name) arguments;                                  \
  }
ON_PATH(rename, (const char *from, const char *path), (from, path))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode))
ON_PATH(creat, (const char *path, mode_t mode), (path, mode))
ON_PATH(symlink, (const char *to, const char *path), (to, path))
ON_PATH(unlink, (const char *path), (path))

int renameat(int from_folder, const char *from, int folder, const char *path) {
  if (folder == AT_FDCWD && is_below(path) && fails()) return -1;
  return REAL(renameat)(from_folder, from, folder, path);
}

/* Opening fails where it would make or change a file. */
#define IS_FOR_WRITING(flags) (((flags) & O_ACCMODE) != O_RDONLY || ((flags) & O_CREAT))
#define OPEN(name)                                                \
  int name(const char *path, int flags, ...) {                    \
    va_list more;                                                 \
    va_start(more, flags);                                        \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                 \
    if (IS_FOR_WRITING(flags) && is_below(path) && fails()) return -1; \
    return REAL(name)(path, flags, mode);                         \
  }
OPEN(open)
OPEN(open64)
#define OPEN_AT(name)                                             \
  int name(int folder, const char *path, int flags, ...) {        \
    va_list more;                                                 \
    va_start(more, flags);                                        \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(more, mode_t) : 0; \
    va_end(more);                                                 \
    if (IS_FOR_WRITING(flags) && folder == AT_FDCWD && is_below(path) && fails()) return -1; \
    return REAL(name)(folder, path, flags, mode);                 \
  }
OPEN_AT(openat)
OPEN_AT(openat64)

#define OPEN_STREAM(name)                                         \
  FILE *name(const char *path, const char *mode) {                \
    if (strpbrk(mode, "wa+") && is_below(path) && fails()) return 0; \
    return REAL(name)(path, mode);                                \
  }
OPEN_STREAM(fopen)
OPEN_STREAM(fopen64)

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = REAL(clock_gettime)(clock, now);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    now->tv_sec += control->seconds;
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int result = REAL(gettimeofday)(now, zone);
  if (!result) now->tv_sec += control->seconds;
  return result;
}

time_t time(time_t *kept) {
  time_t now = REAL(time)(0) + control->seconds;
  if (kept) *kept = now;
  return now;
}
