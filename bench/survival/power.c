/* Keeps what a power cut would leave of one folder, inside a process that preloads it.
 *
 * RADIANCE_POWER_ROOT is the folder, RADIANCE_POWER_KEPT an empty one elsewhere, and
 * RADIANCE_POWER_FILE a file of five 64-bit numbers that both sides map: n, k, the syncs so far, the
 * sync that is held back, and the one up to which none is. At each sync the content of that file is
 * kept as f-KEY, or the names in that directory as d-KEY, with their keys. Before the syncs n, n + k,
 * n + 2k, ... (n alone where k is 0) everything is kept as it is, synced or not, as F-KEY and D-KEY,
 * and no sync goes on until that one is let go. A key is an inode and when it was made; r-root has
 * that of the folder.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct control {
  volatile long long first, every, syncs, held, released;
};
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static struct control none, *control = &none;
static char root[PATH_MAX], kept[PATH_MAX];
static int is_on;

#define REAL(name)                                                \
  ({                                                              \
    static __typeof__(&name) found;                               \
    if (!found) found = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    found;                                                        \
  })

/* The key of what is at a path; 0 where there is nothing. */
static int key_of(int folder, const char *path, char *key, int *type) {
  struct statx found;
  int flags = AT_SYMLINK_NOFOLLOW | (*path ? 0 : AT_EMPTY_PATH);
  if (statx(folder, path, flags, STATX_BASIC_STATS | STATX_BTIME, &found)) return 0;
  sprintf(key, "%llu-%lld.%u", (unsigned long long)found.stx_ino,
          (long long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
  *type = S_ISDIR(found.stx_mode) ? 'd' : S_ISLNK(found.stx_mode) ? 'l' : 'f';
  return 1;
}

static void put(char letter, const char *key, const char *data, size_t size) {
  char temporary[PATH_MAX + 96], path[PATH_MAX + 96];
  snprintf(temporary, sizeof temporary, "%s/.%c-%s.%d", kept, letter, key, gettid());
  snprintf(path, sizeof path, "%s/%c-%s", kept, letter, key);
  int file = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return;
  while (size) {
    ssize_t done = write(file, data, size);
    if (done <= 0) break;
    data += done, size -= done;
  }
  close(file);
  rename(temporary, path);
}

static void keep_file(const char *path, const char *key, char letter) {
  struct stat found;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  if (!fstat(file, &found)) {
    size_t size = found.st_size, have = 0;
    char *data = malloc(size ? size : 1);
    for (ssize_t got; have < size && (got = pread(file, data + have, size - have, have)) > 0;)
      have += got;
    put(letter, key, data, have);
    free(data);
  }
  close(file);
}

/* The names in a directory, each in a line with its type, key and what a link points at. */
static void keep_names(const char *path, const char *key, char letter, int with_all) {
  DIR *folder = opendir(path);
  if (!folder) return;
  char *text = 0;
  size_t size = 0;
  FILE *lines = open_memstream(&text, &size);
  for (struct dirent *entry; (entry = readdir(folder));) {
    char below[64], target[PATH_MAX] = "", whole[2 * PATH_MAX];
    int type;
    if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
    if (!key_of(dirfd(folder), entry->d_name, below, &type)) continue;
    if (type == 'l') {
      ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
      target[length < 0 ? 0 : length] = 0;
    }
    fprintf(lines, "%c\t%s\t%s\t%s\n", type, below, entry->d_name, target);
    snprintf(whole, sizeof whole, "%s/%s", path, entry->d_name);
    if (with_all && type == 'd') keep_names(whole, below, 'D', 1);
    if (with_all && type == 'f') keep_file(whole, below, 'F');
  }
  closedir(folder);
  fclose(lines);
  put(letter, key, text, size);
  free(text);
}

__attribute__((constructor)) static void begin(void) {
  const char *folder = getenv("RADIANCE_POWER_ROOT"), *into = getenv("RADIANCE_POWER_KEPT");
  const char *file = getenv("RADIANCE_POWER_FILE");
  char key[64];
  int type;
  if (!folder || !into || !file || !realpath(folder, root) || !realpath(into, kept)) return;
  int descriptor = open(file, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void *found = mmap(0, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (found != MAP_FAILED) control = found;
  close(descriptor);
  if (key_of(AT_FDCWD, root, key, &type)) put('r', "root", key, strlen(key)), is_on = 1;
}

/* Where an open file is below the root; 0 elsewhere. */
static int place_of(int descriptor, char *path) {
  char name[64];
  size_t length = strlen(root);
  snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  ssize_t size = readlink(name, path, PATH_MAX - 1);
  if (size < 0) return 0;
  path[size] = 0;
  return !strncmp(path, root, length) && (path[length] == '/' || !path[length]);
}

static int is_cut(long long sync) {
  long long first = control->first, every = control->every;
  return first && (sync == first || (every && sync > first && (sync - first) % every == 0));
}

static void before(void) {
  long long sync = ++control->syncs;
  char key[64];
  int type;
  if (!is_cut(sync)) return;
  if (key_of(AT_FDCWD, root, key, &type)) keep_names(root, key, 'D', 1);
  control->held = sync;
  while (control->released < sync) usleep(1000);
}

static void after(int descriptor, const char *path) {
  char key[64];
  int type;
  if (!key_of(descriptor, "", key, &type)) return;
  if (type == 'd') keep_names(path, key, 'd', 0);
  else keep_file(path, key, 'f');
}

#define SYNC(name)                                                \
  int name(int descriptor) {                                      \
    char path[PATH_MAX];                                          \
    int is_below = is_on && place_of(descriptor, path);           \
    if (!is_below) return REAL(name)(descriptor);                 \
    pthread_mutex_lock(&turn);                                    \
    before();                                                     \
    int result = REAL(name)(descriptor);                          \
    if (!result) after(descriptor, path);                         \
    pthread_mutex_unlock(&turn);                                  \
    return result;                                                \
  }
SYNC(fsync)
SYNC(fdatasync)
